//! Names from documents as parts of prompt ids: safe, readable, and different for different names.
//!
//! A name that needs no change is kept. Any other is cut down to what is allowed and ends in `-` and ten hex digits of
//! its SHA-256. A name that happens to look like that is hashed too, so what is kept and what is hashed never meet.

use sha2::{Digest, Sha256};

/// The longest workflow part of a prompt id.
pub(super) const MAX_WORKFLOW_LEN: usize = 40;

/// How many hex digits of a hash are shown.
const HASH_LEN: usize = 10;

/// Returns the workflow part of prompt ids for a file: its stem where that is a usable name of at most 40 characters,
/// else what is usable of the stem (of the app's name when that leaves nothing) with a hash of the stem.
///
/// Only the stem tells workflows apart, so two apps of the same name in different files stay apart, and renaming an
/// app on the canvas renames no prompt.
#[must_use]
pub fn workflow_slug(file_stem: &str, app_name: Option<&str>) -> String {
    if is_workflow_slug(file_stem) && !looks_hashed(file_stem) {
        return file_stem.to_owned();
    }
    let readable = [file_stem, app_name.unwrap_or_default(), "workflow"]
        .into_iter()
        .map(|name| ascii_words(name, MAX_WORKFLOW_LEN - HASH_LEN - 1))
        .find(|words| !words.is_empty());
    format!("{}-{}", readable.unwrap_or_default(), short_hash(file_stem))
}

/// Returns the name of a file without the ending of a workflow document: what [`workflow_slug`] wants.
#[must_use]
pub fn document_stem(file: &str) -> &str {
    match file.rsplit_once('.') {
        Some((stem, ending))
            if !stem.is_empty()
                && ["yml", "yaml", "json"]
                    .iter()
                    .any(|known| ending.eq_ignore_ascii_case(known)) =>
        {
            stem
        }
        _ => file,
    }
}

/// Tells whether a text can stand as the workflow part as it is.
pub(super) fn is_workflow_slug(text: &str) -> bool {
    text.len() <= MAX_WORKFLOW_LEN
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
        && !text.ends_with('.')
        && !text.contains("..")
}

/// Returns a name as one part of a prompt id, without `_`, which parts the parts: `_` becomes `.`, and a name that
/// is not made of `[A-Za-z0-9-]` and single inner `_`, or is too long, is cut down and hashed.
pub(super) fn part(name: &str, max_len: usize) -> String {
    if survives(name, max_len) {
        name.replace('_', ".")
    } else {
        hashed_part(name, name, max_len)
    }
}

/// Returns what is readable of a name with a hash of something that says more than the name.
pub(super) fn hashed_part(name: &str, identity: &str, max_len: usize) -> String {
    let words = ascii_words(name, max_len.saturating_sub(HASH_LEN + 1));
    let words = if words.is_empty() { "x" } else { &words };
    format!("{words}-{}", short_hash(identity))
}

fn survives(name: &str, max_len: usize) -> bool {
    !name.is_empty()
        && name.len() <= max_len
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'))
        && !name.starts_with('_')
        && !name.ends_with('_')
        && !name.contains("__")
        && !looks_hashed(name)
}

/// Tells whether a name ends as a hashed one does. The last group of a UUID is two digits longer.
fn looks_hashed(name: &str) -> bool {
    name.rsplit_once('-').is_some_and(|(_, tail)| {
        tail.len() == HASH_LEN && tail.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
    })
}

/// Returns the ASCII letters and digits of a name with one `-` for each gap between them.
fn ascii_words(name: &str, max_len: usize) -> String {
    let words: Vec<&str> = name
        .split(|c: char| !c.is_ascii_alphanumeric())
        .filter(|word| !word.is_empty())
        .collect();
    let mut joined = words.join("-");
    joined.truncate(max_len);
    joined.truncate(joined.trim_end_matches('-').len());
    joined
}

fn short_hash(text: &str) -> String {
    let digest = Sha256::digest(text.as_bytes());
    let mut hex: String = digest
        .iter()
        .take(HASH_LEN)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    hex.truncate(HASH_LEN);
    hex
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_usable_file_name_is_the_workflow_part() {
        for stem in ["translation", "01_translation_workflow", "a.b-c_D", "x"] {
            assert_eq!(workflow_slug(stem, Some("other")), stem);
        }
    }

    #[test]
    fn only_the_ending_of_a_workflow_document_is_no_part_of_its_name() {
        for (file, stem) in [
            ("bot.yml", "bot"),
            ("bot.v2.YAML", "bot.v2"),
            ("bot.json", "bot"),
            ("bot.txt", "bot.txt"),
            ("bot", "bot"),
            (".yml", ".yml"),
        ] {
            assert_eq!(document_stem(file), stem);
        }
    }

    #[test]
    fn other_file_names_are_cut_down_and_hashed() {
        let check = |stem: &str, app: Option<&str>, prefix: &str| {
            let slug = workflow_slug(stem, app);
            let (words, hash) = slug.rsplit_once('-').unwrap();
            assert_eq!((words, hash.len()), (prefix, 10), "{stem:?}");
            assert!(is_workflow_slug(&slug), "{slug}");
        };
        check("Deep Researcher On Dify ", None, "Deep-Researcher-On-Dify");
        check("translation (1)", Some("translation"), "translation-1");
        check("旅行Demo", None, "Demo");
        check("旅行", Some("Travel demo"), "Travel-demo");
        check("旅行", Some("旅行"), "workflow");
        check("旅行", None, "workflow");
        check("", None, "workflow");
        check("../../etc/passwd", None, "etc-passwd");
        check(".hidden", None, "hidden");
        check("a..b", None, "a-b");
        check("ends.", None, "ends");
        check(&"long".repeat(20), None, "longlonglonglonglonglonglongl");
        check("looks-0123456789", None, "looks-0123456789");
    }

    #[test]
    fn different_file_names_give_different_parts() {
        let stems = ["a b", "a-b", "a_b", "a.b", "a  b", "a/b", "A-b", "日", "本", ""];
        let slugs: std::collections::HashSet<String> = stems
            .iter()
            .map(|stem| workflow_slug(stem, Some("app")))
            .collect();
        assert_eq!(slugs.len(), stems.len());
    }

    #[test]
    fn a_part_never_holds_the_separator() {
        let check = |name: &str, expected: &str| assert_eq!(part(name, 40), expected, "{name:?}");
        check("1721117961155", "1721117961155");
        check("llm_node", "llm.node");
        check(
            "0d5b6c56-0001-4000-8000-000000000001",
            "0d5b6c56-0001-4000-8000-000000000001",
        );
        check("../../etc/passwd", "etc-passwd-3754d6cb3a");
        for name in [
            "",
            "_",
            "a__b",
            "_a",
            "a_",
            "a.b",
            "日本",
            "a b",
            "x-0123456789",
            &"n".repeat(41),
        ] {
            let part = part(name, 40);
            assert!(
                looks_hashed(&part) && part.len() <= 40 && !part.contains('_'),
                "{part}"
            );
        }
    }
}
