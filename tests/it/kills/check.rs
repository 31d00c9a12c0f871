//! After a restart: what the daemon serves is held against what clients were told.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use promptd::client::{Client, ClientError};
use promptd::model::{Integrity, ShardDepth, Version, VersionSelector};
use promptd::versions::Order;
use serde_json::Value;

use super::evidence;
use super::log::{Kept, Place, PromptLog};
use crate::harness::{Host, id};

/// Compares a prompt and closes what was open. Content is read where something happened, or everywhere. Returns how many
/// facts were compared.
pub async fn settle(client: &Client, store: &Path, log: &mut PromptLog, everything: bool) -> usize {
    let live = live_versions(client, &log.name).await;
    let trash = client.trash(Some(&id(&log.name))).all().await.unwrap();
    let trashed: BTreeSet<Version> = trash.into_iter().map(|found| found.version).collect();
    let labels = labels(client, &log.name).await;
    let both: Vec<_> = live.intersection(&trashed).collect();
    assert!(both.is_empty(), "{}: live and in the trash: {both:?}", log.name);
    settle_purge(log, &live, &trashed, &labels);
    for (version, kept) in &mut log.versions {
        let place = match (live.contains(version), trashed.contains(version)) {
            (true, _) => Place::Live,
            (_, true) => Place::Trashed,
            _ => Place::Gone,
        };
        let (name, may_be) = (&log.name, &kept.may_be);
        assert!(
            may_be.contains(&place),
            "{name}@{version} is {place:?} and must be {may_be:?}"
        );
        if place == Place::Trashed && may_be.contains(&Place::Gone) {
            evidence::settle_forgetting(store, name, version, &mut kept.executions);
        }
        kept.may_be = BTreeSet::from([place]);
    }
    let mut strange = trashed
        .iter()
        .filter(|version| !log.versions.contains_key(version));
    assert_eq!(
        strange.next(),
        None,
        "{}: in the trash and never stored",
        log.name
    );
    for version in &live {
        if !log.versions.contains_key(version) {
            adopt(client, log, version).await;
        }
    }
    settle_labels(log, &labels);
    let mut compared = log.versions.len() + log.labels.len();
    let suspects = log
        .versions
        .iter_mut()
        .filter(|(_, kept)| everything || kept.is_fresh);
    for (version, kept) in suspects {
        compared += 1;
        check_content(client, store, &log.name, version, kept).await;
        kept.is_fresh = false;
    }
    log.floating.clear();
    log.may_be_purged = false;
    log.is_open = false;
    compared
}

/// Returns the versions of a prompt that are served.
pub async fn live_versions(client: &Client, name: &str) -> BTreeSet<Version> {
    match client.versions(&id(name), Order::Asc).all().await {
        Ok(found) => found.into_iter().map(|summary| summary.version).collect(),
        Err(ClientError::Refused(problem)) if problem.code == "not-found" => BTreeSet::new(),
        Err(error) => panic!("{name} cannot be listed: {error}"),
    }
}

async fn labels(client: &Client, name: &str) -> BTreeMap<String, Version> {
    match client.labels(&id(name)).await {
        Ok(found) => found
            .labels
            .into_iter()
            .map(|label| (label.label.to_string(), label.version))
            .collect(),
        Err(ClientError::Refused(problem)) if problem.code == "not-found" => BTreeMap::new(),
        Err(error) => panic!("the labels of {name} cannot be listed: {error}"),
    }
}

/// A purge without an answer took everything, or nothing but what lay in the trash.
fn settle_purge(
    log: &mut PromptLog,
    live: &BTreeSet<Version>,
    trashed: &BTreeSet<Version>,
    labels: &BTreeMap<String, Version>,
) {
    if !log.may_be_purged {
        return;
    }
    if live.is_empty() {
        let rest = (trashed, labels);
        assert!(
            trashed.is_empty() && labels.is_empty(),
            "{}: purged by half: {rest:?}",
            log.name
        );
        log.forget();
    }
    for kept in log.versions.values_mut() {
        if kept.may_be.contains(&Place::Trashed) {
            kept.may_be.insert(Place::Gone);
        }
    }
}

/// A version of which no client was told: it must be one that was sent without an answer, and each was sent once.
async fn adopt(client: &Client, log: &mut PromptLog, version: &Version) {
    let selector = VersionSelector::Exact(version.clone());
    let document = client.version(&id(&log.name), &selector).await.unwrap();
    let text = document.parse().unwrap().prompt.text;
    let is_it = |wanted: &Option<Version>| wanted.as_ref().is_none_or(|wanted| wanted == version);
    let sent = log
        .floating
        .iter()
        .position(|sent| sent.text == text && is_it(&sent.version));
    let Some(sent) = sent else {
        panic!(
            "{}@{version} says {text:?}, which nobody sent under this number",
            log.name
        )
    };
    log.floating.remove(sent);
    log.stored(version.clone(), text, Integrity::Sealed);
}

fn settle_labels(log: &mut PromptLog, found: &BTreeMap<String, Version>) {
    for label in found.keys() {
        let name = &log.name;
        assert!(
            log.labels.contains_key(label),
            "{name} has a label that nobody set: {label}"
        );
    }
    for (label, may_be) in &mut log.labels {
        let (name, now) = (&log.name, found.get(label).cloned());
        assert!(
            may_be.contains(&now),
            "{name}: label {label} is at {now:?} and must be at {may_be:?}"
        );
        *may_be = BTreeSet::from([now]);
    }
}

/// Checks that a version has the content that was sent, whole and sealed, and its test results.
async fn check_content(client: &Client, store: &Path, name: &str, version: &Version, kept: &mut Kept) {
    if kept.may_be.contains(&Place::Trashed) {
        let shard = ShardDepth::DEFAULT.shard_of(&id(name));
        let file = format!(".trash/{}/{name}@{version}.json", shard.as_str());
        let bytes = std::fs::read(store.join(&file)).unwrap();
        let document: Value = serde_json::from_slice(&bytes).unwrap();
        assert_eq!(document["prompt"]["text"], kept.text, "{file}");
    }
    if kept.may_be.contains(&Place::Live) {
        check_live(client, name, version, &kept.text, kept.integrity).await;
        evidence::settle(client, name, version, kept).await;
    }
}

/// Checks that a version is served with the content that was sent.
pub async fn check_live(client: &Client, name: &str, version: &Version, text: &str, integrity: Integrity) {
    let selector = VersionSelector::Exact(version.clone());
    let found = client.version(&id(name), &selector).await;
    let found = found.unwrap_or_else(|e| panic!("{name}@{version} was acknowledged and is lost: {e}"));
    let said = found.parse().unwrap().prompt.text;
    assert_eq!(said, text, "{name}@{version} has another content");
    assert_eq!(found.integrity, Some(integrity), "{name}@{version}");
}

/// Returns what `verify` finds beyond what others wrote, edited and removed, gaps where versions were forgotten for good,
/// and higher numbers of prompts that were purged: a new directory may get the inode of the old one, and is then taken for
/// it by the index.
pub fn unexplained_problems(host: &Host, purged: &BTreeSet<&str>) -> Vec<Value> {
    let report = host.ctl(&["verify", "--json"]);
    let parsed: Value = serde_json::from_str(&report.stdout).unwrap_or_else(|_| panic!("{report:?}"));
    let problems = parsed["problems"]
        .as_array()
        .unwrap_or_else(|| panic!("{report:?}"));
    let is_explained = |problem: &&Value| {
        let path = problem["path"].as_str().unwrap();
        match problem["kind"].as_str().unwrap() {
            "edited" | "unsealed" => path.contains("/other_"),
            "missing-parent" => path.contains("/other_") || path.contains("/own_"),
            "forgotten-number" => {
                path.contains("/other_") || path.split('/').any(|part| purged.contains(part))
            }
            _ => false,
        }
    };
    problems
        .iter()
        .filter(|problem| !is_explained(problem))
        .cloned()
        .collect()
}

/// What was put into prompts that all clients share.
#[derive(Default)]
pub struct SharedLog {
    /// What was acknowledged.
    pub acknowledged: BTreeMap<(String, Version), String>,
    /// Texts that were sent without an answer.
    pub floating: BTreeSet<String>,
    /// What was found by an earlier comparison.
    pub seen: BTreeMap<(String, Version), String>,
}

impl SharedLog {
    /// Writes down what one client was told.
    pub fn told(&mut self, prompt: String, version: Version, text: String) {
        let name = format!("{prompt}@{version}");
        let twice = self.acknowledged.insert((prompt, version), text);
        assert_eq!(twice, None, "{name} was given out twice");
    }

    /// Compares with what the daemon serves. Returns how many facts were compared.
    pub async fn settle(&mut self, client: &Client) -> usize {
        let names: BTreeSet<String> = self.acknowledged.keys().map(|(name, _)| name.clone()).collect();
        let mut there = BTreeSet::new();
        for name in names {
            for version in live_versions(client, &name).await {
                let key = (name.clone(), version);
                if !self.seen.contains_key(&key) {
                    self.look_at(client, &key).await;
                }
                there.insert(key);
            }
        }
        for (name, version) in self.acknowledged.keys().chain(self.seen.keys()) {
            let is_there = there.contains(&(name.clone(), version.clone()));
            assert!(is_there, "{name}@{version} was acknowledged and is lost");
        }
        there.len()
    }

    async fn look_at(&mut self, client: &Client, key: &(String, Version)) {
        let (name, version) = key;
        let selector = VersionSelector::Exact(version.clone());
        let document = client.version(&id(name), &selector).await.unwrap();
        assert_eq!(document.integrity, Some(Integrity::Sealed), "{name}@{version}");
        let text = document.parse().unwrap().prompt.text;
        match self.acknowledged.get(key) {
            Some(sent) => assert_eq!(*sent, text, "{name}@{version} has another content"),
            None => assert!(
                self.floating.contains(&text),
                "{name}@{version}: nobody sent {text:?}"
            ),
        }
        let twice = self.seen.iter().find(|(_, other)| **other == text);
        assert_eq!(twice, None, "{name}@{version}: one request made two versions");
        self.seen.insert(key.clone(), text);
    }
}
