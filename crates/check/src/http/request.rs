//! What is sent for a page.
//!
//! It owns the bytes, which are keepalived's: a server whose answer depends on them answers both alike.

use standfast_model::config::lvs::Connect;
use standfast_model::config::probe::HttpVersion;

/// The request for a path. Without a `virtualhost` the host is the address with its port, even a default one.
pub(crate) fn request(path: &str, virtual_host: Option<&str>, version: HttpVersion, connect: &Connect) -> Vec<u8> {
    let (number, close) = match version {
        HttpVersion::Http10 => ("1.0", ""),
        HttpVersion::Http10Close => ("1.0", "Connection: close\r\n"),
        HttpVersion::Http11 => ("1.1", "Connection: close\r\n"),
    };
    let host = virtual_host.map_or_else(|| connect.target.to_string(), ToOwned::to_owned);
    format!("GET {path} HTTP/{number}\r\nUser-Agent: KeepAliveClient\r\n{close}Host: {host}\r\n\r\n").into_bytes()
}

#[cfg(test)]
mod tests {
    use super::request;
    use standfast_model::config::lvs::Connect;
    use standfast_model::config::probe::HttpVersion;

    fn to(target: &str) -> Connect {
        Connect {
            target: target.parse().unwrap(),
            bind_address: None,
            bind_port: None,
            bind_interface: None,
            timeout: core::time::Duration::from_secs(5),
            mark: 0,
        }
    }

    #[test]
    fn requests_are_those_that_keepalived_2_2_7_was_seen_to_send() {
        let sent = |host, version, target| String::from_utf8(request("/x", host, version, &to(target))).unwrap();
        let plain = "127.0.0.1:18001";
        assert_eq!(
            sent(None, HttpVersion::Http10, plain),
            "GET /x HTTP/1.0\r\nUser-Agent: KeepAliveClient\r\nHost: 127.0.0.1:18001\r\n\r\n"
        );
        assert_eq!(
            sent(None, HttpVersion::Http10Close, plain),
            "GET /x HTTP/1.0\r\nUser-Agent: KeepAliveClient\r\nConnection: close\r\nHost: 127.0.0.1:18001\r\n\r\n"
        );
        assert_eq!(
            sent(Some("foo.example"), HttpVersion::Http11, plain),
            "GET /x HTTP/1.1\r\nUser-Agent: KeepAliveClient\r\nConnection: close\r\nHost: foo.example\r\n\r\n"
        );
        assert!(sent(None, HttpVersion::Http10, "[2001:db8::1]:80").contains("\r\nHost: [2001:db8::1]:80\r\n"));
    }
}
