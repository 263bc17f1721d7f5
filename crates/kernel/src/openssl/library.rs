//! The functions of this machine's `libssl` and `libcrypto` that are used, found when the first of them is needed.
//!
//! It owns the types of the functions and nothing of what they make.

use core::ffi::{CStr, c_char, c_int, c_long, c_ulong, c_void};
use core::ptr::null_mut;
use std::sync::OnceLock;

/// What OpenSSL makes is known by its address only.
pub(super) type Raw = *mut c_void;

/// What the library is called, by age of its interface; the functions used are the same in each.
const NAMES: [&CStr; 3] = [c"libssl.so.3", c"libssl.so.4", c"libssl.so.1.1"];

/// `OPENSSL_INIT_LOAD_SSL_STRINGS`, for words in errors, and `OPENSSL_INIT_NO_ATEXIT`: a process that ends frees nothing.
const BEGIN: u64 = 0x0020_0000 | 0x0008_0000;

macro_rules! functions {
    ($($field:ident: $symbol:literal fn($($parameter:ty),*) $(-> $result:ty)?;)*) => {
        /// The functions by name. The types are those of OpenSSL's manual.
        #[derive(Debug)]
        pub(super) struct Library {
            $(pub(super) $field: unsafe extern "C" fn($($parameter),*) $(-> $result)?,)*
        }

        impl Library {
            /// # Errors
            ///
            /// The name of a function that is missing.
            fn of(handle: Raw) -> Result<Self, String> {
                Ok(Self {
                    $($field: {
                        let found = symbol(handle, $symbol)?;
                        #[expect(unsafe_code, reason = "a function found by its name has no type")]
                        // SAFETY: the address is that of the function of this name, whose type is documented to be this.
                        unsafe { core::mem::transmute::<Raw, unsafe extern "C" fn($($parameter),*) $(-> $result)?>(found) }
                    },)*
                })
            }
        }
    };
}

functions! {
    begin: c"OPENSSL_init_ssl" fn(u64, Raw) -> c_int;
    method: c"TLS_client_method" fn() -> Raw;
    context: c"SSL_CTX_new" fn(Raw) -> Raw;
    context_free: c"SSL_CTX_free" fn(Raw);
    context_control: c"SSL_CTX_ctrl" fn(Raw, c_int, c_long, Raw) -> c_long;
    context_verify: c"SSL_CTX_set_verify" fn(Raw, c_int, Raw);
    context_trust: c"SSL_CTX_load_verify_locations" fn(Raw, *const c_char, *const c_char) -> c_int;
    context_trust_default: c"SSL_CTX_set_default_verify_paths" fn(Raw) -> c_int;
    context_chain: c"SSL_CTX_use_certificate_chain_file" fn(Raw, *const c_char) -> c_int;
    context_key: c"SSL_CTX_use_PrivateKey" fn(Raw, Raw) -> c_int;
    context_check_key: c"SSL_CTX_check_private_key" fn(Raw) -> c_int;
    text: c"BIO_new_mem_buf" fn(*const c_void, c_int) -> Raw;
    text_free: c"BIO_free_all" fn(Raw);
    key: c"PEM_read_bio_PrivateKey" fn(Raw, Raw, Raw, Raw) -> Raw;
    key_free: c"EVP_PKEY_free" fn(Raw);
    connection: c"SSL_new" fn(Raw) -> Raw;
    connection_free: c"SSL_free" fn(Raw);
    connection_control: c"SSL_ctrl" fn(Raw, c_int, c_long, Raw) -> c_long;
    connection_socket: c"SSL_set_fd" fn(Raw, c_int) -> c_int;
    verification: c"SSL_get0_param" fn(Raw) -> Raw;
    verification_name: c"X509_VERIFY_PARAM_set1_host" fn(Raw, *const c_char, usize) -> c_int;
    verification_address: c"X509_VERIFY_PARAM_set1_ip_asc" fn(Raw, *const c_char) -> c_int;
    verified: c"SSL_get_verify_result" fn(Raw) -> c_long;
    verified_words: c"X509_verify_cert_error_string" fn(c_long) -> *const c_char;
    connect: c"SSL_connect" fn(Raw) -> c_int;
    read: c"SSL_read" fn(Raw, *mut c_void, c_int) -> c_int;
    write: c"SSL_write" fn(Raw, *const c_void, c_int) -> c_int;
    outcome: c"SSL_get_error" fn(Raw, c_int) -> c_int;
    next_error: c"ERR_get_error" fn() -> c_ulong;
    clear_errors: c"ERR_clear_error" fn();
    reason: c"ERR_reason_error_string" fn(c_ulong) -> *const c_char;
}

/// The library, loaded by the first who asks.
///
/// # Errors
///
/// It is not on this machine, or lacks a function: in the words of the linker.
pub(super) fn library() -> Result<&'static Library, &'static str> {
    static LIBRARY: OnceLock<Result<Library, String>> = OnceLock::new();
    LIBRARY.get_or_init(load).as_ref().map_err(String::as_str)
}

fn load() -> Result<Library, String> {
    let mut refused = String::new();
    for name in NAMES {
        let handle = open(name);
        if handle.is_null() {
            // What is said of the first name is what whoever installs it wants to know.
            let why = complaint();
            refused = if refused.is_empty() { why } else { refused };
            continue;
        }
        let library = Library::of(handle)?;
        #[expect(unsafe_code, reason = "a function of OpenSSL")]
        // SAFETY: without settings the second parameter is null.
        let begun = unsafe { (library.begin)(BEGIN, null_mut()) };
        return if begun == 1 { Ok(library) } else { Err("OpenSSL does not begin".to_owned()) };
    }
    Err(refused)
}

/// Where the linker has put the library; null if it has not. It stays for as long as the process.
fn open(name: &CStr) -> Raw {
    #[expect(unsafe_code, reason = "a library that few processes need is not loaded by all of them")]
    // SAFETY: the name ends with a zero; what the library runs when it is loaded is OpenSSL's own.
    unsafe {
        libc::dlopen(name.as_ptr(), libc::RTLD_NOW | libc::RTLD_LOCAL)
    }
}

fn symbol(handle: Raw, name: &CStr) -> Result<Raw, String> {
    #[expect(unsafe_code, reason = "the functions are found by their names")]
    // SAFETY: the handle is of a library that stays, and the name ends with a zero.
    let found = unsafe { libc::dlsym(handle, name.as_ptr()) };
    if found.is_null() { Err(complaint()) } else { Ok(found) }
}

/// What the linker has to say about what it has just refused.
fn complaint() -> String {
    #[expect(unsafe_code, reason = "the linker says it in text of its own")]
    // SAFETY: text of the linker's, valid until the next call of it by this thread.
    let said = unsafe { text(libc::dlerror()) };
    said.unwrap_or_else(|| "the linker gave no reason".to_owned())
}

/// Text of C's, if there is any.
///
/// # Safety
///
/// What is not null ends with a zero and is not changed meanwhile.
#[expect(unsafe_code, reason = "C's text has no length")]
pub(super) unsafe fn text(said: *const c_char) -> Option<String> {
    // SAFETY: as the caller says.
    (!said.is_null()).then(|| unsafe { CStr::from_ptr(said) }.to_string_lossy().into_owned())
}

impl Library {
    /// The errors of this thread so far are of no interest.
    pub(super) fn forget_errors(&self) {
        #[expect(unsafe_code, reason = "a function of OpenSSL")]
        // SAFETY: it concerns this thread's own list.
        unsafe {
            (self.clear_errors)();
        }
    }

    /// The last error of this thread with its words, after which there is none.
    pub(super) fn last_error(&self) -> Option<Complaint> {
        let mut last = 0;
        loop {
            #[expect(unsafe_code, reason = "a function of OpenSSL")]
            // SAFETY: it concerns this thread's own list.
            let next = unsafe { (self.next_error)() };
            if next == 0 {
                break;
            }
            last = next;
        }
        #[expect(unsafe_code, reason = "a function of OpenSSL")]
        // SAFETY: constant text of the library's tables, or null.
        let words = (last != 0).then(|| unsafe { text((self.reason)(last)) })?;
        Some(Complaint { code: last, words })
    }
}

/// What OpenSSL says went wrong.
#[derive(Debug)]
pub(super) struct Complaint {
    code: c_ulong,
    words: Option<String>,
}

impl Complaint {
    /// The connection ended without TLS's own end (`SSL_R_UNEXPECTED_EOF_WHILE_READING`, of `ERR_LIB_SSL`).
    pub(super) const fn is_end_of_file(&self) -> bool {
        const LIBRARY: c_ulong = 20;
        const REASON: c_ulong = 294;
        self.code >> 23 & 0xff == LIBRARY && self.code & 0x7f_ffff == REASON
    }

    pub(super) fn words(self) -> String {
        self.words.unwrap_or_else(|| "the library gave no reason".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_library_that_is_not_there_is_named() {
        assert!(open(c"libnowhere.so.77").is_null());
        assert!(complaint().contains("libnowhere.so.77"));
    }

    #[test]
    fn a_function_that_is_missing_is_named() {
        let handle = open(NAMES[0]);
        assert!(!handle.is_null());
        let refused = symbol(handle, c"SSL_of_nobody").unwrap_err();
        assert!(refused.contains("SSL_of_nobody"), "{refused}");
    }
}
