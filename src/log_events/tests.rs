//! Holds the table, the catalog and the lines of the log together.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::*;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// One text of the catalog.
struct Entry {
    headers: BTreeMap<String, String>,
    text: String,
}

fn catalog() -> BTreeMap<String, Entry> {
    let path = Path::new(ROOT).join("systemd/promptd.catalog");
    let text = std::fs::read_to_string(path).unwrap();
    let mut entries = BTreeMap::new();
    for part in text.split("\n-- ").skip(1) {
        let (id, rest) = part.split_once('\n').unwrap();
        let (head, text) = rest.split_once("\n\n").unwrap();
        let headers = head.lines().map(|line| line.split_once(": ").unwrap());
        let entry = Entry {
            headers: headers.map(|(name, value)| (name.into(), value.into())).collect(),
            text: text.trim().to_owned(),
        };
        assert!(
            entries.insert(id.to_owned(), entry).is_none(),
            "{id} is there twice"
        );
    }
    entries
}

fn sources(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            found.push(path);
        }
    }
}

/// Returns the lines of the log about each kind: the text of the macro's call.
fn calls() -> BTreeMap<String, Vec<String>> {
    let mut files = Vec::new();
    sources(&Path::new(ROOT).join("src"), &mut files);
    let mut calls: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for path in files {
        let text = std::fs::read_to_string(&path).unwrap();
        let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
        for call in text.split("tracing::").skip(1) {
            let call = call.split(");\n").next().unwrap();
            for named in call.split("event = %LogEvent::").skip(1) {
                let name = named.chars().take_while(char::is_ascii_alphanumeric).collect();
                calls.entry(name).or_default().push(call.to_owned());
            }
        }
    }
    calls
}

/// Returns the placeholders of a text: `@PROMPT_ID@`.
fn placeholders(text: &str) -> Vec<String> {
    let words = text.split('@').skip(1).step_by(2);
    words.map(str::to_ascii_lowercase).collect()
}

/// Tells whether a call of a macro records a field: `error`, `%error`, `error = ...`.
fn records(call: &str, field: &str) -> bool {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.';
    let fields = call.split('"').step_by(2).flat_map(|code| code.split(','));
    fields
        .map(|part| part.split(" =").next().unwrap_or_default().trim())
        .any(|part| {
            let name = part.rsplit(|c| !is_part(c)).next().unwrap_or_default();
            name == field
        })
}

#[test]
fn every_kind_has_a_name_and_an_id_of_its_own() {
    let source = include_str!("mod.rs");
    let (_, body) = source.split_once("pub enum LogEvent {\n").unwrap();
    let body = body.split("\n}").next().unwrap();
    let variants: Vec<&str> = body
        .lines()
        .map(|line| line.trim().trim_end_matches(','))
        .filter(|line| !line.starts_with("///"))
        .collect();
    let in_table: Vec<String> = LogEvent::all().map(|event| format!("{event:?}")).collect();
    assert_eq!(variants, in_table);
    let names: BTreeSet<&str> = LogEvent::all().map(LogEvent::name).collect();
    let ids: BTreeSet<&str> = LogEvent::all().map(LogEvent::message_id).collect();
    assert_eq!((names.len(), ids.len()), (TABLE.len(), TABLE.len()));
    for event in LogEvent::all() {
        let id = event.message_id();
        let is_hex = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
        assert!(id.len() == 32 && id.chars().all(is_hex), "{event}: {id}");
        assert_eq!(LogEvent::of_name(&event.to_string()), Some(event));
    }
    assert_eq!(LogEvent::of_name("gone-fishing"), None);
}

#[test]
fn every_kind_has_a_text_in_the_catalog_and_no_text_is_without_a_kind() {
    let catalog = catalog();
    for event in LogEvent::all() {
        let Some(entry) = catalog.get(event.message_id()) else {
            panic!("{event} ({}) has no text", event.message_id());
        };
        assert_eq!(entry.headers["Defined-By"], "promptd", "{event}");
        for header in ["Subject", "Support", "Documentation"] {
            assert!(!entry.headers[header].is_empty(), "{event}: {header}");
        }
        assert!(
            entry.text.ends_with('.') && !entry.text.contains("\n\n"),
            "{event}: {}",
            entry.text
        );
    }
    assert_eq!(catalog.len(), TABLE.len());
}

#[test]
fn every_kind_is_logged_somewhere_with_the_fields_that_its_text_shows() {
    let (catalog, calls) = (catalog(), calls());
    for event in LogEvent::all() {
        let Some(lines) = calls.get(&format!("{event:?}")) else {
            panic!("no line of the log is about {event}");
        };
        let entry = &catalog[event.message_id()];
        let shown = placeholders(&entry.headers["Subject"])
            .into_iter()
            .chain(placeholders(&entry.text));
        for field in shown {
            for line in lines {
                assert!(records(line, &field), "{event} does not record {field}: {line}");
            }
        }
    }
}

#[test]
fn a_field_is_found_in_a_call_however_it_is_written() {
    let call = r#"warn!(event = %LogEvent::X, %error, path = %path.display(), reason, pause_ms = 5, "no reason, detail""#;
    for field in ["error", "path", "reason", "pause_ms"] {
        assert!(records(call, field), "{field}");
    }
    assert!(!records(call, "detail"));
}
