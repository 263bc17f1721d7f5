//! Memory that a process needs only while it starts, given back when it has started.
//!
//! It frees nothing that anybody still uses: what is needed again comes back by itself.

use std::fs;

/// Gives memory that was needed for a while, and is free now, back to the system: what reading a configuration took stays
/// with the process otherwise, several times as much as it needs from then on. The same goes for code: most of what a
/// start runs, with the kernel's habit of mapping its neighbourhood, is not run again. Takes well under a millisecond.
pub fn give_back_memory() {
    // First, for the list takes memory of its own.
    forget_code();
    #[cfg(target_env = "gnu")]
    #[expect(unsafe_code, reason = "no crate offers malloc_trim")]
    // SAFETY: it takes a number, follows no pointer of ours, and locks the allocator's own data while it works.
    unsafe {
        libc::malloc_trim(0);
    }
}

/// Unmaps the pages of all code. What is run from then on is mapped again from the kernel's cache of the file, in some
/// microseconds. Where memory is locked (`vrrp_no_swap` and its like) the kernel refuses, and all stays as it is.
fn forget_code() {
    // Whoever is not told what is mapped gives nothing back.
    let maps = fs::read_to_string("/proc/self/maps").unwrap_or_default();
    for (start, length) in maps.lines().filter_map(code) {
        #[expect(unsafe_code, reason = "what is mapped is told by the kernel as numbers")]
        // SAFETY: the range is one that the kernel has just told of, private, of a file, and executable and not
        // writable: nobody has ever written to it, so what is read from the file again is what was there.
        unsafe {
            libc::madvise(core::ptr::with_exposed_provenance_mut(start), length, libc::MADV_DONTNEED);
        }
    }
}

/// The address and the length of a mapping, if it is code of a file and cannot have been changed.
fn code(line: &str) -> Option<(usize, usize)> {
    let mut words = line.split_ascii_whitespace();
    let (range, rights) = (words.next()?, words.next()?);
    // Offset, device and inode; what is no file has no path, or a name in brackets.
    let path = words.nth(3)?;
    if rights != "r-xp" || !path.starts_with('/') {
        return None;
    }
    let (start, end) = range.split_once('-')?;
    let start = usize::from_str_radix(start, 16).ok()?;
    let length = usize::from_str_radix(end, 16).ok()?.checked_sub(start)?;
    Some((start, length))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_code_of_files_that_nobody_can_write_to_is_given_back() {
        let line = |rights: &str, path: &str| format!("55d0-75d0 {rights} 00010000 fe:00 1234                 {path}");
        assert_eq!(code(&line("r-xp", "/usr/sbin/standfastd")), Some((0x55d0, 0x2000)));
        assert_eq!(code(&line("r-xp", "/usr/sbin/standfastd (deleted)")), Some((0x55d0, 0x2000)));
        // Written to by the loader, or by anybody, or shared, or of no file.
        for (rights, path) in [
            ("r--p", "/usr/lib/libc.so.6"),
            ("rw-p", "/usr/lib/libc.so.6"),
            ("rwxp", "/usr/lib/libc.so.6"),
            ("r-xs", "/usr/lib/libc.so.6"),
            ("r-xp", "[vdso]"),
            ("r-xp", ""),
        ] {
            assert_eq!(code(&line(rights, path)), None, "{rights} {path}");
        }
        for torn in ["", "55d0", "55d0-75d0 r-xp", "x-y r-xp 0 0 0 /a", "2000-1000 r-xp 0 0 0 /a"] {
            assert_eq!(code(torn), None, "{torn}");
        }
    }

    /// Kilobytes of code that are mapped.
    fn mapped() -> usize {
        let mut kilobytes = 0;
        let mut is_code = false;
        for line in fs::read_to_string("/proc/self/smaps").unwrap().lines() {
            if let Some(rest) = line.strip_prefix("Rss:") {
                let rss = rest.trim().strip_suffix(" kB").unwrap().trim().parse::<usize>().unwrap();
                kilobytes += if is_code { rss } else { 0 };
            } else if line.contains('-') && !line.contains("kB") {
                is_code = code(line).is_some();
            }
        }
        kilobytes
    }

    #[test]
    fn code_that_was_run_once_is_not_kept_and_runs_again() {
        let run = || "1.5e3".parse::<f64>().unwrap().sqrt().to_string() + &format!("{:?}", fs::metadata("/").unwrap());
        let before = run();
        let kept = mapped();
        give_back_memory();
        let left = mapped();
        assert!(left < kept, "{left} of {kept} kB");
        assert_eq!(run(), before);
    }
}
