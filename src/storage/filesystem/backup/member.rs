//! The grammar of a backup: which files it may hold, and where each lies.
//!
//! A path out of a backup is never joined to anything. It is read as one of these, and the path is made anew from what was
//! read; a path that is not exactly the one that is made is refused.

use std::path::{Path, PathBuf};

use crate::model::{PromptId, ShardDepth, Version};
use crate::storage::filesystem::disk::{
    Layout, MANIFEST_FILE, METADATA_FILE, TRASH_DIR, evidence_of_file_name, note_of_file_name,
    trashed_copy_of_file_name, version_of_file_name,
};

/// The inventory, which is in every backup and not in its own list.
pub(super) const INVENTORY_FILE: &str = ".backup.json";
/// The longest path in a backup, in bytes: the longest prompt id and version in the trash, and some room.
pub(super) const MAX_PATH_BYTES: usize = 400;
/// The deepest layout of a store.
const MAX_DEPTH: u8 = 4;

/// One file of a backup.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Member {
    /// What the store is.
    Metadata,
    /// A live version.
    Version(PromptId, Version),
    /// A version in the trash; the number tells copies apart.
    Trashed(PromptId, Version, u32),
    /// Who deleted a version, and when.
    Note(PromptId, Version),
    /// The test results of a version.
    Evidence(PromptId, Version),
    /// Labels and used numbers.
    Manifest(PromptId),
}

impl Member {
    /// Reads a path, and says in which layout it lies there; `None` for the depth when that is the same in all.
    #[must_use]
    pub(super) fn parse(path: &str) -> Option<(Self, Option<ShardDepth>)> {
        if path.len() > MAX_PATH_BYTES {
            return None;
        }
        if path == METADATA_FILE {
            return Some((Self::Metadata, None));
        }
        let (parent, name) = path.rsplit_once('/')?;
        let member = if parent == TRASH_DIR || parent.starts_with(".trash/") {
            note_of_file_name(name)
                .map(|(id, version)| Self::Note(id, version))
                .or_else(|| {
                    trashed_copy_of_file_name(name)
                        .map(|(id, version, copy)| Self::Trashed(id, version, copy))
                })?
        } else {
            let id = PromptId::new(parent.rsplit('/').next()?).ok()?;
            if name == MANIFEST_FILE {
                Self::Manifest(id)
            } else if let Some(version) = evidence_of_file_name(name.as_ref()) {
                Self::Evidence(id, version)
            } else {
                Self::Version(id, version_of_file_name(name.as_ref())?)
            }
        };
        let depth = (0..=MAX_DEPTH)
            .filter_map(|depth| ShardDepth::new(depth).ok())
            .find(|depth| member.path(Layout { depth: *depth }) == Path::new(path))?;
        // Comparing paths passes over `//` and `/./`; the text has to be the same, too.
        let made = member.path(Layout { depth });
        (made.to_str() == Some(path)).then_some((member, Some(depth)))
    }

    /// Returns where the file lies in a store of a layout.
    #[must_use]
    pub(super) fn path(&self, layout: Layout) -> PathBuf {
        match self {
            Self::Metadata => PathBuf::from(METADATA_FILE),
            Self::Version(id, version) => layout.version_file(id, version),
            Self::Trashed(id, version, copy) => layout.trash_file(id, version, *copy),
            Self::Note(id, version) => layout.trash_note(id, version),
            Self::Evidence(id, version) => layout.evidence_file(id, version),
            Self::Manifest(id) => layout.manifest_file(id),
        }
    }

    /// Returns the prompt that the file belongs to.
    #[must_use]
    pub(super) const fn prompt(&self) -> Option<&PromptId> {
        match self {
            Self::Metadata => None,
            Self::Version(id, _)
            | Self::Trashed(id, ..)
            | Self::Note(id, _)
            | Self::Evidence(id, _)
            | Self::Manifest(id) => Some(id),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(path: &str, depth: Option<u8>) {
        let found = Member::parse(path).map(|(_, depth)| depth.map(u8::from));
        assert_eq!(found, Some(depth), "{path}");
    }

    #[test]
    fn every_file_of_a_store_is_known_in_every_layout() {
        check(".metadata.json", None);
        check("69/wf_001_llm_1/1.0.0.json", Some(2));
        check("wf_001_llm_1/1.0.0.json", Some(0));
        check("6/wf_001_llm_1/.manifest.json", Some(1));
        check("69/wf_001_llm_1/.evidence-1.0.0-opt.1.jsonl", Some(2));
        check(".trash/69/wf_001_llm_1@1.0.2.json", Some(2));
        check(".trash/69/wf_001_llm_1@1.0.2~3.json", Some(2));
        check(".trash/wf_001_llm_1@1.0.2.deleted", Some(0));
    }

    #[test]
    fn no_other_path_is_read_as_anything() {
        let long = format!("{}/1.0.0.json", "x".repeat(129));
        for path in [
            "",
            ".",
            "..",
            "/",
            "1.0.0.json",
            "../wf_001_llm_1/1.0.0.json",
            "69/../wf_001_llm_1/1.0.0.json",
            "/69/wf_001_llm_1/1.0.0.json",
            "./69/wf_001_llm_1/1.0.0.json",
            "69//wf_001_llm_1/1.0.0.json",
            "69/./wf_001_llm_1/1.0.0.json",
            "69/wf_001_llm_1/1.0.0.json/",
            "70/wf_001_llm_1/1.0.0.json",
            "69/69/wf_001_llm_1/1.0.0.json",
            "69/wf_001_llm_1/01.0.0.json",
            "69/wf_001_llm_1/notes.txt",
            "69/wf_001_llm_1/.evidence-1.0.jsonl",
            "69/wf_001_llm_1/.evidence-1.0.0.jsonl~",
            "69/.tmp/x.tmp",
            ".jobs/job_1.json",
            ".index.json",
            ".lock",
            ".backup.json",
            ".trash/../69/wf_001_llm_1@1.0.2.json",
            ".trash/69/wf_001_llm_1@1.0.2~03.json",
            ".trash/69/wf_001_llm_1@1.0.2~0.json",
            ".trash/69/wf_001_llm_1@1.0.2~99999999999.json",
            ".trashy/69/wf_001_llm_1@1.0.2.json",
            "69/wf_001_llm_1/1.0.0.json\0",
            "..\\x\\1.0.0.json",
            long.as_str(),
        ] {
            assert_eq!(Member::parse(path), None, "{path:?}");
        }
    }
}
