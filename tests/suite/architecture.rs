//! Who may know whom, checked on the source text, as far as the compiler does not check it by the crates.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use guichet::telemetry::{FIELDS, is_ours};

const LINES_MAX: usize = 700;
const PROVIDERS: [&str; 3] = ["lyra", "sips", "yabandpay"];

fn files(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, into);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            into.push(path);
        }
    }
}

/// All files below a folder of the repository, with their text.
fn below(folder: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    files(&Path::new(env!("CARGO_MANIFEST_DIR")).join(folder), &mut found);
    let texts: Vec<_> = found
        .into_iter()
        .map(|path| (path.display().to_string(), fs::read_to_string(&path).unwrap()))
        .collect();
    assert!(!texts.is_empty(), "nothing in {folder}");
    texts
}

/// The code without comments and without the examples of the API's document.
fn code(text: &str) -> String {
    let lines = text.lines().map(|line| line.split("//").next().unwrap_or_default());
    // Examples of the document, in the attributes of answers and in the tables of requests.
    let examples = ["example = ", "example: ", ".example("];
    lines.filter(|line| !examples.iter().any(|word| line.contains(word))).collect::<Vec<_>>().join("\n")
}

/// The first path segment after each `crate::`, groups included.
fn ours(code: &str) -> BTreeSet<String> {
    let mut seen = BTreeSet::new();
    for rest in code.split("crate::").skip(1) {
        let word = |text: &str| text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
        let Some(group) = rest.strip_prefix('{') else {
            seen.insert(word(rest));
            continue;
        };
        let (mut depth, mut start) = (0_usize, true);
        for (at, c) in group.char_indices() {
            match c {
                '}' if depth == 0 => break,
                '{' => depth += 1,
                '}' => depth -= 1,
                ',' if depth == 0 => start = true,
                c if start && depth == 0 && (c.is_alphanumeric() || c == '_') => {
                    seen.insert(word(&group[at..]));
                    start = false;
                }
                _ => {}
            }
        }
    }
    seen
}

fn may_use(folder: &str, allowed: &[&str]) {
    for (path, text) in below(folder) {
        for used in ours(&code(&text)) {
            assert!(allowed.contains(&used.as_str()), "{path} uses crate::{used}");
        }
    }
}

#[test]
fn groups_of_imports_are_seen_through() {
    let code = "use crate::{\n  a::{x, y},\n  b,\n  c::d,\n};\nuse crate::e::f; crate::g::h();";
    assert_eq!(ours(code).into_iter().collect::<Vec<_>>(), ["a", "b", "c", "e", "g"]);
}

#[test]
fn the_domain_knows_nobody() {
    may_use("crates/port/src/domain", &["domain"]);
    for (path, text) in below("crates/port/src/domain") {
        for foreign in ["reqwest", "tokio"] {
            assert!(!code(&text).contains(&format!("{foreign}::")), "{path} uses {foreign}");
        }
    }
}

#[test]
fn an_adapter_knows_no_other() {
    for provider in PROVIDERS {
        may_use(&format!("crates/providers/src/{provider}"), &[provider]);
    }
}

#[test]
fn only_adapters_name_a_provider() {
    for folder in ["src", "crates/port/src"] {
        for (path, text) in below(folder) {
            // Unit tests below the code need some provider's name, and so do the fuzz targets.
            if path.contains("/tests") || path.contains("/fuzz") {
                continue;
            }
            let code = code(text.split("#[cfg(test)]").next().unwrap_or_default()).to_lowercase();
            for provider in PROVIDERS.into_iter().chain(["systempay"]) {
                let line = code.lines().find(|line| line.contains(provider));
                assert_eq!(line, None, "{path} names {provider}");
            }
        }
    }
}

/// The names before `=` and behind `%` in what a macro of `tracing` is given.
fn logged_fields(arguments: &str) -> Vec<String> {
    let (mut depth, mut in_text, mut parts) = (0_usize, false, vec![String::new()]);
    for c in arguments.chars() {
        match c {
            '"' => in_text = !in_text,
            '(' | '[' | '{' if !in_text => depth += 1,
            ')' | ']' | '}' if !in_text && depth == 0 => break,
            ')' | ']' | '}' if !in_text => depth -= 1,
            ',' if !in_text && depth == 0 => {
                parts.push(String::new());
                continue;
            }
            _ => {}
        }
        parts.last_mut().unwrap().push(c);
    }
    let parts =
        parts.iter().map(|part| part.trim()).filter(|part| !part.is_empty() && !part.starts_with('"'));
    let name = |part: &str| {
        part.split('=').next().unwrap_or_default().trim().trim_start_matches(['%', '?']).to_owned()
    };
    parts.map(name).collect()
}

#[test]
fn the_log_has_the_fields_of_its_list() {
    let allowed: BTreeSet<&str> = FIELDS.into_iter().collect();
    let mut used = BTreeSet::from(["message".to_owned()]);
    let product = [
        ("guichet", "src"),
        ("guichet_port", "crates/port/src"),
        ("guichet_providers", "crates/providers/src"),
        ("guichet_sandbox", "crates/sandbox/src"),
    ];
    for (name, _) in product {
        assert!(is_ours(&format!("{name}::some::module")), "fields of {name} would be left out");
    }
    assert!(!is_ours("hyper::client") && !is_ours("guichetier"));
    for (path, text) in product.into_iter().flat_map(|(_, folder)| below(folder)) {
        let code = code(text.split("#[cfg(test)]").next().unwrap_or_default());
        for call in code.split("tracing::").skip(1) {
            let level = ["error!(", "warn!(", "info!(", "debug!(", "trace!("];
            let Some(arguments) = level.iter().find_map(|level| call.strip_prefix(level)) else { continue };
            for field in logged_fields(arguments) {
                assert!(allowed.contains(field.as_str()), "{path} logs `{field}`, which is not in the list");
                used.insert(field);
            }
        }
    }
    assert_eq!(used, allowed.into_iter().map(str::to_owned).collect(), "used, and in the list");
}

#[test]
fn no_file_is_long() {
    for (path, text) in below("src").into_iter().chain(below("crates")) {
        let lines = text.lines().count();
        assert!(lines <= LINES_MAX, "{path} has {lines} lines");
    }
}
