//! Where everything is: names and paths in a store (docs/format.md).

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use crate::model::{PromptId, ShardDepth, ShardId, Version};

/// Format version, store id, shard depth.
pub(in crate::storage::filesystem) const METADATA_FILE: &str = ".metadata.json";
/// The projection of the catalog.
pub(super) const INDEX_FILE: &str = ".index.json";
/// Held for the daemon's life.
pub(super) const LOCK_FILE: &str = ".lock";
/// Deleted versions.
pub(in crate::storage::filesystem) const TRASH_DIR: &str = ".trash";
/// Temporary files of a shard.
pub(super) const TMP_DIR: &str = ".tmp";
/// What recovery set aside, inside [`TMP_DIR`].
pub(super) const QUARANTINE_DIR: &str = "quarantine";
/// Labels and used numbers of a prompt.
pub(in crate::storage::filesystem) const MANIFEST_FILE: &str = ".manifest.json";
/// How the name of a file with test results begins.
const EVIDENCE_PREFIX: &str = ".evidence-";
/// How it ends.
const EVIDENCE_SUFFIX: &str = ".jsonl";
/// The ending of the note beside a deleted version that says who deleted it and when.
const DELETED_SUFFIX: &str = ".deleted";

/// Computes paths, relative to the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    /// How deep prompts are sharded.
    pub depth: ShardDepth,
}

impl Layout {
    /// Returns the shard of a prompt.
    #[must_use]
    pub fn shard_of(self, id: &PromptId) -> ShardId {
        self.depth.shard_of(id)
    }

    /// Returns the directory of a shard; empty (the store itself) in a flat store.
    #[must_use]
    pub fn shard_dir(self, shard: &ShardId) -> PathBuf {
        PathBuf::from(shard.as_str())
    }

    /// Returns the directory of a prompt.
    #[must_use]
    pub fn prompt_dir(self, id: &PromptId) -> PathBuf {
        self.shard_dir(&self.shard_of(id)).join(id.as_str())
    }

    /// Returns the file of a version.
    #[must_use]
    pub fn version_file(self, id: &PromptId, version: &Version) -> PathBuf {
        self.prompt_dir(id).join(format!("{version}.json"))
    }

    /// Returns the manifest of a prompt.
    #[must_use]
    pub fn manifest_file(self, id: &PromptId) -> PathBuf {
        self.prompt_dir(id).join(MANIFEST_FILE)
    }

    /// Returns the file with the test results of a version.
    #[must_use]
    pub fn evidence_file(self, id: &PromptId, version: &Version) -> PathBuf {
        self.prompt_dir(id)
            .join(format!("{EVIDENCE_PREFIX}{version}{EVIDENCE_SUFFIX}"))
    }

    /// Returns the directory of a shard's temporary files.
    #[must_use]
    pub fn tmp_dir(self, shard: &ShardId) -> PathBuf {
        self.shard_dir(shard).join(TMP_DIR)
    }

    /// Returns the directory of a shard's deleted versions.
    #[must_use]
    pub fn trash_dir(self, shard: &ShardId) -> PathBuf {
        Path::new(TRASH_DIR).join(shard.as_str())
    }

    /// Returns the place of a deleted version; `copy` tells apart leftovers of one name.
    #[must_use]
    pub fn trash_file(self, id: &PromptId, version: &Version, copy: u32) -> PathBuf {
        let copy = if copy == 0 {
            String::new()
        } else {
            format!("~{copy}")
        };
        self.trash_dir(&self.shard_of(id))
            .join(format!("{id}@{version}{copy}.json"))
    }

    /// Returns the note that says who deleted a version and when.
    #[must_use]
    pub fn trash_note(self, id: &PromptId, version: &Version) -> PathBuf {
        self.trash_dir(&self.shard_of(id))
            .join(format!("{id}@{version}{DELETED_SUFFIX}"))
    }
}

/// Reads a file name in the trash as that of a deleted version or of a leftover copy of it (`~1`).
#[must_use]
pub(in crate::storage::filesystem) fn trashed_copy_of_file_name(
    name: &str,
) -> Option<(PromptId, Version, u32)> {
    let (id, rest) = name.strip_suffix(".json")?.split_once('@')?;
    let (version, copy) = match rest.split_once('~') {
        Some((version, copy)) => (version, copy.parse().ok()?),
        None => (rest, 0),
    };
    Some((PromptId::new(id).ok()?, Version::new(version).ok()?, copy))
}

/// Reads a file name in the trash as that of the note on a deleted version.
#[must_use]
pub(in crate::storage::filesystem) fn note_of_file_name(name: &str) -> Option<(PromptId, Version)> {
    let (id, version) = name.strip_suffix(DELETED_SUFFIX)?.split_once('@')?;
    Some((PromptId::new(id).ok()?, Version::new(version).ok()?))
}

/// Reads a file name as that of a version: exactly `<canonical version>.json`.
#[must_use]
pub(crate) fn version_of_file_name(name: &OsStr) -> Option<Version> {
    Version::new(name.to_str()?.strip_suffix(".json")?).ok()
}

/// Reads a file name as that of the test results of a version.
#[must_use]
pub(in crate::storage::filesystem) fn evidence_of_file_name(name: &OsStr) -> Option<Version> {
    let version = name.to_str()?.strip_prefix(EVIDENCE_PREFIX)?;
    Version::new(version.strip_suffix(EVIDENCE_SUFFIX)?).ok()
}

/// Reads a file name in the trash as that of a deleted version; leftover copies (`~1`) give `None`.
#[must_use]
pub(super) fn trashed_of_file_name(name: &OsStr) -> Option<(PromptId, Version)> {
    let (id, version) = name.to_str()?.strip_suffix(".json")?.split_once('@')?;
    Some((PromptId::new(id).ok()?, Version::new(version).ok()?))
}

/// Reads a file name in the trash as that of anything that belongs to a deleted version: the file, a leftover copy, the
/// note.
#[must_use]
pub(in crate::storage::filesystem) fn belongs_to_trashed(name: &OsStr) -> Option<(PromptId, Version)> {
    let (id, rest) = name.to_str()?.split_once('@')?;
    let version = match rest.strip_suffix(DELETED_SUFFIX) {
        Some(version) => version,
        None => rest.strip_suffix(".json")?.split('~').next()?,
    };
    Some((PromptId::new(id).ok()?, Version::new(version).ok()?))
}

/// What a file name in the trash means.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::storage::filesystem) enum TrashName {
    /// A deleted version.
    Version(PromptId, Version),
    /// A leftover copy of one.
    Copy(PromptId, Version),
    /// Who deleted a version, and when.
    Note(PromptId, Version),
    /// Nobody's business.
    Hidden,
    /// Something else.
    Foreign,
}

impl TrashName {
    /// Reads a file name in the trash.
    #[must_use]
    pub(in crate::storage::filesystem) fn read(name: &OsStr) -> Self {
        if is_hidden(name) {
            return Self::Hidden;
        }
        let is_note = name.as_encoded_bytes().ends_with(DELETED_SUFFIX.as_bytes());
        match (trashed_of_file_name(name), belongs_to_trashed(name)) {
            (Some((id, version)), _) => Self::Version(id, version),
            (None, Some((id, version))) if is_note => Self::Note(id, version),
            (None, Some((id, version))) => Self::Copy(id, version),
            (None, None) => Self::Foreign,
        }
    }
}

/// Tells whether a name in the store is promptd's own or hidden, and so no prompt and no stray.
#[must_use]
pub(super) fn is_hidden(name: &OsStr) -> bool {
    name.as_encoded_bytes().first() == Some(&b'.')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_lies_where_the_format_says() {
        let layout = Layout {
            depth: ShardDepth::DEFAULT,
        };
        let (id, version) = (PromptId::new("wf_001_llm_1").unwrap(), Version::release(1, 2, 0));
        assert_eq!(
            layout.version_file(&id, &version),
            Path::new("69/wf_001_llm_1/1.2.0.json")
        );
        assert_eq!(
            layout.trash_file(&id, &version, 0),
            Path::new(".trash/69/wf_001_llm_1@1.2.0.json")
        );
        let flat = Layout {
            depth: ShardDepth::FLAT,
        };
        assert_eq!(
            flat.version_file(&id, &version),
            Path::new("wf_001_llm_1/1.2.0.json")
        );
        assert_eq!(flat.tmp_dir(&flat.shard_of(&id)), Path::new(".tmp"));
    }

    #[test]
    fn names_read_back() {
        let version = |name: &str| version_of_file_name(OsStr::new(name)).map(|v| v.to_string());
        assert_eq!(version("1.2.0.json").as_deref(), Some("1.2.0"));
        for odd in [
            "01.0.0.json",
            "1.0.0",
            "1.0.0.json~",
            ".1.0.0.json.swp",
            "1.0.0.tmp.77",
            "notes.json",
        ] {
            assert_eq!(version(odd), None, "{odd}");
        }
        let evidence = |name: &str| evidence_of_file_name(OsStr::new(name)).map(|v| v.to_string());
        assert_eq!(
            evidence(".evidence-1.2.0-opt.3.jsonl").as_deref(),
            Some("1.2.0-opt.3")
        );
        for odd in [
            ".evidence-1.2.jsonl",
            ".evidence-1.2.0.json",
            "evidence-1.2.0.jsonl",
        ] {
            assert_eq!(evidence(odd), None, "{odd}");
        }
        assert!(trashed_of_file_name(OsStr::new("p@1.0.0-rc.1.json")).is_some());
        assert!(trashed_of_file_name(OsStr::new("p@1.0.0~1.json")).is_none());
        assert!(trashed_of_file_name(OsStr::new("p@1.0.0.deleted")).is_none());
        for name in ["p@1.0.0.json", "p@1.0.0~12.json", "p@1.0.0.deleted"] {
            let (id, version) = belongs_to_trashed(OsStr::new(name)).unwrap();
            assert_eq!((id.as_str(), version), ("p", Version::FIRST), "{name}");
        }
        for name in ["p@1.0.json", "p-1.0.0.json", "p@1.0.0.txt", ".p@1.0.0.json"] {
            assert!(belongs_to_trashed(OsStr::new(name)).is_none(), "{name}");
        }
    }
}
