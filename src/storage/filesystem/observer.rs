//! Who is told of changes that nobody asked the storage for.

use crate::model::{Author, Label, PromptId, Version};
use crate::storage::Action;

/// A change that was not made through [`VersionStorage`](crate::storage::VersionStorage), or that is a part of a larger one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observation {
    /// What.
    pub action: Action,
    /// Who; nothing for somebody who changes files without asking the daemon.
    pub author: Option<Author>,
    /// The prompt.
    pub id: PromptId,
    /// The version.
    pub version: Option<Version>,
    /// The label, where it pointed and where it points.
    pub label: Option<(Label, Option<Version>, Option<Version>)>,
}

/// Somebody who is told of such changes, on a thread that may wait.
pub trait StoreObserver: std::fmt::Debug + Send + Sync {
    /// Tells of a change that is done.
    fn observe(&self, observation: Observation);
}
