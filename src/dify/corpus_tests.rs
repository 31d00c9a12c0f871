//! Every workflow document of the shared collection against its expected result, where the collection is present.

use std::path::PathBuf;

use serde_json::Value;
use sha2::{Digest, Sha256};

use super::{ExtractOptions, ExtractedPrompt, Extraction, extract, prompt_ids, workflow_slug};

/// Finds the collection beside the checkout, or one level higher for a worktree.
pub(super) fn collection() -> Option<PathBuf> {
    let found = ["/../shared/data/dify_dsl", "/../../shared/data/dify_dsl"]
        .map(|path| PathBuf::from(format!("{}{path}", env!("CARGO_MANIFEST_DIR"))))
        .into_iter()
        .find(|path| path.is_dir());
    if found.is_none() {
        eprintln!("the shared workflow documents are not present: nothing was compared");
    }
    found
}

fn for_each_document(mut check: impl FnMut(&str, &Extraction, &Value)) {
    let Some(folder) = collection() else { return };
    let expected: Value =
        serde_json::from_slice(&std::fs::read(folder.join("EXPECTED.json")).unwrap()).unwrap();
    let files = expected["files"].as_object().unwrap();
    assert!(files.len() >= 16, "the collection is incomplete");
    for (name, expected) in files {
        let bytes = std::fs::read(folder.join(name)).unwrap();
        let found = extract(&bytes, &ExtractOptions::default()).unwrap_or_else(|e| panic!("{name}: {e}"));
        check(name, &found, expected);
    }
}

fn hash(text: &str) -> String {
    Sha256::digest(text.as_bytes())
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

fn check_prompt(file: &str, found: &ExtractedPrompt, expected: &Value) {
    let whole = serde_json::to_value(found).unwrap();
    let at = format!("{file} {}", found.pointer);
    for (key, found_key) in [
        ("pointer", "pointer"),
        ("kind", "kind"),
        ("role", "role"),
        ("refs", "references"),
        ("special_refs", "special_references"),
        ("node_id", "node_id"),
        ("node_type", "node_type"),
        ("node_title", "node_title"),
        ("parent_id", "parent_id"),
        ("parameter", "parameter"),
        ("value_type", "value_type"),
        ("stale_text_pointer", "stale_text_pointer"),
    ] {
        assert_eq!(whole[found_key], expected[key], "{at}: {key}");
    }
    assert_eq!(
        found.text.chars().count(),
        expected["chars"].as_u64().unwrap() as usize,
        "{at}"
    );
    assert_eq!(
        found.text.len(),
        expected["bytes"].as_u64().unwrap() as usize,
        "{at}"
    );
    assert_eq!(hash(&found.text), expected["sha256"].as_str().unwrap(), "{at}");
}

#[test]
fn every_expected_prompt_is_found_in_order_and_no_other() {
    let mut compared = 0;
    for_each_document(|file, found, expected| {
        let (blank, live): (Vec<_>, Vec<_>) = expected["prompts"]
            .as_array()
            .unwrap()
            .iter()
            .partition(|prompt| prompt["chars"] == 0);
        assert_eq!(
            found
                .prompts
                .iter()
                .map(|p| p.pointer.as_str())
                .collect::<Vec<_>>(),
            live.iter()
                .map(|p| p["pointer"].as_str().unwrap())
                .collect::<Vec<_>>(),
            "{file}"
        );
        for (found, expected) in found.prompts.iter().zip(&live) {
            check_prompt(file, found, expected);
        }
        for expected in &blank {
            let is_it = |skipped: &&super::SkippedPrompt| {
                skipped.pointer == expected["pointer"] && skipped.kind.as_str() == expected["kind"]
            };
            assert_eq!(found.empty.iter().filter(is_it).count(), 1, "{file} {expected}");
        }
        compared += live.len() + blank.len();
    });
    assert!(
        compared == 0 || compared >= 106,
        "only {compared} prompts were compared"
    );
}

#[test]
fn the_head_of_every_document_is_read() {
    for_each_document(|file, found, expected| {
        assert_eq!(found.app.kind.as_deref(), expected["kind"].as_str(), "{file}");
        assert_eq!(found.app.mode.as_deref(), expected["mode"].as_str(), "{file}");
        assert_eq!(
            found.app.dsl_version.as_deref(),
            expected["version"].as_str(),
            "{file}"
        );
        assert_eq!(
            found.nodes,
            expected["nodes"].as_u64().unwrap() as usize,
            "{file}"
        );
    });
}

#[test]
fn genuine_documents_are_found_odd_only_when_they_hold_nothing() {
    for_each_document(|file, found, _| {
        if !file.starts_with("synthetic/") {
            let expected = usize::from(found.prompts.is_empty());
            assert_eq!(
                found.diagnostics.len(),
                expected,
                "{file}: {:?}",
                found.diagnostics
            );
        }
    });
}

#[test]
fn prompts_of_genuine_documents_get_distinct_ids_named_after_their_nodes() {
    for_each_document(|file, found, _| {
        let workflow = workflow_slug(file.trim_end_matches(".yml"), found.app.name.as_deref());
        let ids = prompt_ids(&workflow, &found.prompts);
        let distinct: std::collections::HashSet<_> = ids.iter().collect();
        assert_eq!(distinct.len(), found.prompts.len(), "{file}");
        for (id, prompt) in ids.iter().zip(&found.prompts) {
            let node = prompt.node_id.as_deref().unwrap_or_default();
            if node.bytes().all(|b| b.is_ascii_digit()) {
                assert!(id.as_str().starts_with(&format!("{workflow}_{node}")), "{id}");
            }
        }
    });
}

#[test]
fn a_document_written_as_json_gives_the_same_prompts() {
    for_each_document(|file, found, _| {
        let bytes = std::fs::read(collection().unwrap().join(file)).unwrap();
        let root = super::parse_document(&bytes, &super::Limits::default())
            .unwrap()
            .root;
        for json in [as_json(&root).to_string(), format!("{:#}", as_json(&root))] {
            let again = extract(json.as_bytes(), &ExtractOptions::default())
                .unwrap_or_else(|e| panic!("{file}: {e}"));
            assert_eq!(again.prompts, found.prompts, "{file}");
        }
    });
}

pub(super) fn as_json(node: &super::Node) -> Value {
    use super::{NodeKind, ScalarType};
    match &node.kind {
        NodeKind::Null => Value::Null,
        NodeKind::Text(text) => Value::String(text.to_string()),
        NodeKind::Scalar(ScalarType::Int | ScalarType::Float, source) => {
            serde_json::from_str(source).unwrap_or(Value::Null)
        }
        NodeKind::Scalar(_, source) => Value::Bool(&**source == "true"),
        NodeKind::Sequence(items) => Value::Array(items.iter().map(as_json).collect()),
        NodeKind::Mapping(mapping) => mapping
            .iter()
            .map(|(key, value)| (key.to_owned(), as_json(value)))
            .collect(),
    }
}
