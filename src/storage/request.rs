//! What can be asked of a storage.

use std::sync::Arc;

use crate::model::{Author, Bump, Label, PromptId, PromptVersion, Version};

use super::{Fingerprint, StoredVersion};

/// How a version gets its number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Numbering {
    /// The number in the document; refused when it is taken.
    Exact,
    /// The number after the highest one ever used; the first is 1.0.0. The parent, where the document names none, is the
    /// latest version.
    Next(Bump),
    /// The same, but refused as stale unless this version is the latest.
    NextAfter(Bump, Version),
}

/// When a new version counts as the same as the latest, so that none is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sameness {
    /// Never: always make a version.
    Never,
    /// Same text.
    Text,
    /// Same prompt and same user metadata.
    Content,
}

/// A version to be stored.
#[derive(Debug, Clone)]
pub struct PutVersion {
    /// The document; its `version` is replaced unless the numbering is exact, and it is sealed on the way.
    pub document: PromptVersion,
    /// How it gets its number.
    pub numbering: Numbering,
    /// When the latest version is taken instead.
    pub sameness: Sameness,
    /// The latest version as the caller saw it, so that the writer can compare without reading.
    pub latest_seen: Option<(Version, Fingerprint)>,
}

/// What came of a put.
#[derive(Debug, Clone)]
pub enum PutOutcome {
    /// The version was stored.
    Created(Arc<StoredVersion>),
    /// The latest version is the same; nothing was stored.
    Unchanged(Version),
}

/// A label to be set or moved.
#[derive(Debug, Clone)]
pub struct SetLabel {
    /// The label.
    pub label: Label,
    /// Where it shall point.
    pub version: Version,
    /// Where it must point now, if the caller cares: `Some(None)` means that it must not be set.
    pub expected: Option<Option<Version>>,
    /// Who moves it.
    pub author: Author,
}

/// Which prompts to list.
#[derive(Debug, Clone)]
pub struct PromptPage {
    /// Only ids that begin so.
    pub prefix: String,
    /// Only prompts that carry this label.
    pub label: Option<Label>,
    /// Only ids after this one.
    pub after: Option<PromptId>,
    /// At most so many.
    pub limit: usize,
}

impl PutVersion {
    /// Makes the request that stores a document under exactly its own number.
    #[must_use]
    pub fn exact(document: PromptVersion) -> Self {
        Self {
            document,
            numbering: Numbering::Exact,
            sameness: Sameness::Never,
            latest_seen: None,
        }
    }
}
