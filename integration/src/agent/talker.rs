//! Both ends of connections that last: a server that says its name and then repeats what it hears, and a client that
//! holds some conversations with it and writes a line for each exchange. A conversation that breaks is begun anew; what
//! that means is for the reader of the lines to say.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use crate::clock::{Moment, pause};
use crate::talk::{Said, Talk, Word};

/// The longest line that either end reads: a name or a number.
const LINE_LIMIT: u64 = 200;

/// How long a connection may take to be made: two retransmissions of the first packet.
const CONNECT: Duration = Duration::from_millis(3_500);

/// After a refused connection, so that a dead service is not a busy loop.
const AGAIN: Duration = Duration::from_millis(100);

/// Serves on a TCP port of every address until it is killed.
pub(super) fn echo(port: u16, name: &str) -> io::Result<()> {
    let listener = TcpListener::bind(SocketAddr::from(([0, 0, 0, 0], port)))?;
    say("serving")?;
    for stream in listener.incoming() {
        let (stream, name) = (stream?, name.to_owned());
        // Who breaks off concerns this conversation alone.
        thread::Builder::new().spawn(move || repeat(&stream, &name))?;
    }
    Ok(())
}

fn repeat(mut stream: &TcpStream, name: &str) -> io::Result<()> {
    stream.set_nodelay(true)?;
    writeln!(stream, "{name}")?;
    let mut bytes = [0; 1024];
    loop {
        match stream.read(&mut bytes)? {
            0 => return Ok(()),
            length => stream.write_all(bytes.get(..length).unwrap_or_default())?,
        }
    }
}

/// Talks until SIGTERM, and then until the exchanges that are under way are settled.
pub(super) fn talk(arguments: &[&str]) -> io::Result<()> {
    let talk = Talk::from_arguments(arguments).ok_or_else(|| io::Error::other("no such talk"))?;
    let stop = Arc::new(AtomicBool::new(false));
    signal_hook::flag::register(signal_hook::consts::SIGTERM, Arc::clone(&stop))?;
    let mut conversations = Vec::new();
    for number in 0..talk.count {
        let (talk, stop) = (talk.clone(), Arc::clone(&stop));
        conversations.push(thread::Builder::new().spawn(move || hold(&talk, number, &stop))?);
    }
    conversations.into_iter().try_for_each(|conversation| {
        conversation.join().unwrap_or_else(|_| Err(io::Error::other("a conversation panicked")))
    })
}

/// One conversation after the other, under one number.
fn hold(talk: &Talk, number: usize, stop: &AtomicBool) -> io::Result<()> {
    while !stop.load(Ordering::Relaxed) {
        let sent = Moment::now();
        let tell = |sent, said| say(&Word { number, sent, done: Moment::now(), said }.to_string());
        match open(talk) {
            Ok((stream, mut reader, server)) => {
                tell(sent, Said::Opened(server.clone()))?;
                converse(talk, &stream, &mut reader, stop, |sent, outcome| match outcome {
                    Ok(()) => tell(sent, Said::Repeated(server.clone())),
                    Err(error) => tell(sent, Said::Broke(server.clone(), why(&error))),
                })?;
            }
            Err(error) => {
                tell(sent, Said::Refused(why(&error)))?;
                pause(AGAIN);
            }
        }
    }
    Ok(())
}

fn open(talk: &Talk) -> io::Result<(TcpStream, BufReader<TcpStream>, String)> {
    let stream = TcpStream::connect_timeout(&talk.server, CONNECT)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(talk.patience))?;
    let mut reader = BufReader::new(stream.try_clone()?);
    let server = line(&mut reader)?;
    Ok((stream, reader, server))
}

/// Exchanges numbers until it is told to stop or the connection breaks; tells of each.
fn converse(
    talk: &Talk,
    mut stream: &TcpStream,
    reader: &mut impl BufRead,
    stop: &AtomicBool,
    mut tell: impl FnMut(Moment, io::Result<()>) -> io::Result<()>,
) -> io::Result<()> {
    let mut count = 0u64;
    while !stop.load(Ordering::Relaxed) {
        let sent = Moment::now();
        count += 1;
        let repeated = stream.write_all(format!("{count}\n").as_bytes()).and_then(|()| line(reader));
        let outcome = repeated.and_then(|heard| {
            if heard == count.to_string() { Ok(()) } else { Err(io::Error::other(format!("heard {heard:?}"))) }
        });
        let broke = outcome.is_err();
        tell(sent, outcome)?;
        if broke {
            return Ok(());
        }
        pause(sent.after(talk.period).remaining());
    }
    Ok(())
}

fn line(reader: &mut impl BufRead) -> io::Result<String> {
    let mut line = String::new();
    reader.by_ref().take(LINE_LIMIT).read_line(&mut line)?;
    match line.strip_suffix('\n') {
        Some(line) => Ok(line.to_owned()),
        None => Err(io::Error::new(io::ErrorKind::UnexpectedEof, "closed by the other end")),
    }
}

fn why(error: &io::Error) -> String {
    if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) {
        "no answer in time".to_owned()
    } else {
        error.to_string()
    }
}

fn say(line: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}
