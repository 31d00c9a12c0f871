//! `.index.json`: a projection of the catalog that saves a start from reading every directory (docs/format.md).
//!
//! It is never trusted for more than that: a prompt directory whose state differs from the one recorded is read again,
//! and so is one that changed within two seconds of the index being written, since a clock tick can hide a change.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::model::{Label, PromptId, Timestamp, Version, sha256_hex};
use crate::storage::{HighestUsed, LabelEntry, PromptEntry};

use super::layout::INDEX_FILE;
use super::{Disk, DiskFault, ShardDisk, Slot};

/// The format of the index; anything else is rebuilt.
const INDEX_VERSION: &str = "1.0.0";
/// The largest index that is read, in bytes.
const MAX_INDEX_BYTES: u64 = 1 << 30;
/// Directories that changed so shortly before the index was written are read again, in nanoseconds.
const RACY_NANOS: i64 = 2_000_000_000;

/// One prompt in the index, in the Python system's shape; what promptd adds comes after `updated_at`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PromptHint {
    latest_version: Option<Version>,
    version_count: usize,
    versions: Vec<Version>,
    created_at: Option<Timestamp>,
    updated_at: Option<Timestamp>,
    /// Inode and change time of the directory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    dir: Option<(u64, i64)>,
    /// Inode, size, modification and change time of the manifest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    manifest: Option<(u64, u64, i64, i64)>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    labels: BTreeMap<Label, LabelEntry>,
    #[serde(default, skip_serializing_if = "HighestUsed::is_empty")]
    highest_used: HighestUsed,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    tags: Vec<String>,
    /// Whether something in the directory was reported; such a directory is read again at every start.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    problems: bool,
}

/// What the index says, taken as hints.
#[derive(Debug, Default)]
pub struct IndexHints {
    prompts: HashMap<PromptId, PromptHint>,
    written_at: i64,
}

/// Where the hints came from, for the log and the status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IndexSource {
    /// The file was whole.
    Loaded,
    /// There was no file.
    Missing,
    /// The file was damaged and is rebuilt.
    Damaged(String),
}

#[derive(Deserialize)]
struct IndexFile<'a> {
    version: String,
    checksum: Option<String>,
    #[serde(default)]
    written_at_ns: i64,
    #[serde(borrow)]
    index: &'a RawValue,
}

/// Reads the index; whatever is wrong with it only means that directories are read.
#[must_use]
pub fn load_index(disk: &dyn Disk) -> (IndexHints, IndexSource) {
    let bytes = match disk.read(Path::new(INDEX_FILE), MAX_INDEX_BYTES) {
        Ok(content) => content.bytes,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
            return (IndexHints::default(), IndexSource::Missing);
        }
        Err(e) => return (IndexHints::default(), IndexSource::Damaged(e.to_string())),
    };
    match parse(&bytes) {
        Ok(hints) => (hints, IndexSource::Loaded),
        Err(reason) => (IndexHints::default(), IndexSource::Damaged(reason)),
    }
}

fn parse(bytes: &[u8]) -> Result<IndexHints, String> {
    let file: IndexFile<'_> = serde_json::from_slice(bytes).map_err(|e| e.to_string())?;
    if file.version != INDEX_VERSION {
        return Err(format!("its version is {}", file.version));
    }
    if file.checksum.as_deref() != Some(checksum(file.index.get().as_bytes()).as_str()) {
        return Err("its checksum does not match".into());
    }
    let prompts = serde_json::from_str(file.index.get()).map_err(|e| e.to_string())?;
    Ok(IndexHints {
        prompts,
        written_at: file.written_at_ns,
    })
}

fn checksum(index: &[u8]) -> String {
    format!("sha256:{}", sha256_hex(index))
}

impl IndexHints {
    /// Returns the slot of a prompt whose directory is as the index says; `None` means that it must be read.
    pub(super) fn slot(&self, shard: &ShardDisk, id: &PromptId, trash: &[Version]) -> Option<Slot> {
        let hint = self.prompts.get(id)?;
        let (ino, ctime) = hint.dir?;
        let dir = shard.stamp(&shard.layout.prompt_dir(id))?;
        let racy = ctime.saturating_add(RACY_NANOS) > self.written_at;
        if hint.problems || racy || (dir.ino, dir.ctime) != (ino, ctime) {
            return None;
        }
        let manifest = match hint.manifest {
            None => None,
            Some(recorded) => {
                let now = shard.stamp(&shard.layout.manifest_file(id))?;
                let same = (now.ino, now.size, now.mtime, now.ctime) == recorded;
                let racy = now.ctime.saturating_add(RACY_NANOS) > self.written_at;
                Some((same && !racy).then_some(now)?)
            }
        };
        let entry = PromptEntry {
            id: id.clone(),
            versions: hint.versions.clone(),
            trash: trash.to_vec(),
            labels: hint.labels.clone(),
            highest_used: hint.highest_used.clone(),
            created_at: hint.created_at.clone(),
            updated_at: hint.updated_at.clone(),
            description: hint.description.clone(),
            tags: hint.tags.clone(),
            latest_fingerprint: None,
        };
        Some(Slot {
            entry: Arc::new(entry),
            dir: Some(dir),
            // What changed shortly before the index was written was read again above.
            listed_at: self.written_at,
            manifest,
            fingerprinted: None,
            problems: Vec::new(),
            blocked: None,
        })
    }

    /// Returns the prompts that the index knows.
    pub(in crate::storage::filesystem) fn ids(&self) -> impl Iterator<Item = &PromptId> {
        self.prompts.keys()
    }

    /// Says what the index has that the directory has not, or the other way round; `None` when they agree. `served` are the
    /// versions that can be read, `damaged` those whose names are there and that cannot.
    pub(in crate::storage::filesystem) fn contradiction(
        &self,
        slot: &Slot,
        served: &[Version],
        damaged: &BTreeSet<Version>,
    ) -> Option<String> {
        let Some(hint) = self.prompts.get(&slot.entry.id) else {
            return (!served.is_empty()).then(|| "it is not in the index".to_owned());
        };
        let missing = served.iter().find(|version| !hint.versions.contains(version));
        if let Some(version) = missing {
            return Some(format!("the index does not have version {version}"));
        }
        let is_there = |version: &&Version| served.contains(version) || damaged.contains(version);
        if let Some(version) = hint.versions.iter().find(|version| !is_there(version)) {
            return Some(format!("the index has version {version}, which is not there"));
        }
        if hint.version_count != hint.versions.len() {
            return Some(format!("the index counts {} versions", hint.version_count));
        }
        let knows_labels = slot.manifest.is_some() && slot.blocked.is_none();
        (knows_labels && hint.labels != slot.entry.labels)
            .then(|| "the index has other labels than the manifest".to_owned())
    }

    /// Remembers numbers that were used according to the index although their files are gone.
    ///
    /// Not when the directory is another one than that of which the index speaks: then the prompt was forgotten, and is new.
    pub(super) fn note_used(&self, slot: &mut Slot) {
        let Some(hint) = self.prompts.get(&slot.entry.id) else {
            return;
        };
        let is_other = |(ino, _): (u64, i64)| slot.dir.is_some_and(|now| now.ino != ino);
        if !hint.dir.is_some_and(is_other) {
            let entry = Arc::make_mut(&mut slot.entry);
            let gone = hint
                .versions
                .iter()
                .filter(|version| !entry.has(version))
                .cloned()
                .collect::<Vec<_>>();
            entry
                .highest_used
                .note_all(gone.iter().chain(hint.highest_used.iter()));
        }
    }
}

/// Returns the bytes of the index of some slots, one line per prompt.
fn render<'a>(slots: impl Iterator<Item = &'a Slot>, written_at: jiff::Timestamp) -> Vec<u8> {
    let mut index = String::from("{");
    let (mut prompts, mut versions) = (0_u64, 0_usize);
    for slot in slots.filter(|slot| !slot.entry.versions.is_empty()) {
        let entry = &slot.entry;
        // Also what lies in the trash: a person may empty it by hand.
        let mut highest_used = entry.highest_used.clone();
        highest_used.note_all(&entry.trash);
        let hint = PromptHint {
            latest_version: entry.latest().cloned(),
            version_count: entry.versions.len(),
            versions: entry.versions.clone(),
            created_at: entry.created_at.clone(),
            updated_at: entry.updated_at.clone(),
            dir: slot.dir.map(|stamp| (stamp.ino, stamp.ctime)),
            manifest: slot
                .manifest
                .map(|stamp| (stamp.ino, stamp.size, stamp.mtime, stamp.ctime)),
            labels: entry.labels.clone(),
            highest_used,
            description: entry.description.clone(),
            tags: entry.tags.clone(),
            problems: !slot.problems.is_empty(),
        };
        index.push_str(if prompts == 0 { "\n" } else { ",\n" });
        index.push_str(&format!(
            "\"{}\":{}",
            entry.id,
            serde_json::to_string(&hint).unwrap_or_default()
        ));
        prompts += 1;
        versions += entry.versions.len();
    }
    index.push_str("\n}");
    let head = serde_json::json!({
        "version": INDEX_VERSION,
        "last_updated": Timestamp::from_instant(written_at),
        "total_prompts": prompts,
        "total_versions": versions,
        "written_at_ns": i64::try_from(written_at.as_nanosecond()).unwrap_or(0),
        "checksum": checksum(index.as_bytes()),
    });
    let head = head.to_string();
    format!("{},\n\"index\":{index}}}\n", head.trim_end_matches('}')).into_bytes()
}

/// Replaces the index. A failure costs a slower next start and nothing else.
///
/// # Errors
/// [`DiskFault`].
pub fn write_index<'a>(
    disk: &dyn Disk,
    slots: impl Iterator<Item = &'a Slot>,
    taken_at: jiff::Timestamp,
) -> Result<u64, DiskFault> {
    let bytes = render(slots, taken_at);
    // One writer, the index actor: a leftover of this name is its own.
    let (tmp, target) = (Path::new(".index.json.tmp"), Path::new(INDEX_FILE));
    match disk.unlink(tmp) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
            return Err(DiskFault::before("removing", tmp, &e));
        }
        _ => {}
    }
    let mut file = disk
        .create_new(tmp)
        .map_err(|e| DiskFault::before("creating", tmp, &e))?;
    let written = file.write_all(&bytes).and_then(|()| file.sync());
    written.map_err(|e| DiskFault::before("writing", tmp, &e))?;
    drop(file);
    disk.rename_over(tmp, target)
        .map_err(|e| DiskFault::before("renaming to", target, &e))?;
    disk.sync_dir(Path::new(""))
        .map_err(|e| DiskFault::before("syncing", Path::new("."), &e))?;
    Ok(bytes.len() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slot(versions: &[&str]) -> Slot {
        let mut slot = Slot::empty(PromptId::new("p").unwrap());
        let entry = Arc::make_mut(&mut slot.entry);
        for version in versions {
            entry.insert(Version::new(version).unwrap());
        }
        slot
    }

    #[test]
    fn the_index_keeps_the_shape_of_the_python_system() {
        let bytes = render(
            [slot(&["1.0.0", "1.10.0", "1.9.0"])].iter(),
            jiff::Timestamp::UNIX_EPOCH,
        );
        let value: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
        assert_eq!(value["version"], "1.0.0");
        assert_eq!(
            (value["total_prompts"].as_u64(), value["total_versions"].as_u64()),
            (Some(1), Some(3))
        );
        assert_eq!(value["index"]["p"]["latest_version"], "1.10.0");
        assert_eq!(
            value["index"]["p"]["versions"],
            serde_json::json!(["1.0.0", "1.9.0", "1.10.0"])
        );
        assert!(parse(&bytes).unwrap().prompts.contains_key("p"));
    }

    #[test]
    fn a_changed_index_is_damaged() {
        let bytes = render([slot(&["1.0.0"])].iter(), jiff::Timestamp::UNIX_EPOCH);
        let text = String::from_utf8(bytes).unwrap();
        for edited in [
            text.replace("\"1.0.0\"],", "\"1.0.1\"],"),
            "{}".to_owned(),
            String::new(),
            text[..40].to_owned(),
        ] {
            assert!(parse(edited.as_bytes()).is_err(), "{edited}");
        }
        assert!(parse(text.as_bytes()).is_ok());
    }
}
