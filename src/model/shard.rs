//! Which shard directory a prompt lives in.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::PromptId;

/// How many hex digits of SHA-256(prompt id) name a shard directory: 0 (flat, one shard) to 4.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub struct ShardDepth(u8);

/// A shard depth outside 0..=4.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("shard_depth must be 0 to 4, not {0}")]
pub struct InvalidShardDepth(pub u8);

/// The name of a shard directory: its hex digits, or the empty text for the one shard of a flat store.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ShardId(Arc<str>);

impl ShardDepth {
    /// No shard directories: prompt directories lie in the store itself.
    pub const FLAT: Self = Self(0);

    /// Two digits, 256 shards: the default.
    pub const DEFAULT: Self = Self(2);

    /// The deepest layout.
    pub const MAX: u8 = 4;

    /// Checks a depth.
    ///
    /// # Errors
    /// [`InvalidShardDepth`] above [`ShardDepth::MAX`].
    pub const fn new(depth: u8) -> Result<Self, InvalidShardDepth> {
        if depth > Self::MAX {
            Err(InvalidShardDepth(depth))
        } else {
            Ok(Self(depth))
        }
    }

    /// Returns the number of digits.
    #[must_use]
    pub const fn digits(self) -> usize {
        self.0 as usize
    }

    /// Returns the shard of a prompt.
    #[must_use]
    pub fn shard_of(self, id: &PromptId) -> ShardId {
        let mut name = sha256_hex(id.as_str().as_bytes());
        name.truncate(self.digits());
        ShardId(Arc::from(name.as_str()))
    }

    /// Reads a directory name as a shard of this depth: exactly so many lower-case hex digits.
    #[must_use]
    pub fn shard_named(self, name: &str) -> Option<ShardId> {
        let hex = name.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        (hex && name.len() == self.digits()).then(|| ShardId(Arc::from(name)))
    }
}

impl Default for ShardDepth {
    fn default() -> Self {
        Self::DEFAULT
    }
}

impl TryFrom<u8> for ShardDepth {
    type Error = InvalidShardDepth;

    fn try_from(depth: u8) -> Result<Self, Self::Error> {
        Self::new(depth)
    }
}

impl From<ShardDepth> for u8 {
    fn from(depth: ShardDepth) -> Self {
        depth.0
    }
}

impl ShardId {
    /// Returns the directory name; empty for the one shard of a flat store.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ShardId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_empty() { "(flat)" } else { &self.0 })
    }
}

impl fmt::Debug for ShardId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ShardId({self})")
    }
}

/// Returns the SHA-256 of some bytes in lower-case hex.
pub(crate) fn sha256_hex(bytes: &[u8]) -> String {
    let digit = |nibble: u8| char::from_digit(u32::from(nibble), 16).unwrap_or('0');
    Sha256::digest(bytes)
        .iter()
        .flat_map(|byte| [digit(byte >> 4), digit(byte & 15)])
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(id: &str, depth: u8, shard: &str) {
        let depth = ShardDepth::new(depth).unwrap();
        assert_eq!(
            depth.shard_of(&PromptId::new(id).unwrap()).as_str(),
            shard,
            "{id}"
        );
    }

    #[test]
    fn shards_are_those_of_the_python_system() {
        check("prompt_001", 2, "98");
        check("wf_001_llm_1", 1, "6");
        check("wf_001_llm_1", 2, "69");
        check("wf_001_llm_1", 3, "696");
        check("a", 2, "ca");
        check("a", 0, "");
    }

    #[test]
    fn only_exact_lower_case_hex_names_are_shards() {
        let depth = ShardDepth::DEFAULT;
        assert!(depth.shard_named("ca").is_some());
        for name in ["CA", "c", "cag", "..", "", "zz"] {
            assert!(depth.shard_named(name).is_none(), "{name}");
        }
        assert!(ShardDepth::new(5).is_err());
    }
}
