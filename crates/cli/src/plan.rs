//! `standfast plan`: what a reload would do to the configuration, to the kernel and to traffic. It changes nothing.

use crate::control::{Conversation, Trouble};
use crate::operate::Plan as Words;
use standfast_api::control::{Answer, Order, Request};
use standfast_api::plan::Plan;
use standfast_conf::{Class, Options, load, render_line};
use standfast_daemon::host::Elsewhere;
use standfast_daemon::plan::offline;
use standfast_model::Config;
use std::io::{self, Write as _};
use std::path::Path;

/// What it ends with if a reload would change something.
const CHANGES: u8 = 2;

/// Runs it.
///
/// # Errors
///
/// Standard output is closed.
pub fn run(words: &Words) -> io::Result<u8> {
    let plan = match (&words.from, &words.file) {
        (Some(from), Some(to)) => between(from, to),
        (None, file) => asked(words, file.as_deref()),
        (Some(_), None) => Err("--from needs the configuration to go to as well".to_owned()),
    };
    let plan = match plan {
        Ok(plan) => plan,
        Err(why) => {
            eprintln!("standfast: {why}");
            return Ok(1);
        }
    };
    let mut out = io::stdout().lock();
    if words.json {
        writeln!(out, "{}", serde_json::to_string_pretty(&plan)?)?;
    } else {
        write!(out, "{}", render(&plan))?;
    }
    Ok(if plan.is_empty() { 0 } else { CHANGES })
}

/// Of a running daemon.
fn asked(words: &Words, file: Option<&Path>) -> Result<Plan, String> {
    // The daemon has left the directory that the operator is in.
    let file = file.map(std::path::absolute).transpose().map_err(|error| error.to_string())?;
    let file = file.map(|file| file.display().to_string());
    let request = Request::Order(Order::Plan { file });
    let answer = Conversation::begin(&words.socket.path, request).and_then(|mut one| one.answer());
    match answer.map_err(|trouble| trouble.to_string())? {
        Answer::Done(text) => {
            serde_json::from_str(&text).map_err(|error| Trouble::Broken(error.to_string()).to_string())
        }
        Answer::Refused(refusal) => Err(refusal.text),
        Answer::Status(_) | Answer::Event(_) => Err(Trouble::Broken("another answer".to_owned()).to_string()),
    }
}

/// Of two files, without a daemon.
fn between(from: &Path, to: &Path) -> Result<Plan, String> {
    Ok(offline(&read(from)?, &read(to)?))
}

fn read(file: &Path) -> Result<Config, String> {
    let loaded = load(&Elsewhere, file, &Options::default());
    let against = |class: Class| matches!(class, Class::Fatal | Class::Dropped);
    if let Some(first) = loaded.diagnostics.iter().find(|diagnostic| against(diagnostic.class)) {
        return Err(format!("a reload would be refused: {}", render_line(first, &loaded.sources)));
    }
    loaded.config.ok_or_else(|| format!("{}: no configuration can be made of it", file.display()))
}

fn render(plan: &Plan) -> String {
    if plan.is_empty() {
        return "A reload would change nothing.\n".to_owned();
    }
    let mut text = String::new();
    let mut part = |title: &str, lines: &[String], none: &str| {
        text.push_str(title);
        text.push('\n');
        if lines.is_empty() {
            text.push_str(&format!("  {none}\n"));
        }
        lines.iter().for_each(|line| text.push_str(&format!("  {line}\n")));
    };
    part("Configuration:", &plan.configuration, "the same");
    part("At once:", &plan.operations, "nothing is asked of the kernel");
    part("Traffic:", &plan.traffic, "nothing that traffic would notice");
    text
}
