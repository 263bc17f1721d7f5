//! `standfast genhash` against a server of this process, and beside Debian's genhash where that is installed.

use crate::common::Files;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::process::Command;
use std::thread;

/// Serves one page for as long as the test lives; answers its port.
fn serve(answer: &'static [u8]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 1000]);
            let _ = stream.write_all(answer);
        }
    });
    port
}

#[test]
fn the_digest_is_that_of_the_body() {
    let port = serve(b"HTTP/1.1 404 No\r\n\r\nhello");
    let files = Files::new(&[]);
    let ran = files.run(&["genhash", "-s", "127.0.0.1", "-p", &port, "-u", "/x"]);
    assert_eq!((ran.status, ran.out.as_str()), (0, "5d41402abc4b2a76b9719d911017c592\n"));
    let verbose = files.run(&["genhash", "--verbose", "--server", "127.0.0.1", "--port", &port, "--url", "/x"]);
    assert!(verbose.out.contains("0000  48 54 54 50 2f 31 2e 31 - 20 34 30 34 20 4e 6f 0d   HTTP/1.1 404 No.\n"));
    assert!(verbose.out.contains("\nGlobal response time for [/x] = "), "{}", verbose.out);
}

#[test]
fn called_genhash_it_takes_genhash_s_words_and_gives_its_statuses() {
    let port = serve(b"HTTP/1.1 200 OK\r\n\r\nhello");
    let files = Files::new(&[]);
    let link = files.directory.join("genhash");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_standfast"), &link).unwrap();
    let run = |words: &[&str]| {
        let output = Command::new(&link).args(words).output().unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    let digest = "5d41402abc4b2a76b9719d911017c592\n".to_owned();
    assert_eq!(run(&["-s", "127.0.0.1", "-p", &port, "-u", "/x"]), (Some(0), digest));
    assert_eq!(run(&["-s", "127.0.0.1"]), (Some(1), String::new()));
    assert_eq!(run(&["--nonsense"]), (Some(1), String::new()));
    assert_eq!(run(&["--help"]).0, Some(0));
}

#[test]
fn bodies_of_all_kinds_have_the_digest_that_genhash_gives_them() {
    // scripts/test installs the package that has it.
    let genhash = |port: &str, more: &[&str]| {
        let words = [&["-s", "127.0.0.1", "-p", port, "-u", "/"], more].concat();
        Command::new("genhash").args(words).output().ok().map(|output| String::from_utf8(output.stdout).unwrap())
    };
    let pages: [&[u8]; 5] = [
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhelloEXTRA",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        b"HTTP/1.0 200 OK\r\nContent-Length: 50\r\n\r\ncut short",
        b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 301 Moved\r\nLocation: /elsewhere\r\n\r\n\x00\xff\r\n",
    ];
    for page in pages {
        let port = serve(page);
        for more in [&[][..], &["-P", "1.1"], &["-V", "www.example.org", "-P", "1.0c"]] {
            let Some(theirs) = genhash(&port, more) else { return };
            let words = [&["genhash", "-s", "127.0.0.1", "-p", &port, "-u", "/"], more].concat();
            assert_eq!(Files::new(&[]).run(&words).out, theirs, "{}", String::from_utf8_lossy(page));
        }
    }
}

#[test]
fn a_page_that_cannot_be_had_is_told_with_a_status() {
    let files = Files::new(&[]);
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string();
    let ran = files.run(&["genhash", "-s", "127.0.0.1", "-p", &closed, "-u", "/"]);
    assert_eq!((ran.status, ran.out.as_str()), (1, ""));
    assert_eq!(files.run(&["genhash", "-s", "localhost", "-p", "80", "-u", "/"]).status, 2);
}
