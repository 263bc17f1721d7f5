//! File name patterns: `*`, `?`, `[...]`, `{a,b}`, matched against what the host lists.

use crate::host::Host;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

/// Alternatives of all braces of one pattern: a person writes a handful.
const ALTERNATIVES: usize = 1000;

/// Files that one pattern may match, the limit for a whole configuration.
pub(super) const MATCHES: usize = 10_000;

/// Whether a pattern has anything but itself to match.
pub(super) fn is_pattern(bytes: &[u8]) -> bool {
    bytes.iter().any(|b| matches!(b, b'*' | b'?' | b'['))
}

/// The alternatives that `{a,b}` stand for, in order; the pattern itself without them. At most a thousand.
pub(super) fn alternatives(pattern: &[u8]) -> Vec<Vec<u8>> {
    let mut done = Vec::new();
    let mut open = vec![pattern.to_vec()];
    while let Some(pattern) = open.pop() {
        if done.len() + open.len() >= ALTERNATIVES {
            break;
        }
        match first_braces(&pattern) {
            None => done.push(pattern),
            Some((start, end, parts)) => {
                for (from, to) in parts.into_iter().rev() {
                    let mut one = pattern.get(..start).unwrap_or_default().to_vec();
                    one.extend_from_slice(pattern.get(from..to).unwrap_or_default());
                    one.extend_from_slice(pattern.get(end + 1..).unwrap_or_default());
                    open.push(one);
                }
            }
        }
    }
    done
}

/// The first balanced `{...}` with a comma in it: where it begins and ends, and its parts.
#[expect(clippy::type_complexity, reason = "a private triple, named right here")]
fn first_braces(pattern: &[u8]) -> Option<(usize, usize, Vec<(usize, usize)>)> {
    for (start, _) in pattern.iter().enumerate().filter(|(_, b)| **b == b'{') {
        let mut depth = 0_usize;
        let mut from = start + 1;
        let mut parts = Vec::new();
        for (at, byte) in pattern.iter().enumerate().skip(start) {
            match byte {
                b'{' => depth += 1,
                b',' if depth == 1 => {
                    parts.push((from, at));
                    from = at + 1;
                }
                b'}' if depth == 1 && !parts.is_empty() => {
                    parts.push((from, at));
                    return Some((start, at, parts));
                }
                b'}' => {
                    depth -= 1;
                    if depth == 0 {
                        break;
                    }
                }
                _ => {}
            }
        }
    }
    None
}

/// Whether a name matches a pattern without braces. A name that begins with a dot wants the dot written.
fn matches(pattern: &[u8], name: &[u8]) -> bool {
    if name.first() == Some(&b'.') && pattern.first() != Some(&b'.') {
        return false;
    }
    let (mut p, mut n) = (0, 0);
    // Where to go back to: behind the last star, and the name's byte it has not eaten yet.
    let mut star: Option<(usize, usize)> = None;
    while n < name.len() {
        if pattern.get(p) == Some(&b'*') {
            star = Some((p + 1, n));
            p += 1;
            continue;
        }
        if let Some(length) = pattern.get(p..).and_then(|rest| one(rest, name.get(n).copied()?)) {
            p += length;
            n += 1;
        } else if let Some((after, eaten)) = star {
            star = Some((after, eaten + 1));
            (p, n) = (after, eaten + 1);
        } else {
            return false;
        }
    }
    pattern.get(p..).is_some_and(|rest| rest.iter().all(|b| *b == b'*'))
}

/// Matches one byte: the length of pattern used up.
fn one(pattern: &[u8], byte: u8) -> Option<usize> {
    match pattern {
        [] => None,
        [b'?', ..] => Some(1),
        [b'[', ..] => set(pattern, byte).unwrap_or_else(|| (byte == b'[').then_some(1)),
        [b'\\', escaped, ..] => (*escaped == byte).then_some(2),
        [other, ..] => (*other == byte).then_some(1),
    }
}

/// Matches a byte with `[...]`; none if the set is never closed, and then the bracket is a letter.
#[expect(clippy::option_option, reason = "no set, no match, and a match are three answers")]
fn set(pattern: &[u8], byte: u8) -> Option<Option<usize>> {
    let mut at = 1;
    let negated = matches!(pattern.get(at), Some(b'!' | b'^'));
    at += usize::from(negated);
    let first = at;
    let mut found = false;
    loop {
        let low = *pattern.get(at)?;
        if low == b']' && at > first {
            return Some((found != negated).then_some(at + 1));
        }
        let high = match pattern.get(at + 1..at + 3) {
            Some([b'-', high]) if *high != b']' => {
                at += 2;
                *high
            }
            _ => low,
        };
        found |= (low..=high).contains(&byte);
        at += 1;
    }
}

/// The paths a pattern without braces matches, sorted; a path without wildcards if it exists.
pub(super) fn paths(host: &dyn Host, directory: &Path, pattern: &[u8]) -> Vec<PathBuf> {
    let absolute = pattern.first() == Some(&b'/');
    let mut found = vec![if absolute { PathBuf::from("/") } else { PathBuf::new() }];
    for component in pattern.split(|b| *b == b'/').filter(|c| !c.is_empty()) {
        let mut next = Vec::new();
        for base in found {
            if is_pattern(component) {
                let mut names = host.read_dir(&directory.join(&base)).unwrap_or_default();
                names.retain(|name| matches(component, name.as_bytes()));
                names.sort();
                next.extend(names.into_iter().map(|name| base.join(name)));
            } else {
                next.push(base.join(std::ffi::OsString::from_vec(component.to_vec())));
            }
            if next.len() > MATCHES {
                break;
            }
        }
        found = next;
    }
    found.retain(|path| !path.as_os_str().is_empty() && host.metadata(&directory.join(path)).is_ok());
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::Memory;

    #[test]
    fn wildcards_match_as_in_a_shell() {
        for (pattern, name, expected) in [
            ("*.conf", "a.conf", true),
            ("*.conf", ".conf", false),
            ("*", ".hidden", false),
            (".*", ".hidden", true),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("[a-c]x", "bx", true),
            ("[!a-c]x", "bx", false),
            ("[]x", "[]x", true),
            ("*a*b*c", "xxaxxbxxc", true),
            ("*a*b*c", "xxaxxcxxb", false),
            (r"a\*", "a*", true),
        ] {
            assert_eq!(matches(pattern.as_bytes(), name.as_bytes()), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn a_pattern_of_stars_is_not_exponential() {
        let name = vec![b'a'; 4000];
        assert!(!matches(b"*a*a*a*a*a*a*a*a*a*a*b", &name));
    }

    #[test]
    fn braces_give_alternatives_in_order() {
        let all =
            |p: &str| alternatives(p.as_bytes()).into_iter().map(|a| String::from_utf8(a).unwrap()).collect::<Vec<_>>();
        assert_eq!(all("a{b,c}d"), ["abd", "acd"]);
        assert_eq!(all("{a,b{1,2}}x"), ["ax", "b1x", "b2x"]);
        assert_eq!(all("a{b}c"), ["a{b}c"]);
        assert_eq!(all("a{b,c"), ["a{b,c"]);
        assert!(all(&"{a,b}".repeat(30)).len() <= ALTERNATIVES);
    }

    #[test]
    fn paths_are_found_through_directories() {
        let host = Memory::new().file("/e/k/a.conf", "").file("/e/k/b.conf", "").file("/e/l/c.conf", "");
        let find = |p: &str| paths(&host, Path::new("/e"), p.as_bytes());
        assert_eq!(find("k/*.conf"), [PathBuf::from("k/a.conf"), "k/b.conf".into()]);
        assert_eq!(find("/e/*/c*"), [PathBuf::from("/e/l/c.conf")]);
        assert_eq!(find("nothing"), Vec::<PathBuf>::new());
        assert_eq!(find(""), Vec::<PathBuf>::new());
    }
}
