//! Importing workflow exports: everything that is live, once.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::harness::{Host, shared_data};

/// Returns the digests of the texts of every version in a store, read from its files.
fn digests_in(store: &Path) -> BTreeMap<String, usize> {
    let mut digests = BTreeMap::new();
    for file in version_files(store) {
        let document: Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
        *digests
            .entry(sha256(document["prompt"]["text"].as_str().unwrap()))
            .or_default() += 1;
    }
    digests
}

fn version_files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        if name.starts_with('.') {
            continue;
        }
        if entry.file_type().unwrap().is_dir() {
            found.extend(version_files(&entry.path()));
        } else {
            found.push(entry.path());
        }
    }
    found
}

fn sha256(text: &str) -> String {
    use sha2::Digest;
    sha2::Sha256::digest(text.as_bytes())
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

#[tokio::test]
async fn every_live_prompt_of_real_exports_is_imported_once_and_only_once() {
    let Some(folder) = shared_data("dify_dsl") else {
        return;
    };
    let expected: Value =
        serde_json::from_slice(&std::fs::read(folder.join("EXPECTED.json")).unwrap()).unwrap();
    let host = Host::new();
    let daemon = host.start().await;
    let mut wanted: BTreeMap<String, usize> = BTreeMap::new();
    let mut arguments = vec!["import".to_owned(), "dsl".to_owned()];
    for (name, file) in expected["files"].as_object().unwrap() {
        arguments.push(folder.join(name).display().to_string());
        for prompt in file["prompts"].as_array().unwrap() {
            // The digest of the empty text: counted and skipped.
            let digest = prompt["sha256"].as_str().unwrap();
            if prompt["chars"].as_u64() != Some(0) {
                *wanted.entry(digest.to_owned()).or_default() += 1;
            }
        }
    }
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    host.ctl(&arguments).success();
    assert_eq!(digests_in(&host.store()), wanted);
    let before = daemon.client().status().await.unwrap();
    host.ctl(&arguments).success();
    let after = daemon.client().status().await.unwrap();
    assert_eq!(before.versions, after.versions, "importing again makes nothing");
}

#[tokio::test]
async fn importing_a_changed_workflow_makes_a_version_of_the_changed_text_alone() {
    let host = Host::new();
    let daemon = host.start().await;
    let original = std::fs::read_to_string("tests/fixtures/dify/sample_support_bot.yml").unwrap();
    let file = host.path().join("bot.yml");
    std::fs::write(&file, &original).unwrap();
    let path = file.display().to_string();
    host.ctl(&["import", "dsl", &path]).success();
    let count = async || daemon.client().status().await.unwrap().versions;
    let before = count().await;
    assert!(before >= 3, "the sample has prompts");
    let line = original
        .lines()
        .find(|line| line.contains("text: ") && line.len() > 40)
        .unwrap();
    let changed_line = format!("{} Always be kind.", line.trim_end_matches(['"', '\'']));
    let closing = if line.ends_with('"') {
        "\""
    } else if line.ends_with('\'') {
        "'"
    } else {
        ""
    };
    std::fs::write(
        &file,
        original.replacen(line, &format!("{changed_line}{closing}"), 1),
    )
    .unwrap();
    host.ctl(&["import", "dsl", &path]).success();
    assert_eq!(count().await, before + 1);
}

#[tokio::test]
async fn secrets_of_a_workflow_reach_neither_the_store_nor_the_log() {
    let host = Host::new();
    let daemon = host.start().await;
    let fixture = "tests/fixtures/dify/secrets.yml";
    let text = std::fs::read_to_string(fixture).unwrap();
    assert!(text.contains("S3CRET"), "the fixture marks its secrets");
    host.ctl(&["import", "dsl", fixture]).success();
    let log = daemon.read_log();
    assert!(daemon.stop().success());
    let everything = everything_in(&host.store());
    assert!(everything.contains("prompt_id"), "something was imported");
    assert!(!everything.contains("S3CRET"), "a secret is in the store");
    assert!(!log.contains("S3CRET"), "a secret is in the log");
}

#[tokio::test]
async fn of_two_files_with_the_same_names_for_their_prompts_one_import_takes_the_first_and_says_so() {
    let host = Host::new();
    let daemon = host.start().await;
    let sample = std::fs::read_to_string("tests/fixtures/dify/sample_support_bot.yml").unwrap();
    let files = ["one/b.yml", "one/b.yaml", "two/b.yml", "two/c.yml"].map(|name| host.path().join(name));
    for (number, file) in files.iter().enumerate() {
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        let text = sample.replace("a parcel service", &format!("parcel service {number}"));
        assert_ne!(text, sample, "each has texts of its own");
        std::fs::write(file, text).unwrap();
    }
    let [first, twin, other, _] = &files;
    let mut arguments = vec!["import", "dsl"];
    arguments.extend(files.iter().map(|file| file.to_str().unwrap()));
    let dry: Vec<&str> = arguments.iter().copied().chain(["--dry-run"]).collect();
    for arguments in [dry, arguments] {
        let output = host.ctl(&arguments);
        assert_eq!(output.code, 1, "{output:?}");
        let said = output.stdout + &output.stderr;
        for refused in [twin, other] {
            assert!(said.contains(&refused.display().to_string()), "{said}");
        }
        let owner = format!("those of {}", first.display());
        assert_eq!(said.matches(&owner).count(), 2, "{said}");
    }
    let prompts = daemon.client().status().await.unwrap();
    assert_eq!(prompts.prompts, prompts.versions, "no prompt has two versions");
    host.ctl(&["import", "dsl", twin.to_str().unwrap(), "--workflow", "b2"])
        .success();
    host.ctl(&["import", "dsl", first.to_str().unwrap(), first.to_str().unwrap()])
        .success();
}

fn everything_in(dir: &Path) -> String {
    let mut text = String::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            text += &everything_in(&entry.path());
        } else {
            text += &String::from_utf8_lossy(&std::fs::read(entry.path()).unwrap());
        }
    }
    text
}

#[tokio::test]
async fn a_dry_run_names_prompts_as_the_import_does_whatever_the_ending_of_the_file() {
    let host = Host::new();
    let _daemon = host.start().await;
    for name in ["bot.yml", "bot.txt", "bot.v2.yaml", "bot"] {
        let file = host.path().join(name);
        std::fs::copy("tests/fixtures/dify/sample_support_bot.yml", &file).unwrap();
        let path = file.to_str().unwrap();
        let listed = host.ctl(&["import", "dsl", path, "--dry-run"]).success();
        let first = listed
            .lines()
            .next()
            .and_then(|line| line.split('\t').nth(1))
            .unwrap();
        host.ctl(&["import", "dsl", path]).success();
        host.ctl(&["get", first]).success();
    }
}
