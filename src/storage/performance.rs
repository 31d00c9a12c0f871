//! How fast a storage is.

use crate::metrics::Share;

/// How fast a storage was since it was opened, and how much room it has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Performance {
    /// Reads of a version, and how many of them were slow.
    pub reads: Share,
    /// Changes, and how many of them were slow.
    pub writes: Share,
    /// Versions that were looked for in the cache and found there.
    pub cache_hits: u64,
    /// Those that were not.
    pub cache_misses: u64,
    /// Bytes on the disk: those that are free, and all.
    pub disk: Option<(u64, u64)>,
}
