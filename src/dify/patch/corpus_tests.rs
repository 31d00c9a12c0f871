//! Every prompt of every workflow document at hand, real ones and our own, replaced by odd texts.

use super::pyyaml::{self, Change, Loader};
use super::{PromptReplacement, Refusal, ScalarStyle, patch_prompts};
use crate::dify::corpus_tests::{as_json, collection};
use crate::dify::{ExtractOptions, Extraction, Limits, extract, parse_document, prompt_ids};

const OURS: [(&str, &str); 5] = [
    (
        "hostile.yml",
        include_str!("../../../tests/fixtures/dify/hostile.yml"),
    ),
    (
        "sample_support_bot.yml",
        include_str!("../../../tests/fixtures/dify/sample_support_bot.yml"),
    ),
    (
        "secrets.yml",
        include_str!("../../../tests/fixtures/dify/secrets.yml"),
    ),
    (
        "wrapped.yml",
        include_str!("../../../tests/fixtures/dify/wrapped.yml"),
    ),
    (
        "wrapped_ascii.yml",
        include_str!("../../../tests/fixtures/dify/wrapped_ascii.yml"),
    ),
];

const ODD: [&str; 12] = [
    "x",
    "yes",
    " leading and trailing ",
    "two\nlines\n",
    "\n\nline breaks first, and last\n\n\n",
    "  indented\n\tby blanks\n \nand a tab\t\n",
    "---\n- # not: [a, {b}]\n...",
    "\"quotes\" 'of' \\both\\ kinds: \\n",
    "carriage\r\nreturns\r",
    "\u{feff}\u{85}\u{2028}\u{0}\u{7f}\u{a0}\u{fffe} and \u{1f600}\u{1d4b3}",
    "2026-01-02",
    "Ein längerer Satz, 日本語のテキスト。 {{ height: 100%; }} ${x}",
];

/// Hands out every document with its name.
fn for_each_document(mut check: impl FnMut(&str, &str, &Extraction)) {
    let mut documents: Vec<(String, String)> = OURS
        .iter()
        .map(|(name, text)| ((*name).to_owned(), (*text).to_owned()))
        .collect();
    if let Some(folder) = collection() {
        for folder in [folder.clone(), folder.join("synthetic")] {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.extension().is_some_and(|ending| ending == "yml") {
                    documents.push((path.display().to_string(), std::fs::read_to_string(path).unwrap()));
                }
            }
        }
    }
    for (name, document) in &documents {
        let found = extract(document.as_bytes(), &ExtractOptions::default()).unwrap();
        check(name, document, &found);
    }
}

/// Replaces prompts, the one at each position by what `new` says, and returns the document and what was not refused.
fn replaced(
    name: &str,
    document: &str,
    found: &Extraction,
    new: impl Fn(usize) -> Option<String>,
) -> (Vec<u8>, Vec<(String, String)>) {
    let options = ExtractOptions::default();
    let ids = prompt_ids("w", &found.prompts);
    let replacements: Vec<PromptReplacement> = ids
        .into_iter()
        .zip(&found.prompts)
        .enumerate()
        .filter_map(|(at, (prompt_id, prompt))| {
            Some(PromptReplacement {
                prompt_id,
                expected: prompt.text.clone(),
                text: new(at)?,
            })
        })
        .collect();
    let patch = patch_prompts(document.as_bytes(), "w", &replacements, &options)
        .unwrap_or_else(|error| panic!("{name}: {error}"));
    let mut texts = Vec::new();
    let mut shared = 0;
    for (outcome, replacement) in patch.prompts.iter().zip(&replacements) {
        match outcome {
            Ok(done) => {
                texts.push((done.place.pointer.clone(), replacement.text.clone()));
                texts.extend(done.also.clone().map(|also| (also, replacement.text.clone())));
            }
            Err(Refusal::Alias { .. } | Refusal::Shared { .. }) => shared += 1,
            Err(other) => panic!("{name} {}: {other}", replacement.prompt_id),
        }
    }
    let is_meant = name.ends_with("s5_hostile_and_odd.yml");
    assert!(is_meant || shared == 0, "{name} has no aliases");
    (patch.bytes, texts)
}

#[test]
fn all_prompts_of_a_document_are_replaced_at_once_by_every_odd_text() {
    let mut changes = Vec::new();
    for_each_document(|name, document, found| {
        for odd in ODD {
            let (patched, texts) = replaced(name, document, found, |_| Some(odd.to_owned()));
            let again = extract(&patched, &ExtractOptions::default()).unwrap();
            for (old, new) in found.prompts.iter().zip(&again.prompts) {
                let is_replaced = texts.iter().any(|(pointer, _)| *pointer == old.pointer);
                let expected = if is_replaced { odd } else { &old.text };
                assert_eq!(new.text, expected, "{name} {}", old.pointer);
            }
            changes.push(Change {
                original: document.as_bytes().to_vec(),
                patched,
                texts,
            });
        }
    });
    pyyaml::check(&changes, Loader::Fast);
}

#[test]
fn each_prompt_of_a_document_is_replaced_alone() {
    let mut changes = Vec::new();
    for_each_document(|name, document, found| {
        for at in 0..found.prompts.len() {
            let new = |other: usize| (other == at).then(|| ODD[at % ODD.len()].to_owned());
            let (patched, texts) = replaced(name, document, found, new);
            changes.push(Change {
                original: document.as_bytes().to_vec(),
                patched,
                texts,
            });
        }
    });
    pyyaml::check(&changes, Loader::Fast);
}

#[test]
fn the_loader_that_dify_uses_reads_mixed_texts_as_they_are_meant() {
    let mut changes = Vec::new();
    for_each_document(|name, document, found| {
        let new = |at: usize| Some(format!("{}{at}", ODD[at % ODD.len()]));
        let (patched, texts) = replaced(name, document, found, new);
        let crlf = document.replace('\n', "\r\n");
        let (patched_crlf, texts_crlf) = replaced(name, &crlf, found, new);
        for (original, patched, texts) in [
            (document.to_owned(), patched, texts),
            (crlf, patched_crlf, texts_crlf),
        ] {
            let original = original.into_bytes();
            changes.push(Change {
                original,
                patched,
                texts,
            });
        }
    });
    pyyaml::check(&changes, Loader::Pure);
}

#[test]
fn a_document_in_json_stays_json() {
    for_each_document(|name, document, _| {
        let root = parse_document(document.as_bytes(), &Limits::default())
            .unwrap()
            .root;
        for json in [as_json(&root).to_string(), format!("{:#}", as_json(&root))] {
            let found = extract(json.as_bytes(), &ExtractOptions::default()).unwrap();
            let new = |at: usize| Some(format!("{}{at}", ODD[at % ODD.len()]));
            let (patched, texts) = replaced(name, &json, &found, new);
            let value: serde_json::Value = serde_json::from_slice(&patched).unwrap();
            for (pointer, text) in texts {
                assert_eq!(
                    value.pointer(&pointer).and_then(|text| text.as_str()),
                    Some(text.as_str()),
                    "{name}"
                );
            }
        }
    });
}

#[test]
fn a_text_that_was_replaced_can_be_put_back() {
    let document = OURS[1].1;
    let found = extract(document.as_bytes(), &ExtractOptions::default()).unwrap();
    let (patched, _) = replaced("ours", document, &found, |at| Some(format!("other {at}")));
    let between = extract(&patched, &ExtractOptions::default()).unwrap();
    let patched = String::from_utf8(patched).unwrap();
    let (back, _) = replaced("ours", &patched, &between, |at| {
        Some(found.prompts[at].text.clone())
    });
    let again = extract(&back, &ExtractOptions::default()).unwrap();
    assert_eq!(again.prompts, found.prompts);
}

#[test]
fn exports_of_dify_keep_the_style_of_their_scalars() {
    for_each_document(|name, document, found| {
        if name.contains("hostile") || name.contains("synthetic") {
            return;
        }
        let options = ExtractOptions::default();
        let ids = prompt_ids("w", &found.prompts);
        let replacements: Vec<PromptReplacement> = ids
            .into_iter()
            .zip(&found.prompts)
            .map(|(prompt_id, prompt)| PromptReplacement {
                prompt_id,
                expected: prompt.text.clone(),
                text: "One sentence\nand another one.".to_owned(),
            })
            .collect();
        let patch = patch_prompts(document.as_bytes(), "w", &replacements, &options).unwrap();
        for done in patch.prompts.iter().flatten() {
            let expected = match done.place.old_style {
                ScalarStyle::Plain => ScalarStyle::DoubleQuoted,
                style => style,
            };
            assert_eq!(done.place.new_style, expected, "{name} {}", done.place.pointer);
        }
    });
}

/// Documents that no exporter wrote as they are.
const BY_HAND: [&str; 3] = [
    "hostile.yml",
    "sample_support_bot.yml",
    "11_structured_output_v050.yml",
];

#[test]
fn a_text_that_is_put_back_stands_as_the_exporter_wrote_it() {
    for_each_document(|name, document, found| {
        if BY_HAND.iter().any(|by_hand| name.ends_with(by_hand)) {
            return;
        }
        let longer = |at: usize| Some(format!("{}More.", found.prompts[at].text));
        let (patched, _) = replaced(name, document, found, longer);
        let between = extract(&patched, &ExtractOptions::default()).unwrap();
        let patched = String::from_utf8(patched).unwrap();
        let old = |at: usize| Some(found.prompts[at].text.clone());
        let (back, _) = replaced(name, &patched, &between, old);
        assert!(back == document.as_bytes(), "{name}");
    });
}
