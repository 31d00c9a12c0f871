//! The hashes that hold the lines together. Pure.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// The SHA-256 of a line, without its newline, as 64 hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(try_from = "String", into = "String")]
#[schema(value_type = String, pattern = "^[0-9a-f]{64}$")]
pub struct Hash(String);

/// Where the chain ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Head {
    /// The number of the last entry; 0 when there is none.
    pub(super) seq: u64,
    /// Its hash.
    pub(super) hash: Hash,
}

impl Hash {
    /// Returns what the first line has in place of a hash of the line before it.
    #[must_use]
    pub fn none() -> Self {
        Self("0".repeat(64))
    }

    /// Returns the hash of a line, given without its newline.
    #[must_use]
    pub fn of(line: &[u8]) -> Self {
        let digest = Sha256::digest(line);
        Self(digest.iter().map(|byte| format!("{byte:02x}")).collect())
    }

    /// Returns the digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Head {
    pub(super) fn none() -> Self {
        Self {
            seq: 0,
            hash: Hash::none(),
        }
    }
}

impl FromStr for Hash {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let is_hash = text.len() == 64 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        if is_hash {
            Ok(Self(text.to_owned()))
        } else {
            Err("a hash has 64 hexadecimal digits in lower case".to_owned())
        }
    }
}

impl TryFrom<String> for Hash {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Hash> for String {
    fn from(hash: Hash) -> Self {
        hash.0
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
