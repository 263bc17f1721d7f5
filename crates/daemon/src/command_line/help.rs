//! What `-h` and `-v` print, made from the table.

use super::table::{OPTIONS, Opt, Readiness, Value};

/// The text of `-v`.
#[must_use]
pub fn version() -> String {
    format!(
        "standfastd v{}, reads keepalived.conf and takes the command line of keepalived 2.4\n",
        env!("CARGO_PKG_VERSION")
    )
}

/// The text of `-h`.
#[must_use]
pub fn help() -> String {
    let mut text = String::from("Usage: standfastd [OPTION...]\n\n");
    section(&mut text, Readiness::Built);
    text.push_str("\nAccepted without effect, and a line on the log says so\n\n");
    section(&mut text, Readiness::Foreign);
    text
}

fn section(text: &mut String, readiness: Readiness) {
    for option in OPTIONS.iter().filter(|option| option.readiness == readiness) {
        text.push_str(&format!("  {:<32} {}\n", names(option), option.help));
    }
}

fn names(option: &Opt) -> String {
    let short = option.short.map_or_else(|| "    ".to_owned(), |letter| format!("-{letter}, "));
    let value = match option.value {
        Value::None => String::new(),
        Value::Required(name) => format!("={name}"),
        Value::Optional(name) => format!("[={name}]"),
    };
    format!("{short}--{}{value}", option.long)
}
