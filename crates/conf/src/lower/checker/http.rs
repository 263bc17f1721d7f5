//! `HTTP_GET` and `SSL_GET`.

use crate::code::Code;
use crate::diagnostic::Diagnostic;
use crate::lower::setting::{set, set_flag};
use crate::lower::{Spanned, not_lowered, script};
use crate::parse::{Parser, Statement};
use crate::source::Span;
use crate::value::{integer, shown};
use standfast_model::config::probe::HttpVersion;

/// What the checker says.
#[derive(Clone, Debug, Default)]
pub(crate) struct HttpDraft {
    /// `SSL_GET`
    pub(crate) tls: bool,
    pub(crate) virtual_host: Option<String>,
    pub(crate) version: HttpVersion,
    pub(crate) sni: bool,
    pub(crate) fast_recovery: bool,
    pub(crate) tls_compliant: bool,
    pub(crate) urls: Vec<UrlDraft>,
}

/// What a `url` block says.
#[derive(Clone, Debug)]
pub(crate) struct UrlDraft {
    pub(crate) head: Span,
    pub(crate) path: Option<String>,
    pub(crate) virtual_host: Option<String>,
    pub(crate) status_codes: Vec<(u16, u16)>,
    pub(crate) digest: Option<[u8; 16]>,
    pub(crate) regex: Option<Spanned<Vec<u8>>>,
    pub(crate) no_match: bool,
    pub(crate) regex_options: Vec<String>,
    pub(crate) min_offset: u64,
    pub(crate) max_offset: Option<u64>,
    pub(crate) stack: Option<(u64, u64)>,
    pub(crate) tls_compliant: Option<bool>,
}

/// The options of PCRE2 that keepalived knows.
const REGEX_OPTIONS: [&str; 24] = [
    "allow_empty_class",
    "alt_bsux",
    "auto_callout",
    "caseless",
    "dollar_endonly",
    "dotall",
    "dupnames",
    "extended",
    "firstline",
    "match_unset_backref",
    "multiline",
    "never_ucp",
    "never_utf",
    "no_auto_capture",
    "no_auto_possess",
    "no_dotstar_anchor",
    "no_start_optimize",
    "ucp",
    "ungreedy",
    "utf",
    "never_backslash_c",
    "alt_circumflex",
    "alt_verbnames",
    "use_offset_limit",
];

impl HttpDraft {
    pub(super) fn take(&mut self, parser: &mut Parser<'_>, statement: &Statement) -> bool {
        match statement.keyword.name {
            "virtualhost" => self.virtual_host = Some(statement.name()),
            "http_protocol" => {
                self.version = match parser.choice(statement) {
                    Some("1.0") => HttpVersion::Http10,
                    Some("1.1") => HttpVersion::Http11,
                    Some(_) => HttpVersion::Http10Close,
                    None => self.version,
                };
            }
            "enable_sni" => set_flag(&mut self.sni, parser.boolean(statement)),
            "fast_recovery" => set_flag(&mut self.fast_recovery, parser.boolean(statement)),
            "tls_compliant" => set_flag(&mut self.tls_compliant, parser.boolean(statement)),
            "url" => self.urls.extend(url(parser, statement)),
            _ => return false,
        }
        true
    }
}

fn url(parser: &mut Parser<'_>, head: &Statement) -> Option<UrlDraft> {
    if !parser.enter(head) {
        return None;
    }
    let mut url = UrlDraft {
        head: head.span(),
        path: None,
        virtual_host: None,
        status_codes: Vec::new(),
        digest: None,
        regex: None,
        no_match: false,
        regex_options: Vec::new(),
        min_offset: 0,
        max_offset: None,
        stack: None,
        tls_compliant: None,
    };
    while let Some(statement) = parser.next() {
        match statement.keyword.name {
            "path" => again(parser, &statement, &mut url.path),
            "virtualhost" => again(parser, &statement, &mut url.virtual_host),
            "status_code" => status_codes(parser, &statement, &mut url.status_codes),
            "digest" => set(&mut url.digest, digest(parser, &statement)),
            "tls_compliant" => set(&mut url.tls_compliant, parser.boolean(&statement)),
            _ => {
                if !regex(parser, &statement, &mut url) {
                    not_lowered(parser, &statement);
                }
            }
        }
    }
    Some(url)
}

/// A text that counts as said last; that it was said before is reported, as in keepalived.
fn again(parser: &mut Parser<'_>, statement: &Statement, field: &mut Option<String>) {
    if field.is_some() {
        let headline = format!("a second `{}`", statement.keyword.name);
        parser.report(Diagnostic::new(Code::Repeated, headline, statement.span(), "this one counts"));
    }
    *field = Some(statement.name());
}

/// `CODE[-CODE] ...`, each 100 to 599.
fn status_codes(parser: &mut Parser<'_>, statement: &Statement, codes: &mut Vec<(u16, u16)>) {
    for at in 0..statement.args() {
        let word = statement.arg(at).unwrap_or_default();
        let mut ends = word.splitn(2, |b| *b == b'-');
        let code = |part: Option<&[u8]>| {
            let number = u16::try_from(integer(part?).ok()?).ok()?;
            (100..=599).contains(&number).then_some(number)
        };
        let low = code(ends.next());
        let high = match ends.next() {
            None => low,
            Some(part) => code(Some(part)),
        };
        match low.zip(high).filter(|(low, high)| low <= high) {
            Some(range) => codes.push(range),
            None => {
                let headline = format!("`{}` is no status code", shown(word));
                let label = "100 to 599, or two of them joined by -, is wanted";
                parser.report(Diagnostic::new(Code::OutOfRange, headline, statement.arg_span(at), label));
            }
        }
    }
}

fn digest(parser: &mut Parser<'_>, statement: &Statement) -> Option<[u8; 16]> {
    let word = statement.arg(0)?;
    let digit = |b: &u8| char::from(*b).to_digit(16).and_then(|d| u8::try_from(d).ok());
    let digits: Option<Vec<u8>> = word.iter().map(digit).collect();
    let octets: Option<Vec<u8>> =
        digits.map(|d| d.chunks(2).filter_map(|pair| Some(pair.first()? << 4 | pair.get(1)?)).collect());
    let found = octets.filter(|_| word.len() == 32).and_then(|o| o.try_into().ok());
    if found.is_none() {
        let headline = format!("`{}` is no MD5 digest", shown(word));
        let label = "32 hexadecimal digits are wanted";
        parser.report(Diagnostic::new(Code::InvalidNumber, headline, statement.arg_span(0), label));
    }
    found
}

/// Takes the words about the pattern; false for another keyword.
fn regex(parser: &mut Parser<'_>, statement: &Statement, url: &mut UrlDraft) -> bool {
    match statement.keyword.name {
        "regex" => {
            let value = script::single_word(parser, statement);
            set(&mut url.regex, value.map(|value| Spanned { value, span: statement.span() }));
        }
        "regex_no_match" => url.no_match = true,
        "regex_options" => {
            for at in 0..statement.args() {
                let word = statement.arg(at).unwrap_or_default();
                let found = parser.choice_of(word, statement.arg_span(at), &REGEX_OPTIONS);
                url.regex_options.extend(found.map(str::to_owned));
            }
        }
        "regex_min_offset" => url.min_offset = parser.number(statement).unwrap_or(url.min_offset),
        "regex_max_offset" => set(&mut url.max_offset, parser.number(statement)),
        "regex_stack" => {
            let mut size = |at: usize, least: i128| {
                let number =
                    parser.number_of(statement.arg(at)?, statement.arg_span(at), least, i128::from(u64::MAX))?;
                u64::try_from(number).ok()
            };
            if let Some(first) = size(0, 1) {
                set(&mut url.stack, size(1, i128::from(first)).map(|most| (first, most)));
            }
        }
        _ => return false,
    }
    true
}
