//! What can go wrong with versions, with the stable code of each.

use crate::model::{
    DocumentError, InvalidLabel, InvalidPromptId, InvalidVersion, InvalidVersionRef, PromptId, Version,
    VersionSelector,
};
use crate::storage::StorageError;

/// Why a request on versions could not be fulfilled.
#[derive(Debug, Clone, thiserror::Error)]
pub enum VersionError {
    /// The storage said so.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// No version of the prompt fits the reference.
    #[error("prompt {id} has no version {selector}")]
    NoMatch {
        /// The prompt.
        id: PromptId,
        /// What was asked for.
        selector: VersionSelector,
    },
    /// The document breaks a rule.
    #[error(transparent)]
    InvalidDocument(#[from] DocumentError),
    /// The request contradicts itself or names what it must not.
    #[error("{0}")]
    InvalidRequest(String),
    /// The version cannot be made a release.
    #[error("version {version} of prompt {id} cannot be promoted: {reason}")]
    NotPromotable {
        /// The prompt.
        id: PromptId,
        /// The version.
        version: Version,
        /// Why not, and what to do.
        reason: String,
    },
    /// Test results that the store cannot take, each with its place in the request.
    #[error("{detail}")]
    Evidence {
        /// The stable code.
        code: &'static str,
        /// What is wrong, and where.
        detail: String,
    },
    /// The prompt id breaks a rule.
    #[error(transparent)]
    InvalidPromptId(#[from] InvalidPromptId),
    /// The version breaks a rule.
    #[error(transparent)]
    InvalidVersion(#[from] InvalidVersion),
    /// The reference breaks a rule.
    #[error(transparent)]
    InvalidReference(#[from] InvalidVersionRef),
    /// The label breaks a rule.
    #[error(transparent)]
    InvalidLabel(#[from] InvalidLabel),
}

impl VersionError {
    /// Returns the stable code of the error, as clients see it.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Storage(error) => error.code(),
            Self::NoMatch { .. } => "not-found",
            Self::NotPromotable { .. } => "not-promotable",
            Self::Evidence { code, .. } => code,
            Self::InvalidDocument(_) | Self::InvalidRequest(_) => "invalid-document",
            Self::InvalidPromptId(_) => "invalid-prompt-id",
            Self::InvalidVersion(_) | Self::InvalidReference(_) | Self::InvalidLabel(_) => "invalid-version",
        }
    }
}
