//! When OpenSSL comes into the memory of a process. A test file of its own: no other test may have loaded it.

use standfast_kernel::openssl::Context;

fn is_loaded() -> bool {
    std::fs::read_to_string("/proc/self/maps").is_ok_and(|maps| maps.contains("/libcrypto.so"))
}

#[test]
fn the_library_is_loaded_by_the_first_context_and_not_before() {
    assert!(!is_loaded());
    drop(Context::client().unwrap());
    assert!(is_loaded());
}
