//! The manual pages, each made from the table it describes: the command line, the daemon's options, the keywords.

use crate::arguments::{Arguments, Man, Page};
use clap::{Arg, Command, CommandFactory as _};
use core::fmt::Write as _;
use standfast_conf::reference::{self, Row, status_note};
use standfast_daemon::command_line::{OPTIONS, Opt, Readiness, Value};
use std::io::{self, Write as _};

/// Prints one page as roff.
///
/// # Errors
/// Standard output cannot be written to.
pub fn run(words: &Man) -> io::Result<u8> {
    io::stdout().lock().write_all(page(words.page)?.as_bytes())?;
    Ok(0)
}

/// One page as roff.
///
/// # Errors
/// None in practice: the page is written to memory.
pub fn page(page: Page) -> io::Result<String> {
    match page {
        Page::Command => command(),
        Page::Configuration => Ok(configuration()),
        Page::Daemon => Ok(daemon()),
    }
}

fn title(name: &str, section: u8, what: &str) -> String {
    let version = env!("CARGO_PKG_VERSION");
    let upper = name.to_uppercase();
    format!(".TH \"{upper}\" {section} \"\" \"standfast {version}\"\n.SH NAME\n{name} \\- {}\n", escaped(what))
}

/// Text for roff: backslashes and hyphens are spelled out, and no line begins as a request.
fn escaped(text: &str) -> String {
    let text = text.replace('\\', "\\e").replace('-', "\\-");
    if text.starts_with(['.', '\'']) { format!("\\&{text}") } else { text }
}

fn command() -> io::Result<String> {
    let mut command = Arguments::command();
    command.build();
    let man = clap_mangen::Man::new(command.clone());
    let mut head = Vec::new();
    man.render_title(&mut head)?;
    man.render_name_section(&mut head)?;
    man.render_synopsis_section(&mut head)?;
    man.render_description_section(&mut head)?;
    let mut page = String::from_utf8_lossy(&head).into_owned();
    page.push_str(".SH COMMANDS\n");
    for subcommand in command.get_subcommands() {
        describe(&mut page, subcommand, "standfast");
    }
    let after = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    _ = writeln!(page, ".SH EXIT STATUS\n{}", escaped(after.trim_start_matches("Exit status: ")));
    page.push_str(JSON);
    page.push_str(".SH SEE ALSO\n.BR standfastd (8),\n.BR standfast.conf (5)\n");
    Ok(page)
}

const JSON: &str = r#".SH JSON
.B check \-\-format json
prints one object:
.PP
.nf
{"format": 1, "files": [{"file", "status", "starts", "diagnostics": [DIAGNOSTIC]}]}
.fi
.PP
.B check\-pair \-\-format json
prints
.PP
.nf
{"format": 1, "compared", "status", "findings": [DIAGNOSTIC]}
.fi
.PP
and a DIAGNOSTIC is
.PP
.nf
{"code", "class", "headline", "help",
 "places": [{"primary", "label", "file", "line", "column", "end_line", "end_column"}]}
.fi
.PP
.I class
is one of fatal, dropped, security, warning, deprecated, not\-yet, hint;
.I status
is the exit status for this file alone;
.I starts
says whether standfastd would start with it;
.I help
is null if there is none. Lines and columns begin at 1, columns count bytes, an end is behind the last byte. Secrets
are in none of the texts. Members may be added while
.I format
stays 1; none is taken away or changes its meaning.
"#;

/// A subcommand and those below it, each with its synopsis and options.
fn describe(page: &mut String, command: &Command, parent: &str) {
    if command.is_hide_set() {
        return;
    }
    let name = format!("{parent} {}", command.get_name());
    if command.has_subcommands() {
        command.get_subcommands().for_each(|subcommand| describe(page, subcommand, &name));
        return;
    }
    let shown = || command.get_arguments().filter(|argument| !argument.is_hide_set());
    let words: Vec<String> = shown().filter(|argument| argument.is_positional()).map(ToString::to_string).collect();
    let about = command.get_about().map(ToString::to_string).unwrap_or_default();
    let bold = escaped(&name);
    _ = writeln!(page, ".SS {bold} [OPTION...] {}\n{}.", escaped(&words.join(" ")), escaped(&about));
    for argument in shown().filter(|argument| argument.get_id() != "help") {
        describe_argument(page, argument);
    }
    if let Some(example) = command.get_after_help() {
        _ = writeln!(page, ".PP\n{}", escaped(&example.to_string()));
    }
}

fn describe_argument(page: &mut String, argument: &Arg) {
    let names = if argument.is_positional() {
        argument.to_string()
    } else {
        let short = argument.get_short().map(|letter| format!("-{letter}, ")).unwrap_or_default();
        format!("{short}{argument}")
    };
    let help = argument.get_help().map(ToString::to_string).unwrap_or_default();
    _ = writeln!(page, ".TP\n\\fB{}\\fR\n{}.", escaped(&names), escaped(&help));
    for value in argument.get_possible_values().iter().filter(|value| !value.is_hide_set()) {
        if let Some(help) = value.get_help() {
            _ = writeln!(page, ".br\n\\fB{}\\fR: {}.", escaped(value.get_name()), escaped(&help.to_string()));
        }
    }
}

fn daemon() -> String {
    let mut page = title("standfastd", 8, "keeps virtual addresses and virtual servers available");
    page.push_str(
        ".SH SYNOPSIS\n.B standfastd\n[OPTION...]\n.SH DESCRIPTION\nstandfastd keeps virtual IP addresses on exactly one of \
         several routers (VRRP versions 2 and 3), programs the kernel's load balancer (IPVS) and takes real servers in and \
         out by health checks. It reads keepalived.conf and takes the command line of keepalived 2.4.\n",
    );
    let sections = [("OPTIONS", Readiness::Built), ("ACCEPTED WITHOUT EFFECT", Readiness::Foreign)];
    for (title, readiness) in sections {
        _ = writeln!(page, ".SH {title}");
        for option in OPTIONS.iter().filter(|option| option.readiness == readiness) {
            describe_option(&mut page, option);
        }
    }
    page.push_str(DAEMON_TAIL);
    page
}

const DAEMON_TAIL: &str = r".SH EXIT STATUS
Of
.BR \-t :
0 nothing wrong, 2 a parameter is missing, 4 no file or no interface, 5 anything else wrong, 6 scripts are not secured
or an include fails its check. The same configuration under keepalived ends so too, but for a missing main file
(keepalived: 0 without
.BR \-e ).
.SH FILES
.TP
.I /etc/keepalived/keepalived.conf
The configuration, unless
.B \-f
says otherwise.
.SH SIGNALS
SIGTERM and SIGINT stop the daemon: priority 0 is advertised, virtual addresses and services are removed.
.SH SEE ALSO
.BR standfast (1),
.BR standfast.conf (5)
";

fn describe_option(page: &mut String, option: &Opt) {
    let short = option.short.map(|letter| format!("-{letter}, ")).unwrap_or_default();
    let value = match option.value {
        Value::None => String::new(),
        Value::Required(name) => format!("={name}"),
        Value::Optional(name) => format!("[={name}]"),
    };
    let names = escaped(&format!("{short}--{}", option.long));
    _ = writeln!(page, ".TP\n\\fB{names}\\fR{}\n{}", escaped(&value), escaped(option.help));
}

fn configuration() -> String {
    let mut page = title("standfast.conf", 5, "configuration of standfastd, which is keepalived.conf");
    page.push_str(LANGUAGE);
    page.push_str(".SH KEYWORDS\n");
    let mut block = None;
    for row in reference::rows() {
        if block != Some(row.block) {
            let heading = if row.block.is_empty() { "top level" } else { row.block };
            _ = writeln!(page, ".SS {}", escaped(heading));
            block = Some(row.block);
        }
        describe_keyword(&mut page, &row);
    }
    page.push_str(".SH SEE ALSO\n.BR standfast (1),\n.BR standfastd (8)\n");
    page
}

const LANGUAGE: &str = r#".SH DESCRIPTION
The file
.I /etc/keepalived/keepalived.conf
is read as keepalived 2.4 reads it.
.SS Statements
A statement is a keyword with its words and ends with its line. Some keywords open a block: its statements, or the entries
of a list, stand between { and }. A word with blanks stands in double quotes. A comment begins with # or ! anywhere outside
double quotes.
.SS Scripts
The first word behind a script keyword is the whole command line, so a command with arguments is quoted; the words behind
it are user and group.
.SS Definitions
$NAME=VALUE defines, $NAME and ${NAME} use. A value continues on the next line after a backslash at the end of a line.
Predefined are ${_PWD}, ${_INSTANCE}, ${_RANDOM [MIN [MAX]]}, ${_ENV NAME}, ${_HASH} and ${_BANG}.
.SS Conditions
@ID at the beginning of a line keeps it for the configuration id ID
.RB ( \-i ,
by default the host name up to its first dot), @^ID for every other id.
.SS Repetitions
~SEQ(VAR, START, STEP, END) and ~LST(VAR, VALUE, ...) at the beginning of a line repeat the rest of the line for each value.
.SS Includes
include PATTERN reads other files; includer, includem, includew, includeb and includea also refuse what cannot be read, does
not exist, or matches nothing.
.SS Values
Numbers are decimal. Times are seconds with up to six decimals unless the keyword says otherwise. A BOOL is true, on, yes,
false, off or no, and true if it is left out.
"#;

fn describe_keyword(page: &mut String, row: &Row) {
    _ = writeln!(page, ".TP\n\\fB{}\\fR {}\n{}", escaped(row.name), escaped(&row.synopsis), escaped(row.help));
    let mut facts = Vec::new();
    if !row.range.is_empty() && !row.synopsis.contains(&row.range) {
        facts.push(format!("Range: {} {}", row.range, row.unit).trim_end().to_owned());
    }
    if !row.default.is_empty() {
        facts.push(format!("Default: {}", row.default));
    }
    let note = status_note(row.status);
    if !note.is_empty() {
        let mut letters = note.chars();
        facts.extend(letters.next().map(|first| first.to_uppercase().chain(letters).collect::<String>()));
    }
    if !row.live {
        facts.push("Understood, and not acted upon yet".to_owned());
    }
    for fact in facts {
        _ = writeln!(page, ".br\n{}.", escaped(fact.trim_end_matches('.')));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_keyword_and_every_option_is_in_its_page() {
        let page = configuration();
        for row in reference::rows() {
            assert!(page.contains(&format!("\n\\fB{}\\fR ", escaped(row.name))), "{}", row.path);
        }
        let page = daemon();
        for option in OPTIONS {
            assert!(page.contains(&format!("{}\\fR", escaped(&format!("--{}", option.long)))), "{}", option.long);
        }
    }

    #[test]
    fn no_line_of_a_text_is_taken_for_a_request() {
        assert_eq!(escaped(".so a-b\\"), "\\&.so a\\-b\\e");
        for page in [configuration(), daemon(), command().unwrap()] {
            let requests = page.lines().filter(|line| line.starts_with(['.', '\'']));
            let known =
                [".TH", ".SH", ".SS", ".TP", ".br", ".B", ".BR", ".RB", ".I", ".PP", ".nf", ".fi", ".ie", ".el"];
            let odd: Vec<_> = requests.filter(|l| !known.contains(&l.split(' ').next().unwrap_or(""))).collect();
            assert!(odd.is_empty(), "{odd:?}");
        }
    }
}
