//! The section `optimizer.evidence`.

use serde::{Deserialize, Serialize};

use crate::config::ByteSize;

/// How much evidence is kept, and how much of it counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EvidenceConfig {
    /// Fewer results of a version than this say nothing.
    pub min_results: u64,
    /// The most results of one version.
    pub max_results: usize,
    /// The largest file of results of one version.
    pub max_bytes: ByteSize,
}

impl Default for EvidenceConfig {
    fn default() -> Self {
        Self {
            min_results: 20,
            max_results: 10_000,
            max_bytes: ByteSize::mib(8),
        }
    }
}
