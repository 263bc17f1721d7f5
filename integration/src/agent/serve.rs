//! Serves the requests of the lab inside one machine: a thread for each connection, one request on each. Owns the
//! pumping of output and input; decides nothing, restarts nothing.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use nix::sched::{CloneFlags, setns, unshare};

use super::children::Children;
use super::protocol::{CHUNK, Exec, Exit, Frame, Place, Request, Size};
use super::stream::{Stream, pass_on};

/// How long output may still arrive after a program has ended: what it wrote is in the pipe already, and only a child
/// of its own, which may live for ever, can hold the pipe open.
const LAST_WORDS: Duration = Duration::from_millis(300);

/// How many chunks of input may wait for a program that does not read.
const INPUT_QUEUE: usize = 64;

/// The agent of one machine.
#[derive(Debug)]
pub(crate) struct Agent {
    children: Children,
    /// The namespace of a director that holds the far ends of its cables.
    wall: Option<OwnedFd>,
}

impl Agent {
    /// An agent, and the thread that reaps its children.
    ///
    /// # Errors
    /// The kernel grants no thread.
    pub(crate) fn new(wall: Option<OwnedFd>) -> io::Result<Self> {
        Ok(Self { children: Children::new()?, wall })
    }

    /// Serves a Unix socket until accepting fails.
    pub(crate) fn serve_unix(self, listener: &UnixListener) -> io::Error {
        let agent = Arc::new(self);
        loop {
            match listener.accept() {
                Ok((stream, _)) => serve_one(&agent, Stream::Unix(stream)),
                Err(error) => return error,
            }
        }
    }

    /// Serves a TCP socket until accepting fails.
    pub(crate) fn serve_tcp(self, listener: &TcpListener) -> io::Error {
        let agent = Arc::new(self);
        loop {
            match listener.accept() {
                Ok((stream, _)) => {
                    // Requests are small and wait for their answer.
                    let _ = stream.set_nodelay(true);
                    serve_one(&agent, Stream::Tcp(stream));
                }
                Err(error) => return error,
            }
        }
    }

    fn answer(&self, mut stream: Stream) -> io::Result<()> {
        let Some(frame) = Frame::read(&mut stream)? else { return Ok(()) };
        let Frame::Request(request) = frame else {
            return refuse(&mut stream, "a request was expected");
        };
        match request {
            Request::Exec(exec) => self.exec(&exec, stream),
            Request::Put { path, mode } => {
                let done = put(&mut stream, &path, mode).map(|()| 0).map_err(|error| error.to_string());
                Frame::Reply(done).write(&mut stream)
            }
            Request::Get { path } => get(&mut stream, &path),
            Request::Connect { to, within_millis } => connect(stream, to, Duration::from_millis(within_millis)),
        }
    }

    fn exec(&self, exec: &Exec, mut stream: Stream) -> io::Result<()> {
        let started = match Running::start(self, exec) {
            Ok(started) => started,
            Err(error) => return refuse(&mut stream, &error.to_string()),
        };
        Frame::Reply(Ok(started.child.id())).write(&mut stream)?;
        started.attend(&self.children, &stream)
    }

    fn spawn(&self, command: &mut Command, exec: &Exec) -> io::Result<(Child, Receiver<Exit>)> {
        // A thread of its own, because what it enters it can never leave; a nice level too is a thread's on Linux.
        thread::scope(|scope| {
            let starter = scope.spawn(|| {
                if let Some(nice) = exec.nice {
                    rustix::process::setpriority_process(None, nice)?;
                }
                self.enter(exec.place)?;
                self.children.start(command)
            });
            starter.join().unwrap_or_else(|_| Err(io::Error::other("the starting thread panicked")))
        })
    }

    /// Puts this thread, or what it starts next, where a program shall run.
    fn enter(&self, place: Place) -> io::Result<()> {
        let processes = CloneFlags::CLONE_NEWPID | CloneFlags::CLONE_NEWNS;
        let machine = CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWUTS | CloneFlags::CLONE_NEWIPC;
        match place {
            Place::Here => {}
            Place::Wall => {
                let wall = self.wall.as_ref().ok_or_else(|| io::Error::other("this machine has no such namespace"))?;
                setns(wall, CloneFlags::CLONE_NEWNET)?;
            }
            Place::NewProcesses => unshare(processes)?,
            Place::NewMachine => unshare(processes | machine)?,
        }
        Ok(())
    }
}

/// An output of a program, and the frame that carries what comes from it.
type Output = (Box<dyn Read + Send>, fn(Vec<u8>) -> Frame);

/// A program that has been started for a connection.
struct Running {
    child: Child,
    exit: Receiver<Exit>,
    outputs: Vec<Output>,
    input: Option<Box<dyn Write + Send>>,
    terminal: Option<OwnedFd>,
}

impl Running {
    fn start(agent: &Agent, exec: &Exec) -> io::Result<Self> {
        let Some((program, arguments)) = exec.argv.split_first() else {
            return Err(io::Error::other("an empty command"));
        };
        let mut command;
        let mut terminal = None;
        if let Some(size) = exec.terminal {
            // setsid gives the program a session, and the terminal that its standard input is.
            command = Command::new("setsid");
            command.arg("--ctty").arg(program);
            let pair = nix::pty::openpty(Some(&window(size)), None)?;
            command.stdin(pair.slave.try_clone()?).stdout(pair.slave.try_clone()?).stderr(pair.slave);
            terminal = Some(pair.master);
        } else {
            command = Command::new(program);
            command.process_group(0).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        }
        command.args(arguments).envs(exec.env.iter().map(|(name, value)| (name, value)));
        let (mut child, exit) =
            agent.spawn(&mut command, exec).map_err(|error| io::Error::other(format!("{program}: {error}")))?;
        let mut outputs: Vec<Output> = Vec::new();
        let mut input: Option<Box<dyn Write + Send>> = None;
        if let Some(master) = &terminal {
            outputs.push((Box::new(File::from(master.try_clone()?)), Frame::Stdout));
            input = Some(Box::new(File::from(master.try_clone()?)));
        }
        if let Some(stdout) = child.stdout.take() {
            outputs.push((Box::new(stdout), Frame::Stdout));
        }
        if let Some(stderr) = child.stderr.take() {
            outputs.push((Box::new(stderr), Frame::Stderr));
        }
        if let Some(stdin) = child.stdin.take() {
            input = Some(Box::new(stdin));
        }
        Ok(Self { child, exit, outputs, input, terminal })
    }

    /// Pumps until the program has ended, and tells how.
    fn attend(self, children: &Children, stream: &Stream) -> io::Result<()> {
        let Self { child, exit, outputs, input, terminal } = self;
        let pid = child.id();
        let writer = Arc::new(Mutex::new(stream.try_clone()?));
        let (finished, all_finished) = channel();
        for (output, frame) in outputs {
            let writer = Arc::clone(&writer);
            let finished = finished.clone();
            thread::Builder::new().spawn(move || pump_out(output, frame, &writer, &finished))?;
        }
        drop(finished);
        let (queue, queued) = sync_channel(INPUT_QUEUE);
        if let Some(input) = input {
            thread::Builder::new().spawn(move || pump_in(input, &queued))?;
        }
        let mut commands = stream.try_clone()?;
        let children = children.clone();
        thread::Builder::new().spawn(move || {
            let mut queue = Some(queue);
            while let Ok(Some(frame)) = Frame::read(&mut commands) {
                match frame {
                    Frame::Stdin(bytes) => {
                        if let Some(queue) = &queue {
                            // A program that closed its input gets no more of it.
                            let _ = queue.send(bytes);
                        }
                    }
                    Frame::StdinEnd => queue = None,
                    Frame::Signal(number) => children.signal(pid, number),
                    Frame::Resize(size) => resize(terminal.as_ref(), size),
                    Frame::Request(_)
                    | Frame::Reply(_)
                    | Frame::Stdout(_)
                    | Frame::Stderr(_)
                    | Frame::Exit(_)
                    | Frame::Data(_)
                    | Frame::End => break,
                }
            }
            // Whoever asked is gone or talks nonsense. After an orderly end the child is not in the table any more.
            children.signal(pid, nix::libc::SIGKILL);
        })?;
        let exit = exit.recv().unwrap_or(Exit::Signal(nix::libc::SIGKILL));
        // Each pump that ends sends one word; the channel closes when all have ended.
        while all_finished.recv_timeout(LAST_WORDS).is_ok() {}
        let mut writer = writer.lock().unwrap_or_else(PoisonError::into_inner);
        let told = Frame::Exit(exit).write(&mut *writer);
        writer.shut_down(Shutdown::Both);
        told
    }
}

fn serve_one(agent: &Arc<Agent>, stream: Stream) {
    let agent = Arc::clone(agent);
    // When there is no thread the connection closes, which is all that can be said. Likewise when the other end has
    // gone.
    let _ = thread::Builder::new().spawn(move || agent.answer(stream));
}

fn refuse(stream: &mut Stream, why: &str) -> io::Result<()> {
    Frame::Reply(Err(why.to_owned())).write(stream)
}

fn window(size: Size) -> nix::pty::Winsize {
    nix::pty::Winsize { ws_row: size.rows, ws_col: size.columns, ws_xpixel: 0, ws_ypixel: 0 }
}

fn resize(terminal: Option<&OwnedFd>, size: Size) {
    if let Some(terminal) = terminal {
        // A terminal whose program has ended has no size to speak of.
        let size = rustix::termios::Winsize { ws_row: size.rows, ws_col: size.columns, ws_xpixel: 0, ws_ypixel: 0 };
        let _ = rustix::termios::tcsetwinsize(terminal, size);
    }
}

fn pump_out(mut output: impl Read, frame: fn(Vec<u8>) -> Frame, to: &Mutex<Stream>, finished: &Sender<()>) {
    let mut chunk = vec![0; CHUNK];
    let mut listened_to = true;
    // The end of a terminal is an error, not an end of file: both end the loop.
    while let Ok(length @ 1..) = output.read(&mut chunk) {
        // Reading goes on when nobody listens, because a daemon that inherited the pipe must not die of it.
        if listened_to && let Some(bytes) = chunk.get(..length) {
            let mut to = to.lock().unwrap_or_else(PoisonError::into_inner);
            listened_to = frame(bytes.to_vec()).write(&mut *to).is_ok();
        }
    }
    let _ = finished.send(());
}

fn pump_in(mut input: impl Write, queued: &Receiver<Vec<u8>>) {
    while let Ok(bytes) = queued.recv() {
        if input.write_all(&bytes).and_then(|()| input.flush()).is_err() {
            return;
        }
    }
}

fn put(stream: &mut Stream, path: &Path, mode: u32) -> io::Result<()> {
    if let Some(directory) = path.parent() {
        fs::create_dir_all(directory)?;
    }
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(mode).open(path)?;
    loop {
        match Frame::read(stream)? {
            Some(Frame::Data(bytes)) => file.write_all(&bytes)?,
            Some(Frame::End) => break,
            Some(_) | None => return Err(io::Error::other("the file broke off")),
        }
    }
    // The file may have existed with other permissions.
    file.set_permissions(fs::Permissions::from_mode(mode))?;
    // What was put is there after a power cut.
    file.sync_all()
}

fn get(stream: &mut Stream, path: &Path) -> io::Result<()> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) => return refuse(stream, &format!("{}: {error}", path.display())),
    };
    Frame::Reply(Ok(0)).write(stream)?;
    let mut chunk = vec![0; CHUNK];
    loop {
        let length = file.read(&mut chunk)?;
        match chunk.get(..length) {
            Some(bytes @ [_, ..]) => Frame::Data(bytes.to_vec()).write(stream)?,
            Some([]) | None => return Frame::End.write(stream),
        }
    }
}

fn connect(mut stream: Stream, to: SocketAddr, within: Duration) -> io::Result<()> {
    let far = match TcpStream::connect_timeout(&to, within) {
        Ok(far) => far,
        Err(error) => return refuse(&mut stream, &format!("{to}: {error}")),
    };
    far.set_nodelay(true)?;
    let far = Stream::Tcp(far);
    Frame::Reply(Ok(0)).write(&mut stream)?;
    let (back_from, back_to) = (far.try_clone()?, stream.try_clone()?);
    thread::Builder::new().spawn(move || pass_on(back_from, back_to))?;
    pass_on(stream, far);
    Ok(())
}
