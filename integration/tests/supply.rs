//! What standfast is made of: under which licences, from where, and how much of it the compiler does not check.

#![expect(clippy::unwrap_used, reason = "the helpers of a test fail it by panicking")]

use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Blocks and functions that the compiler does not check, by file: each has its reason beside it. What is added here is to
/// be looked at by a second person. All of them but those of tests are in the crate that talks to the kernel.
const UNCHECKED: &[(&str, usize)] = &[
    ("crates/daemon/tests/daemon/front.rs", 1),
    ("crates/daemon/tests/daemon/lifecycle.rs", 1),
    ("crates/daemon/tests/daemon/refusals.rs", 2),
    ("crates/kernel/src/async_fd.rs", 1),
    ("crates/kernel/src/batch.rs", 2),
    ("crates/kernel/src/linkbeat.rs", 1),
    ("crates/kernel/src/openssl.rs", 18),
    ("crates/kernel/src/openssl/library.rs", 10),
    ("crates/kernel/src/openssl/verified.rs", 3),
    ("crates/kernel/src/process/daemonize.rs", 1),
    ("crates/kernel/src/process/identity.rs", 1),
    ("crates/kernel/src/process/memory.rs", 1),
    ("crates/kernel/src/process/pid_file.rs", 1),
    ("crates/kernel/src/process/schedule.rs", 2),
    ("crates/kernel/src/process/script.rs", 2),
    ("crates/kernel/src/vrrp_socket.rs", 1),
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// Every crate that is built into something of ours.
fn packages() -> Vec<Value> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--offline", "--format-version", "1", "--filter-platform", "x86_64-unknown-linux-gnu"])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let known: Value = serde_json::from_slice(&output.stdout).unwrap();
    known.get("packages").unwrap().as_array().unwrap().clone()
}

/// The licences that are allowed, as `cargo deny` is told.
fn allowed() -> Vec<String> {
    let settings = std::fs::read_to_string(root().join(".deny.toml")).unwrap();
    let list = settings.split_once("\nallow = [").unwrap().1.split(']').next().unwrap();
    list.split('"').skip(1).step_by(2).map(str::to_owned).collect()
}

/// Parts of an expression between words that are not inside parentheses.
fn parts<'a>(expression: &'a str, word: &str) -> Vec<&'a str> {
    let (mut found, mut depth, mut begin) = (Vec::new(), 0_i32, 0);
    for (at, sign) in expression.char_indices() {
        depth += i32::from(sign == '(') - i32::from(sign == ')');
        if depth == 0 && at >= begin && expression.get(at..).is_some_and(|rest| rest.starts_with(word)) {
            found.extend(expression.get(begin..at));
            begin = at + word.len();
        }
    }
    found.extend(expression.get(begin..));
    found
}

/// Whether a licence is one that is allowed: `A OR B`, `A AND B`, `(A)`, and the older `A/B`.
fn is_allowed(expression: &str, allowed: &[String]) -> bool {
    let expression = expression.replace(" / ", "/").replace('/', " OR ");
    let one_of = |alternative: &str| {
        parts(alternative, " AND ").into_iter().all(|licence| {
            let licence = licence.trim();
            match licence.strip_prefix('(').and_then(|inner| inner.strip_suffix(')')) {
                Some(inner) => is_allowed(inner, allowed),
                None => allowed.iter().any(|one| one == licence),
            }
        })
    };
    parts(&expression, " OR ").into_iter().any(one_of)
}

#[test]
fn expressions_of_licences_are_read_as_they_are_meant() {
    let allowed = ["MIT", "ISC"].map(str::to_owned);
    for good in ["MIT", "GPL-3.0 OR MIT", "GPL-3.0/MIT", "GPL-3.0 / MIT", "(MIT OR GPL-3.0) AND ISC", "MIT AND ISC"] {
        assert!(is_allowed(good, &allowed), "{good}");
    }
    for bad in ["", "GPL-3.0", "MIT AND GPL-3.0", "(MIT OR ISC) AND GPL-3.0", "MIT-0", "Apache-2.0 WITH LLVM-exception"]
    {
        assert!(!is_allowed(bad, &allowed), "{bad}");
    }
}

#[test]
fn everything_that_is_built_in_has_a_permissive_licence_and_comes_from_the_registry() {
    let allowed = allowed();
    assert!(allowed.len() > 3, "{allowed:?}");
    let packages = packages();
    assert!(packages.len() > 100, "{}", packages.len());
    for package in &packages {
        let (name, licence) = (&package["name"], package["license"].as_str().unwrap_or_default());
        assert!(is_allowed(licence, &allowed), "{name}: {licence:?}");
        match package["source"].as_str() {
            Some(source) => assert_eq!(source, "registry+https://github.com/rust-lang/crates.io-index", "{name}"),
            None => assert!(package["manifest_path"].as_str().unwrap().starts_with(root().to_str().unwrap()), "{name}"),
        }
    }
}

fn sources(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(directory).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            if !path.ends_with("target") {
                sources(&path, found);
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// Whether a line begins something that the compiler does not check.
fn is_unchecked(line: &str) -> bool {
    let code = line.split("//").next().unwrap_or_default();
    // The type of a function of C's is none.
    ["unsafe {", "unsafe fn", "unsafe impl", "unsafe trait", "unsafe extern \"C\" {"].iter().any(|words| {
        // Not in a text.
        code.split_once(words).is_some_and(|(before, _)| before.matches('"').count() % 2 == 0)
    })
}

#[test]
fn everything_that_the_compiler_does_not_check_is_counted_and_has_its_reason_beside_it() {
    let mut files = Vec::new();
    sources(&root().join("crates"), &mut files);
    sources(&root().join("integration"), &mut files);
    let mut counted = BTreeMap::new();
    for path in files {
        let text = std::fs::read_to_string(&path).unwrap();
        let name = path.strip_prefix(root()).unwrap().display().to_string();
        let lines: Vec<&str> = text.lines().collect();
        let places: Vec<usize> =
            (0..lines.len()).filter(|at| lines.get(*at).is_some_and(|line| is_unchecked(line))).collect();
        for at in &places {
            // The comment stands right above, or above an attribute there.
            let above = lines.get(at.saturating_sub(6)..*at).unwrap_or_default();
            let says =
                |line: &&str| ["// SAFETY: ", "/// # Safety"].iter().any(|words| line.trim_start().starts_with(words));
            assert!(above.iter().any(says), "{name}:{}", at + 1);
        }
        if !places.is_empty() {
            counted.insert(name, places.len());
        }
    }
    let expected: BTreeMap<String, usize> =
        UNCHECKED.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect();
    assert_eq!(counted, expected);
    let outside = expected.keys().filter(|name| !name.starts_with("crates/kernel/src/") && !name.contains("/tests/"));
    assert_eq!(outside.collect::<Vec<_>>(), Vec::<&String>::new());
}
