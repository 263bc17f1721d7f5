//! Instructions of classic BPF, with which the kernel decides what a socket hears.
//!
//! It knows no protocol: whoever has a socket writes the program for it.

use socket2::SockFilter;

pub(crate) fn statement(code: u32, k: u32) -> SockFilter {
    SockFilter::new(u16::try_from(code).unwrap_or(0), 0, 0, k)
}

/// Skips so many statements if what was loaded is equal to `k`, and so many if it is not.
pub(crate) fn compare(k: u32, if_equal: u8, if_not: u8) -> SockFilter {
    jump(libc::BPF_JEQ, k, if_equal, if_not)
}

/// Skips so many statements if what was loaded compares so with `k` (`BPF_JEQ`, `BPF_JGE`, `BPF_JGT`), and so many if not.
pub(crate) fn jump(how: u32, k: u32, if_so: u8, if_not: u8) -> SockFilter {
    SockFilter::new(u16::try_from(libc::BPF_JMP | how | libc::BPF_K).unwrap_or(0), if_so, if_not, k)
}
