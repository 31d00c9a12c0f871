//! Any document, any text: it reads back exactly, or the place is refused, and nothing else changes.

use std::cell::RefCell;

use proptest::prelude::*;
use serde_json::Value;

use super::pyyaml::{self, Change};
use super::{PatchError, Patched, Refusal, Replacement, Styles, attempt, patch_document};
use crate::dify::{
    ExtractOptions, Limits, Node, NodeKind, extract, parse_document, patch_prompts, prompt_ids,
};

/// Texts that a reader could misread, and pieces of them.
const ODD: [&str; 40] = [
    "",
    " ",
    "\n",
    "\n\n",
    "a",
    "word ",
    "a\n",
    "\ta",
    "a\t",
    " a",
    "a ",
    "  two\n",
    "---",
    "---\n",
    "\n...\n",
    "# no comment",
    "a #b",
    "a: b",
    "- x",
    "? y",
    "yes",
    "Off",
    "12",
    "0x1f",
    "12:30:45",
    "2026-01-02",
    "=",
    "<<",
    "~",
    "{{#1.text#}}",
    "\"",
    "'",
    "\\",
    "\\n",
    "\r",
    "\r\n",
    "\u{85}",
    "\u{2028}",
    "\u{feff}",
    "\u{1f600}é日",
];

pub(super) fn text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => prop::sample::select(ODD.to_vec()).prop_map(str::to_owned),
        1 => any::<String>(),
        1 => "[a-z ,.]{0,30}",
        1 => any::<char>().prop_map(String::from),
    ];
    prop_oneof![
        8 => prop::collection::vec(piece, 0..6).prop_map(|pieces| pieces.concat()),
        1 => "[a-z \n]{1,20}".prop_map(|text| text.repeat(200)),
        1 => "[a-z]{1,9}( {1,2}[a-z'\"\n:#-]{1,9}){9,40}",
    ]
}

/// A scalar of a block collection, each line after the first indented by four.
fn block_scalar() -> impl Strategy<Value = String> {
    let quoted = prop::sample::select(vec![
        "plain text",
        "'single'",
        "\"double\"",
        "'it''s\n\n    two\n    lines '",
        "\"a \\\n    b\\n\n    c\"",
        "plain\n    on two",
        "! tagged",
        "!!str 12",
        "&anchor free",
        "!!str\n    below",
        "12",
        "yes",
        "",
        "~",
    ]);
    let header = (
        prop::sample::select(vec!["|", ">", "&b |", "!!str >"]),
        prop::sample::select(vec!["", "-", "+", "1", "2-", "+1"]),
        prop::sample::select(vec!["", " # a | > comment"]),
    );
    let line = prop::sample::select(vec![
        "text",
        "more: text",
        "  deeper",
        "# none",
        "",
        "",
        "\ttab",
        "- x",
        "ends \t",
    ]);
    let block = (header, prop::collection::vec(line, 0..5), 0usize..3).prop_map(
        |((mark, indicator, comment), lines, blanks)| {
            let indent = match indicator.trim_matches(['+', '-']) {
                "1" => 3,
                _ => 4,
            };
            let pad = " ".repeat(indent);
            let body: String = std::iter::once("first")
                .chain(lines)
                .map(|line| {
                    if line.is_empty() {
                        "\n".to_owned()
                    } else {
                        format!("\n{pad}{line}")
                    }
                })
                .collect();
            format!("{mark}{indicator}{comment}{body}{}", "\n".repeat(blanks))
        },
    );
    prop_oneof![quoted.prop_map(str::to_owned), block]
}

/// Documents in which every style stands in every kind of collection.
fn document() -> impl Strategy<Value = String> {
    let flow = prop::sample::select(vec![
        "plain",
        "'single'",
        "\"double\"",
        "'a\n\n   b'",
        "\"\\u00e9\"",
        "[x, {q: r}]",
        "1.5",
    ]);
    let entry = prop_oneof![
        block_scalar().prop_map(|scalar| format!("  k: {scalar}\n  l: 1")),
        block_scalar().prop_map(|scalar| format!("  - {scalar}\n  - 'end'")),
        (block_scalar(), block_scalar())
            .prop_map(|(one, two)| format!("  - k: 1\n  - - {one}\n  - {two}").replace("- - ", "- ")),
        prop::collection::vec(flow.clone(), 1..4).prop_map(|items| format!("  [{}]", items.join(" , "))),
        prop::collection::vec(flow, 1..4).prop_map(|items| {
            let pairs = items
                .iter()
                .enumerate()
                .map(|(at, item)| format!("k{at}: {item}"));
            format!("  {{{}}} # c", pairs.collect::<Vec<_>>().join(", "))
        }),
    ];
    let entries = prop::collection::vec(entry, 1..5);
    (
        entries,
        any::<bool>(),
        any::<bool>(),
        any::<bool>(),
        any::<bool>(),
    )
        .prop_map(|(entries, bom, marked, crlf, open)| {
            let mut document = String::new();
            for (at, entry) in entries.iter().enumerate() {
                document += &format!("# mark {at}\nkey{at}:\n{entry}\n");
            }
            if marked {
                document = format!("--- # begin\n{document}...\n");
            }
            if open {
                document.truncate(document.trim_end().len());
            }
            if crlf {
                document = document.replace('\n', "\r\n");
            }
            if bom {
                format!("\u{feff}{document}")
            } else {
                document
            }
        })
}

/// Returns pointer and text of every text in a tree.
pub(super) fn texts(node: &Node, at: &str, found: &mut Vec<(String, String)>) {
    match &node.kind {
        NodeKind::Text(text) => found.push((at.to_owned(), text.to_string())),
        NodeKind::Sequence(items) => {
            for (index, item) in items.iter().enumerate() {
                texts(item, &format!("{at}/{index}"), found);
            }
        }
        NodeKind::Mapping(mapping) => {
            for (key, value) in mapping.iter() {
                texts(
                    value,
                    &format!("{at}/{}", key.replace('~', "~0").replace('/', "~1")),
                    found,
                );
            }
        }
        NodeKind::Null | NodeKind::Scalar(..) => {}
    }
}

/// Reads a document as another reader does: with the types of YAML 1.2 or JSON.
fn deserialised(document: &[u8]) -> Option<Value> {
    serde_saphyr::from_slice(document).ok()
}

fn check(document: &str, new: &[String]) -> Result<Option<Patched>, TestCaseError> {
    let limits = Limits::default();
    let Ok(parsed) = parse_document(document.as_bytes(), &limits) else {
        return Ok(None);
    };
    let mut found = Vec::new();
    texts(&parsed.root, "", &mut found);
    let replacements: Vec<Replacement> = found
        .into_iter()
        .zip(new.iter().cycle())
        .map(|((pointer, expected), text)| Replacement {
            pointer,
            expected,
            text: text.clone(),
        })
        .collect();
    let patched = attempt(document.as_bytes(), &replacements, &limits, Styles::Kept)
        .map_err(|error| TestCaseError::fail(format!("{error}\n{document:?}\n{new:?}")))?;
    let root = parse_document(&patched.bytes, &limits).unwrap().root;
    for (place, replacement) in patched.places.iter().zip(&replacements) {
        let there = root.pointer(&replacement.pointer).and_then(Node::as_text);
        match place {
            Ok(_) => prop_assert_eq!(there, Some(replacement.text.as_str()), "{}", document),
            Err(
                Refusal::Blank
                | Refusal::Tagged
                | Refusal::Alias { .. }
                | Refusal::Shared { .. }
                | Refusal::Merged { .. },
            ) => {
                prop_assert_eq!(there, Some(replacement.expected.as_str()));
            }
            Err(other) => prop_assert!(false, "{} {:?}", other, document),
        }
    }
    let shown = String::from_utf8(patched.bytes.clone()).unwrap();
    if let (Some(mut before), Some(after)) = (deserialised(document.as_bytes()), deserialised(&patched.bytes))
    {
        for (place, replacement) in patched.places.iter().zip(&replacements) {
            if let (Ok(_), Some(value)) = (place, before.pointer_mut(&replacement.pointer)) {
                *value = Value::String(replacement.text.clone());
            }
        }
        prop_assert_eq!(before, after, "{}", shown);
    }
    Ok(Some(patched))
}

/// Returns what the document says with another reader, once the patch is applied to it.
fn change(document: &str, patched: &Patched, new: &[String]) -> Change {
    let texts = new.iter().cycle();
    let changed = patched.places.iter().zip(texts).filter_map(|(place, text)| {
        let place = place.as_ref().ok()?;
        Some((place.pointer.clone(), text.clone()))
    });
    Change {
        original: document.as_bytes().to_vec(),
        patched: patched.bytes.clone(),
        texts: changed.collect(),
    }
}

#[test]
fn every_text_of_a_document_reads_back_exactly_also_for_pyyaml() {
    let changes = RefCell::new(Vec::new());
    let config = ProptestConfig {
        failure_persistence: None,
        cases: 400,
        ..ProptestConfig::default()
    };
    let mut read = 0;
    let strategy = (document(), prop::collection::vec(text(), 1..6));
    let mut runner = proptest::test_runner::TestRunner::new(config);
    let outcome = runner.run(&strategy, |(document, new)| {
        if let Some(patched) = check(&document, &new)? {
            changes.borrow_mut().push(change(&document, &patched, &new));
        }
        Ok(())
    });
    outcome.unwrap_or_else(|error| panic!("{error}"));
    read += changes.borrow().len();
    assert!(read > 300, "only {read} of 400 documents are valid");
    pyyaml::check(&changes.borrow(), pyyaml::Loader::Pure);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn one_text_of_a_document_changes_nothing_around_it(
        document in document(),
        at in any::<prop::sample::Index>(),
        text in text(),
    ) {
        let limits = Limits::default();
        let parsed = parse_document(document.as_bytes(), &limits);
        prop_assume!(parsed.is_ok());
        let mut found = Vec::new();
        texts(&parsed.unwrap().root, "", &mut found);
        prop_assume!(!found.is_empty());
        let (pointer, expected) = found.swap_remove(at.index(found.len()));
        let there = Replacement { pointer: pointer.clone(), expected: expected.clone(), text: text.clone() };
        let patched = patch_document(document.as_bytes(), &[there], &limits).unwrap();
        let shown = String::from_utf8(patched.bytes.clone()).unwrap();
        let marks = |text: &str| text.matches("# mark").count();
        if patched.is_complete() {
            prop_assert_eq!(marks(&shown) - marks(&text), marks(&document) - marks(&expected));
            // The way back gives the same text, if not the same bytes.
            let back = Replacement { pointer, expected: text, text: expected };
            let again = patch_document(&patched.bytes, &[back], &limits).unwrap();
            if again.is_complete() {
                let root = parse_document(&again.bytes, &limits).unwrap().root;
                prop_assert_eq!(root, parse_document(document.as_bytes(), &limits).unwrap().root);
            }
        } else {
            prop_assert_eq!(shown, document);
        }
    }

    #[test]
    fn any_bytes_are_patched_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200), pointer in "(/[a-c0-2~]{0,3}){0,3}") {
        let replacement = Replacement { pointer, expected: String::new(), text: "new".to_owned() };
        if let Err(error) = patch_document(&bytes, &[replacement], &Limits::default()) {
            prop_assert!(matches!(error, PatchError::Document(_)), "{}", error);
        }
    }

    #[test]
    fn a_damaged_document_is_patched_exactly_or_not_at_all(
        cut in any::<prop::sample::Index>(),
        len in 0usize..20,
        damage in "[-:\\[\\]{}'\"|>&*!#%@`,? \n\ta<~é]{0,6}",
        text in text(),
    ) {
        let source: Vec<char> = include_str!("../../../tests/fixtures/dify/hostile.yml").chars().collect();
        let from = cut.index(source.len());
        let rest = source.iter().skip(from + len);
        let document: String = source[..from].iter().copied().chain(damage.chars()).chain(rest.copied()).collect();
        check(&document, std::slice::from_ref(&text))?;
        let options = ExtractOptions::default();
        if let Ok(found) = extract(document.as_bytes(), &options) {
            let ids = prompt_ids("w", &found.prompts);
            let replacements: Vec<_> = ids.into_iter().zip(&found.prompts).map(|(prompt_id, prompt)| {
                super::PromptReplacement { prompt_id, expected: prompt.text.clone(), text: text.clone() }
            }).collect();
            let patched = patch_prompts(document.as_bytes(), "w", &replacements, &options);
            prop_assert!(patched.is_ok(), "{:?}\n{}", patched, document);
        }
    }
}
