//! `standfast watch` in a real terminal, that of tmux, with a daemon that things happen to. Needs root and Debian's tmux.

use crate::common::Files;
use crate::operate::Daemon;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// A terminal with `standfast watch` in it, which goes with the test.
struct Terminal {
    files: Files,
}

impl Terminal {
    /// It looks for the daemon where [`Terminal::point_to`] says.
    fn new(width: u16, height: u16) -> Self {
        let terminal = Self { files: Files::new(&[]) };
        let words = format!("{} watch --socket control; echo status $?; exec cat", env!("CARGO_BIN_EXE_standfast"));
        let size = [width.to_string(), height.to_string()];
        terminal.tmux(&["-f", "/dev/null", "new-session", "-d", "-x", &size[0], "-y", &size[1], &words]);
        terminal
    }

    fn point_to(&self, socket: &Path) {
        let (new, place) = (self.files.directory.join("new"), self.files.directory.join("control"));
        std::os::unix::fs::symlink(socket, &new).unwrap();
        std::fs::rename(new, place).unwrap();
    }

    fn tmux(&self, words: &[&str]) -> String {
        let output = Command::new("tmux")
            .args(["-S", "tmux"])
            .args(words)
            .current_dir(&self.files.directory)
            .env("TERM", "xterm-256color")
            .env("LC_ALL", "C.UTF-8")
            .env_remove("TMUX")
            .output()
            .unwrap_or_else(|error| panic!("tmux is not installed (apt-get install tmux): {error}"));
        assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    fn keys(&self, keys: &[&str]) {
        self.tmux(&[&["send-keys"], keys].concat());
    }

    fn screen(&self) -> String {
        self.tmux(&["capture-pane", "-p"])
    }

    /// Waits until a line on the screen contains all of these.
    fn wait_for(&self, words: &[&str]) -> String {
        for _ in 0..400 {
            let screen = self.screen();
            if screen.lines().any(|line| words.iter().all(|word| line.contains(word))) {
                return screen;
            }
            #[expect(clippy::disallowed_methods, reason = "a test has nothing else to wait on")]
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("waited for {words:?} in vain:\n{}", self.screen());
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = Command::new("tmux").args(["-S", "tmux", "kill-server"]).current_dir(&self.files.directory).output();
    }
}

#[test]
fn a_terminal_follows_a_fault_a_recovery_and_a_restart_of_the_daemon() {
    let terminal = Terminal::new(80, 24);
    terminal.wait_for(&[" NO DAEMON ", "asked every second"]);
    let daemon = Daemon::start();
    terminal.point_to(&daemon.socket);
    let screen = terminal.wait_for(&["VI_E", "MASTER", "255", "this node", "east", "51"]);
    assert!(screen.starts_with(" OK  1 MASTER, 0 BACKUP"), "{screen}");
    terminal.wait_for(&["vrrp", "(VI_E) Entering MASTER STATE"]);
    daemon.inside(&["ip", "link", "set", "east", "down"]);
    terminal.wait_for(&[" CRITICAL  VI_E is in FAULT"]);
    terminal.wait_for(&["(VI_E) Entering FAULT STATE"]);
    // Filter, freeze, another size: all in the hands of a real terminal.
    terminal.keys(&["/"]);
    terminal.keys(&["-l", "FAULT"]);
    terminal.keys(&["Enter"]);
    let screen = terminal.wait_for(&["only lines with \"FAULT\""]);
    assert!(!screen.contains("Entering MASTER"), "{screen}");
    terminal.keys(&["Escape"]);
    terminal.wait_for(&["Entering MASTER STATE"]);
    terminal.keys(&["Space"]);
    terminal.wait_for(&["FROZEN"]);
    daemon.inside(&["ip", "link", "set", "east", "up"]);
    daemon.wait_for("the recovery", |daemon| daemon.run(&["status"]).status == 0);
    terminal.wait_for(&["FROZEN, ", "events since", "VI_E is in FAULT"]);
    terminal.keys(&["Space"]);
    terminal.wait_for(&["VI_E", "MASTER", "this node"]);
    terminal.tmux(&["resize-window", "-x", "170", "-y", "40"]);
    terminal.wait_for(&[" Instances ─", " Events ─"]);
    drop(daemon);
    terminal.wait_for(&[" NO DAEMON ", "below is what was so at"]);
    let successor = Daemon::start();
    terminal.point_to(&successor.socket);
    terminal.wait_for(&["connected again: restarted, pid"]);
    let screen = terminal.wait_for(&["VI_E", "MASTER", "this node"]);
    assert!(screen.starts_with(" OK "), "{screen}");
    terminal.keys(&["q"]);
    let screen = terminal.wait_for(&["status 0"]);
    assert!(!screen.contains("VI_E") && !screen.contains("MASTER"), "the terminal is as it was before: {screen}");
}

#[test]
fn without_a_terminal_it_says_what_does_without() {
    let ran = Files::new(&[]).run(&["watch"]);
    assert_eq!((ran.status, ran.out.as_str()), (2, ""));
    assert!(ran.err.contains("needs a terminal; status and events --follow do without"), "{}", ran.err);
}
