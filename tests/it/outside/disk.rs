//! What is in a store, read from its files by a program that knows nothing of the daemon.

use std::collections::BTreeMap;
use std::path::Path;

use promptd::client::{Client, ClientError, PromptFilter};
use promptd::model::{PromptId, Version};
use promptd::versions::Order;
use serde_json::Value;

use crate::harness::id;

/// Texts by prompt and version.
pub type Content = BTreeMap<String, BTreeMap<Version, String>>;

/// Reads every version of every prompt.
pub fn scan(store: &Path) -> Content {
    let mut content = Content::new();
    for shard in names(store).iter().filter(|name| name.len() == 2) {
        content.extend(scan_shard(&store.join(shard)));
    }
    content
}

/// Reads every version of every prompt in one shard directory.
pub fn scan_shard(shard: &Path) -> Content {
    let prompts = names(shard)
        .into_iter()
        .filter(|name| PromptId::new(name).is_ok());
    let read = prompts.map(|name| (name.clone(), scan_prompt(&shard.join(name))));
    read.filter(|(_, versions)| !versions.is_empty()).collect()
}

fn scan_prompt(dir: &Path) -> BTreeMap<Version, String> {
    let mut versions = BTreeMap::new();
    for name in names(dir) {
        let version = name
            .strip_suffix(".json")
            .and_then(|number| Version::new(number).ok());
        if let Some(version) = version {
            let document: Value = serde_json::from_slice(&std::fs::read(dir.join(name)).unwrap()).unwrap();
            assert_eq!(document["version"], version.to_string());
            let text = document["prompt"]["text"].as_str().unwrap().to_owned();
            versions.insert(version, text);
        }
    }
    versions
}

/// Names in a directory; of one that is gone, none.
fn names(dir: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(dir).into_iter().flatten();
    entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect()
}

/// Tells whether the daemon serves exactly what is on disk: first by numbers, which is quick, then by content.
pub async fn serves(client: &Client, content: &Content) -> Result<(), String> {
    let listed = client.prompts(&PromptFilter::default()).limit(1000).all().await;
    let mut listed: BTreeMap<String, u64> = listed
        .map_err(|e| e.to_string())?
        .into_iter()
        .map(|prompt| (prompt.prompt_id.to_string(), prompt.version_count))
        .collect();
    listed.retain(|_, count| *count > 0);
    for (prompt, versions) in content {
        let count = listed.remove(prompt).unwrap_or(0);
        if count != versions.len() as u64 {
            return Err(format!(
                "{prompt} has {} versions and shows {count}",
                versions.len()
            ));
        }
    }
    if let Some((prompt, _)) = listed.first_key_value() {
        return Err(format!("{prompt} is not there and is shown"));
    }
    for (prompt, versions) in content {
        serves_texts(client, prompt, versions).await?;
    }
    Ok(())
}

async fn serves_texts(
    client: &Client,
    prompt: &str,
    versions: &BTreeMap<Version, String>,
) -> Result<(), String> {
    let documents = client.documents(&id(prompt), Order::Asc).limit(200).all().await;
    let documents = documents.map_err(|e: ClientError| format!("{prompt}: {e}"))?;
    let served: BTreeMap<Version, String> = documents
        .iter()
        .map(|document| {
            let document: Value = serde_json::from_str(document.get()).unwrap();
            let version = Version::new(document["version"].as_str().unwrap()).unwrap();
            (version, document["prompt"]["text"].as_str().unwrap().to_owned())
        })
        .collect();
    match versions
        .iter()
        .find(|(version, text)| served.get(version) != Some(text))
    {
        None if served.len() == versions.len() => Ok(()),
        None => Err(format!("{prompt} shows more than it has")),
        Some((version, text)) => Err(format!(
            "{prompt}@{version} says {text:?} and is shown as {:?}",
            served.get(version)
        )),
    }
}

/// Copies a tree that is being written to, as `cp -a` does: temporary files may be gone when their turn comes.
pub fn copy(from: &Path, to: &Path) {
    let copying = std::process::Command::new("cp")
        .env("LC_ALL", "C")
        .arg("-a")
        .arg(from)
        .arg(to)
        .output()
        .unwrap();
    let said = String::from_utf8(copying.stderr).unwrap();
    let only_gone = said
        .lines()
        .all(|line| line.contains("/.tmp/") && line.ends_with("No such file or directory"));
    assert!(
        copying.status.success() || (!said.is_empty() && only_gone),
        "{said}"
    );
}
