//! Connects to servers at an even rate, and does no more with a connection than there is to it: what it costs the kernel,
//! whoever asks for it.

use std::fs;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use crate::clock::{Moment, pause};

/// Connects to the servers of the standard input, a line each, one after the other and again from the first:
/// `per_second` times for `millis` milliseconds. A request that is not empty is sent, and its answer read to the end. Says
/// how many connections there were, and the nanoseconds that this process ran for them.
pub(super) fn knock(per_second: u32, millis: u64, request: &str) -> io::Result<()> {
    let mut text = String::new();
    io::stdin().read_to_string(&mut text)?;
    let servers: Vec<SocketAddr> =
        text.lines().map(|line| line.parse().map_err(io::Error::other)).collect::<io::Result<_>>()?;
    // A little more often: in step with the ticks by which a user-mode kernel counts, none of it would be seen.
    let between = Duration::from_millis(970) / per_second.max(1);
    let begin = Moment::now();
    let end = begin.after(Duration::from_millis(millis));
    let (mut due, mut made, before) = (begin, 0_u64, ran()?);
    for server in servers.iter().cycle() {
        let now = Moment::now();
        if now > end {
            break;
        }
        pause(due.since(now));
        due = due.after(between);
        let mut stream = TcpStream::connect(server)?;
        if !request.is_empty() {
            stream.write_all(request.as_bytes())?;
            io::copy(&mut stream, &mut io::sink())?;
        }
        made += 1;
    }
    println!("{made} connections in {}", ran()? - before);
    Ok(())
}

/// How long this process has run, in nanoseconds.
fn ran() -> io::Result<u64> {
    let text = fs::read_to_string("/proc/self/schedstat")?;
    let nanos = text.split_whitespace().next().and_then(|nanos| nanos.parse().ok());
    nanos.ok_or_else(|| io::Error::other(format!("{text:?} is no schedstat")))
}
