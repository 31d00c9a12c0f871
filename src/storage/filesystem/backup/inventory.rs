//! `.backup.json`: what a backup holds, with the checksum of every file (docs/format.md). Written last.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::model::{ShardDepth, Timestamp, render};
use crate::storage::{BackupCounts, BackupInventory, Problem};

use super::member::{MAX_PATH_BYTES, Member};

/// The format of inventories that this version of promptd writes.
const FORMAT_VERSION: u64 = 1;
/// The largest inventory that is read or written, in bytes.
pub(super) const MAX_INVENTORY_BYTES: u64 = 512 << 20;
/// The most files in a backup.
pub(super) const MAX_FILES: usize = 2_000_000;
/// The most problems that an inventory keeps.
pub(super) const MAX_PROBLEMS: usize = 10_000;

/// The SHA-256 of a file.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct FileHash([u8; 32]);

/// What an inventory says of one file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FileFacts {
    /// Its size in bytes.
    pub size: u64,
    /// Its SHA-256.
    pub sha256: FileHash,
}

/// What a backup holds.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Inventory {
    /// The store that it was made of.
    pub store_id: String,
    /// The layout of the paths.
    pub shard_depth: ShardDepth,
    /// When the backup was begun.
    pub created_at: Timestamp,
    /// The version of promptd that made it.
    pub promptd_version: String,
    /// How much there is.
    pub counts: BackupCounts,
    /// What was not as it should be in the store.
    pub problems: Vec<Problem>,
    /// Every file by its path.
    pub files: BTreeMap<String, FileFacts>,
}

/// The form of an inventory on disk.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    format_version: u64,
    store_id: String,
    shard_depth: ShardDepth,
    created_at: Timestamp,
    promptd_version: String,
    prompts: u64,
    versions: u64,
    trashed: u64,
    bytes: u64,
    problems: Vec<Problem>,
    files: Vec<WrittenFile>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenFile {
    path: String,
    size: u64,
    sha256: FileHash,
}

impl FileFacts {
    /// Describes the content of a file.
    #[must_use]
    pub(super) fn of(bytes: &[u8]) -> Self {
        Self {
            size: bytes.len() as u64,
            sha256: FileHash(Sha256::digest(bytes).into()),
        }
    }
}

impl Inventory {
    /// Returns the bytes of the file.
    ///
    /// # Errors
    /// A sentence when there are too many files.
    pub(super) fn render(&self) -> Result<Vec<u8>, String> {
        let files = self.files.iter().map(|(path, facts)| WrittenFile {
            path: path.clone(),
            size: facts.size,
            sha256: facts.sha256,
        });
        let written = Written {
            format_version: FORMAT_VERSION,
            store_id: self.store_id.clone(),
            shard_depth: self.shard_depth,
            created_at: self.created_at.clone(),
            promptd_version: self.promptd_version.clone(),
            prompts: self.counts.prompts,
            versions: self.counts.versions,
            trashed: self.counts.trashed,
            bytes: self.counts.bytes,
            problems: self.problems.clone(),
            files: files.collect(),
        };
        let bytes = render(&written).map_err(|e| e.to_string())?;
        if bytes.len() as u64 > MAX_INVENTORY_BYTES {
            return Err(format!(
                "the inventory would have {} bytes; the limit is {MAX_INVENTORY_BYTES}",
                bytes.len()
            ));
        }
        Ok(bytes)
    }

    /// Reads the file, and checks that what it says fits together.
    ///
    /// # Errors
    /// A sentence that says what is wrong with it.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, String> {
        check_format(bytes)?;
        let written: Written = serde_json::from_slice(bytes).map_err(|e| e.to_string())?;
        if written.files.len() > MAX_FILES {
            return Err(format!("it lists more than {MAX_FILES} files"));
        }
        let mut inventory = Self {
            store_id: written.store_id,
            shard_depth: written.shard_depth,
            created_at: written.created_at,
            promptd_version: written.promptd_version,
            counts: BackupCounts::default(),
            problems: written.problems,
            files: BTreeMap::new(),
        };
        for WrittenFile { path, size, sha256 } in written.files {
            inventory.check_path(&path)?;
            let shown = shown(&path);
            if inventory.files.insert(path, FileFacts { size, sha256 }).is_some() {
                return Err(format!("it lists {shown} twice"));
            }
        }
        inventory.count();
        let BackupCounts {
            prompts,
            versions,
            trashed,
            bytes,
            ..
        } = inventory.counts;
        if (prompts, versions, trashed, bytes)
            != (written.prompts, written.versions, written.trashed, written.bytes)
        {
            return Err("its sums are not those of its list".to_owned());
        }
        Ok(inventory)
    }

    fn check_path(&self, path: &str) -> Result<(), String> {
        match Member::parse(path) {
            Some((_, Some(depth))) if depth != self.shard_depth => {
                Err(format!("{} is not where shard_depth puts it", shown(path)))
            }
            Some(_) => Ok(()),
            None => Err(format!("{} is no path of a backup", shown(path))),
        }
    }

    /// Sums up the list of files.
    pub(super) fn count(&mut self) {
        let mut counts = BackupCounts::default();
        let mut prompts = std::collections::BTreeSet::new();
        for (path, facts) in &self.files {
            counts.files += 1;
            counts.bytes = counts.bytes.saturating_add(facts.size);
            let Some((member, _)) = Member::parse(path) else {
                continue;
            };
            match member {
                Member::Version(..) => counts.versions += 1,
                Member::Trashed(..) => counts.trashed += 1,
                Member::Metadata | Member::Note(..) | Member::Evidence(..) | Member::Manifest(_) => {}
            }
            prompts.extend(member.prompt().cloned());
        }
        counts.prompts = prompts.len() as u64;
        self.counts = counts;
    }

    /// Returns what the inventory says of the whole.
    #[must_use]
    pub(super) fn summary(&self) -> BackupInventory {
        BackupInventory {
            created_at: self.created_at.clone(),
            store_id: self.store_id.clone(),
            counts: self.counts,
        }
    }
}

/// The format is looked at before anything else: a newer one may have another shape.
fn check_format(bytes: &[u8]) -> Result<(), String> {
    #[derive(Deserialize)]
    struct Format {
        format_version: Value,
    }
    let Format { format_version } = serde_json::from_slice(bytes).map_err(|e| e.to_string())?;
    match format_version.as_u64() {
        Some(FORMAT_VERSION) => Ok(()),
        Some(newer) if newer > FORMAT_VERSION => Err(format!(
            "it has format {newer}; this promptd knows {FORMAT_VERSION}: use a newer promptd"
        )),
        _ => Err("its format_version is none".to_owned()),
    }
}

/// Returns a path out of a backup so that it can be shown.
#[must_use]
pub(super) fn shown(path: &str) -> String {
    let cut: String = path.chars().take(MAX_PATH_BYTES).collect();
    format!("{cut:?}")
}

impl fmt::Display for FileHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for FileHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for FileHash {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for FileHash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let malformed = || serde::de::Error::custom("a sha256 is 64 lower-case hex digits");
        if text.len() != 64 || !text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
            return Err(malformed());
        }
        let mut hash = [0; 32];
        for (byte, digits) in hash.iter_mut().zip(text.as_bytes().chunks(2)) {
            let digits = std::str::from_utf8(digits).map_err(|_| malformed())?;
            *byte = u8::from_str_radix(digits, 16).map_err(|_| malformed())?;
        }
        Ok(Self(hash))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn inventory() -> Inventory {
        let mut inventory = Inventory {
            store_id: "s".into(),
            shard_depth: ShardDepth::DEFAULT,
            created_at: Timestamp::now(),
            promptd_version: "1.0.0".into(),
            counts: BackupCounts::default(),
            problems: Vec::new(),
            files: BTreeMap::from([
                (".metadata.json".into(), FileFacts::of(b"{}")),
                ("69/wf_001_llm_1/1.0.0.json".into(), FileFacts::of(b"one")),
                (".trash/69/wf_001_llm_1@1.0.1.json".into(), FileFacts::of(b"two")),
            ]),
        };
        inventory.count();
        inventory
    }

    #[test]
    fn the_documented_inventory_is_what_promptd_would_write() {
        let document = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/format.md"));
        let (_, rest) = document.split_once("```json backup\n").unwrap();
        let block = rest.split_once("```").unwrap().0;
        let read = Inventory::parse(block.as_bytes()).unwrap();
        assert_eq!(String::from_utf8(read.render().unwrap()).unwrap(), block);
        for (path, mark) in [
            (".metadata.json", "```json metadata\n"),
            ("69/wf_001_llm_1/1.0.0.json", "```json version\n"),
            ("69/wf_001_llm_1/.manifest.json", "```json manifest\n"),
        ] {
            let file = document.split_once(mark).unwrap().1.split_once("```").unwrap().0;
            assert_eq!(read.files[path], FileFacts::of(file.as_bytes()), "{path}");
        }
        for limit in [MAX_FILES.to_string(), (MAX_INVENTORY_BYTES >> 20).to_string()] {
            assert!(document.replace(',', "").contains(&limit), "{limit}");
        }
    }

    fn check(change: impl Fn(&mut Value), says: &str) {
        let mut value = serde_json::from_slice(&inventory().render().unwrap()).unwrap();
        change(&mut value);
        let error = Inventory::parse(value.to_string().as_bytes()).unwrap_err();
        assert!(error.contains(says), "{error}");
    }

    #[test]
    fn an_inventory_reads_back() {
        let written = inventory();
        assert_eq!(Inventory::parse(&written.render().unwrap()).unwrap(), written);
        let BackupCounts {
            prompts,
            versions,
            trashed,
            files,
            bytes,
        } = written.counts;
        assert_eq!((prompts, versions, trashed, files, bytes), (1, 1, 1, 3, 8));
        let known = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(FileFacts::of(b"abc").sha256.to_string(), known);
    }

    #[test]
    fn an_inventory_that_does_not_fit_together_is_refused() {
        check(|v| v["format_version"] = json!(2), "use a newer promptd");
        check(|v| v["format_version"] = json!("1"), "format_version is none");
        check(|v| v["surprise"] = json!(1), "surprise");
        check(|v| v["versions"] = json!(7), "sums");
        check(|v| v["shard_depth"] = json!(1), "not where shard_depth puts it");
        check(
            |v| v["files"][1]["path"] = json!("../../etc/passwd"),
            "no path of a backup",
        );
        check(
            |v| v["files"][1]["sha256"] = json!("00"),
            "64 lower-case hex digits",
        );
        check(
            |v| {
                let first = v["files"][0].clone();
                v["files"].as_array_mut().unwrap().push(first);
            },
            "twice",
        );
        check(|v| v["files"] = json!({}), "invalid type");
    }
}
