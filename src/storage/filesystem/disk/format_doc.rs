//! Holds docs/format.md against the code: every block in it must be what promptd itself would write.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, LazyLock};

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::*;
use crate::model::{
    Author, Checksum, Integrity, IssueSeverity, IssueType, Label, MAX_COMPONENT, MAX_LABEL_LEN,
    MAX_PROMPT_CHARS, MAX_PROMPT_ID_LEN, MAX_VERSION_LEN, OptimizationStrategy, PromptId, PromptVersion,
    ShardDepth, SuggestionType, Version, sha256_hex,
};
use crate::storage::evidence::{MAX_EVIDENCE_BYTES, parse, render};

const DOCUMENT: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/format.md"));

/// The document in one line, so that a phrase is found wherever its lines break.
static FLOWING: LazyLock<String> =
    LazyLock::new(|| DOCUMENT.split_whitespace().collect::<Vec<_>>().join(" "));

/// Returns the one block whose fence is marked so, without the newline before the closing fence.
fn block(mark: &str) -> &'static str {
    let opening = format!("```{mark}\n");
    let (_, rest) = DOCUMENT
        .split_once(&opening)
        .unwrap_or_else(|| panic!("no block {mark}"));
    assert!(!rest.contains(&opening), "two blocks are marked {mark}");
    rest.split_once("\n```").unwrap().0
}

fn value(mark: &str) -> Value {
    serde_json::from_str(block(mark)).unwrap()
}

fn id() -> PromptId {
    PromptId::new("wf_001_llm_1").unwrap()
}

fn version(text: &str) -> Version {
    Version::new(text).unwrap()
}

fn check_version_block(mark: &str) {
    let mut document = PromptVersion::from_client(&value(mark)).unwrap();
    let actual = Checksum::of(&value(mark)).unwrap();
    assert_eq!(Integrity::of(&value(mark), &actual), Integrity::Sealed, "{mark}");
    let written = String::from_utf8(document.seal().unwrap()).unwrap();
    assert_eq!(written, format!("{}\n", block(mark)));
}

#[test]
fn the_version_files_are_those_that_promptd_writes() {
    check_version_block("json version");
    check_version_block("json checksum-document");
}

#[test]
fn the_worked_checksum_is_right() {
    let mut document = value("json checksum-document");
    assert_eq!(Checksum::of(&document).unwrap().as_str(), block("text checksum"));
    drop(document["metadata"].as_object_mut().unwrap().remove("checksum"));
    let canonical = serde_json_canonicalizer::to_string(&document).unwrap();
    assert_eq!(canonical, block("text checksum-canonical"));
    assert_eq!(
        format!("sha256:{}", sha256_hex(canonical.as_bytes())),
        block("text checksum")
    );
}

#[test]
fn the_metadata_is_that_of_a_store() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(".metadata.json");
    std::fs::write(&path, format!("{}\n", block("json metadata"))).unwrap();
    let opened = open_store(dir.path(), ShardDepth::FLAT).unwrap();
    let again = serde_json::to_string_pretty(&opened.metadata).unwrap();
    assert_eq!(again, block("json metadata"));
    assert_eq!(opened.metadata.shard_depth, ShardDepth::DEFAULT);
}

#[test]
fn the_manifest_is_what_a_rewrite_gives() {
    let manifest = Manifest::parse(block("json manifest").as_bytes(), &id()).unwrap();
    let written = String::from_utf8(manifest.render(&id()).unwrap()).unwrap();
    assert_eq!(written, format!("{}\n", block("json manifest")));
}

#[test]
fn the_test_results_are_what_promptd_writes() {
    let bytes = format!("{}\n", block("json evidence"));
    let results = parse(bytes.as_bytes(), &id(), &version("1.0.1")).unwrap();
    assert_eq!(results.len(), 2);
    let written = render(&id(), &version("1.0.1"), &results);
    assert_eq!(String::from_utf8(written).unwrap(), bytes);
    let mut keys = BTreeSet::new();
    for line in block("json evidence").lines() {
        collect_keys(&serde_json::from_str(line).unwrap(), &mut keys);
    }
    let explained = words_between("The first line:", "### Limits of evidence");
    assert!(
        keys.iter().all(|key| explained.contains(&key.as_str())),
        "{keys:?}"
    );
}

#[test]
fn the_index_is_whole_and_its_line_is_what_promptd_writes() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(
        dir.path().join(".index.json"),
        format!("{}\n", block("json index")),
    )
    .unwrap();
    let disk = RealDisk::open(dir.path()).unwrap();
    assert_eq!(load_index(&disk).1, IndexSource::Loaded);
    let hint: PromptHint =
        serde_json::from_value(value("json index")["index"][id().as_str()].clone()).unwrap();
    let line = format!("\"{}\":{}", id(), serde_json::to_string(&hint).unwrap());
    assert!(block("json index").contains(&line), "{line}");
    write_index(&disk, std::iter::empty(), jiff::Timestamp::now()).unwrap();
    let written: Value =
        serde_json::from_slice(&std::fs::read(dir.path().join(".index.json")).unwrap()).unwrap();
    assert_eq!(keys(&written), keys(&value("json index")));
}

#[test]
fn the_trash_note_is_what_a_deletion_writes() {
    let dir = tempfile::tempdir().unwrap();
    let layout = Layout {
        depth: ShardDepth::DEFAULT,
    };
    let limits = DiskLimits {
        max_file_bytes: 1 << 20,
        min_free_bytes: 0,
    };
    let disk: Arc<dyn Disk> = Arc::new(RealDisk::open(dir.path()).unwrap());
    let run = Run {
        id: Arc::from("run"),
        distrust: None,
    };
    let shard = ShardDisk::new(disk, layout, layout.shard_of(&id()), limits, run);
    let prepared = Prepared {
        id: id(),
        version: version("1.0.2"),
        bytes: bytes::Bytes::from_static(b"{}"),
        durable_dir: None,
    };
    assert!(shard.commit(&[prepared]).iter().all(Result::is_ok));
    let author = Author {
        name: "ada".into(),
        uid: Some(1000),
    };
    shard.move_to_trash(&id(), &[version("1.0.2")], &author).unwrap();
    let note = dir.path().join(layout.trash_note(&id(), &version("1.0.2")));
    let mut written: Value = serde_json::from_slice(&std::fs::read(note).unwrap()).unwrap();
    written["deleted_at"] = value("json trash-note")["deleted_at"].clone();
    assert_eq!(
        serde_json::to_string_pretty(&written).unwrap(),
        block("json trash-note")
    );
}

#[test]
fn the_paths_and_shards_are_those_of_the_layout() {
    let layout = Layout {
        depth: ShardDepth::DEFAULT,
    };
    let (deleted, note) = (
        layout.trash_file(&id(), &version("1.0.2"), 0),
        layout.trash_note(&id(), &version("1.0.2")),
    );
    let evidence = layout.evidence_file(&id(), &version("1.0.1"));
    let evidence = std::path::PathBuf::from(evidence.file_name().unwrap());
    for path in [deleted, note, evidence, layout.tmp_dir(&layout.shard_of(&id()))] {
        let shown = path.display().to_string();
        let in_tree = shown.strip_prefix("69/").unwrap_or(&shown);
        assert!(FLOWING.contains(in_tree), "{shown}");
    }
    for name in ["wf_001_llm_1", "prompt_001", "a"] {
        let shard = layout.shard_of(&PromptId::new(name).unwrap());
        let shown = [
            format!("shard of `{name}` is `{}`", shard.as_str()),
            format!("of `{name}` it is `{}`", shard.as_str()),
        ];
        assert!(shown.iter().any(|text| FLOWING.contains(text)), "{name}");
    }
    let copy = layout.trash_file(&id(), &version("1.0.2"), 1);
    assert!(copy.to_string_lossy().ends_with("@1.0.2~1.json"));
    assert!(Label::new("v1").is_err() && Label::new("x").is_err());
}

#[test]
fn the_limits_are_those_of_the_code() {
    let shown = [
        format!("1 to {MAX_PROMPT_ID_LEN} characters of `A-Z"),
        format!("At most {MAX_VERSION_LEN} characters"),
        format!("at most {MAX_COMPONENT}"),
        format!("1 to {MAX_LABEL_LEN} characters of `a-z"),
        format!("at most {},000 characters", MAX_PROMPT_CHARS / 1000),
        format!("0 to {}", ShardDepth::MAX),
        format!("at most {} MiB long", super::scan::MAX_MANIFEST_BYTES >> 20),
        format!("never larger than {} MiB", MAX_EVIDENCE_BYTES >> 20),
    ];
    for text in shown {
        assert!(FLOWING.contains(&text), "{text}");
    }
}

/// Returns the words in backticks between two phrases.
fn words_between(from: &str, to: &str) -> Vec<&'static str> {
    let rest = FLOWING.split_once(from).unwrap_or_else(|| panic!("{from}")).1;
    let part = rest.split_once(to).unwrap_or_else(|| panic!("{to}")).0;
    part.split('`').skip(1).step_by(2).collect()
}

fn check_words<T: DeserializeOwned>(from: &str, to: &str, count: usize) {
    let words = words_between(from, to);
    for word in &words {
        let read: Result<T, _> = serde_json::from_value(Value::from(*word));
        assert!(read.is_ok(), "{word}");
    }
    assert_eq!(words.len(), count, "{words:?}");
}

#[test]
fn the_words_of_the_lists_are_those_of_the_code() {
    check_words::<IssueSeverity>("`severity` is one of ", ". The `type` of an issue", 3);
    check_words::<IssueType>("`type` of an issue is one of ", ". The `type` of a suggestion", 7);
    check_words::<SuggestionType>("`type` of a suggestion is one of", ". `optimization_result`", 5);
    check_words::<OptimizationStrategy>("| `strategy` | text | | one of ", " | |", 9);
    let reserved: BTreeSet<&str> = crate::storage::RESERVED_METADATA.into();
    let listed = words_between("Keys of `metadata` that promptd writes:", "A client that creates");
    assert!(reserved.iter().all(|key| listed.contains(key)), "{listed:?}");
}

fn keys(value: &Value) -> Vec<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

/// Collects the keys of objects whose keys are fixed.
fn collect_keys(value: &Value, into: &mut BTreeSet<String>) {
    match value {
        Value::Object(object) => {
            for (key, inner) in object {
                into.insert(key.clone());
                if key != "context" && key != "metadata" {
                    collect_keys(inner, into);
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| collect_keys(item, into)),
        _ => {}
    }
}

#[test]
fn every_key_in_the_examples_is_explained() {
    let mut keys = BTreeSet::new();
    for mark in ["json metadata", "json version", "json manifest", "json index"] {
        collect_keys(&value(mark), &mut keys);
    }
    // Not keys of the format but names that somebody chose.
    for name in ["wf_001_llm_1", "production"] {
        keys.remove(name);
    }
    let prose: String = DOCUMENT.split("```").step_by(2).collect();
    for key in keys {
        let is_word = |text: &str| {
            text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
                .any(|word| word == key)
        };
        assert!(prose.split('`').skip(1).step_by(2).any(is_word), "{key}");
    }
    assert!(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/durability.md")).is_file());
}
