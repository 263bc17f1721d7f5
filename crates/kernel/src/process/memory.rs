//! Memory that a process needs only while it starts, given back when it has started.
//!
//! It frees nothing that anybody still uses.

/// Gives memory that was needed for a while, and is free now, back to the system: what reading a configuration took stays
/// with the process otherwise, several times as much as it needs from then on. Takes well under a millisecond.
pub fn give_back_memory() {
    #[cfg(target_env = "gnu")]
    #[expect(unsafe_code, reason = "no crate offers malloc_trim")]
    // SAFETY: it takes a number, follows no pointer of ours, and locks the allocator's own data while it works.
    unsafe {
        libc::malloc_trim(0);
    }
}

#[cfg(all(test, target_env = "gnu"))]
mod tests {
    use super::*;

    /// Kilobytes of memory that are no file's.
    fn anonymous() -> Option<usize> {
        let status = std::fs::read_to_string("/proc/self/status").ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"))?;
        line.trim().strip_suffix(" kB")?.trim().parse().ok()
    }

    #[test]
    fn what_was_freed_below_something_that_stays_goes_back_to_the_system() {
        let mut blocks: Vec<Box<[u8; 1000]>> = (0..20_000).map(|_| Box::new([1; 1000])).collect();
        // Without it the allocator gives the end of its memory back by itself.
        let stays = blocks.pop();
        drop(blocks);
        let before = anonymous().unwrap();
        give_back_memory();
        let after = anonymous().unwrap();
        assert!(after + 10_000 < before, "{after} of {before} kB");
        assert_eq!(stays.as_deref(), Some(&[1; 1000]));
    }
}
