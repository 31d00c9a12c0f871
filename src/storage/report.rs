//! What is not as it should be in a store.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use serde::{Deserialize, Serialize};

/// Something in the store that is not as it should be. It is reported and left alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Problem {
    /// Where, relative to the store. Bytes that are no UTF-8 stand as `\xFF`, characters that steer a terminal as `\n` or
    /// `\u{1b}`.
    pub path: String,
    /// What kind of problem, as a stable word: `corrupt-version`, `corrupt-manifest`, `edited`, `foreign-name`,
    /// `misplaced`, `not-a-file`, `not-a-directory`, `unreadable`, `quarantined`, `dangling-label`, `missing-parent`, `live-and-trashed`.
    pub kind: String,
    /// What is wrong, in a sentence.
    pub message: String,
}

/// What a verification found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct VerifyReport {
    /// Prompts looked at.
    pub prompts: u64,
    /// Versions read.
    pub versions: u64,
    /// Of these, sealed ones whose checksum matches.
    pub sealed: u64,
    /// Of these, foreign ones without a checksum.
    pub unsealed: u64,
    /// Of these, ones that were changed by hand.
    pub edited: u64,
    /// What is not as it should be, in the order of the paths.
    pub problems: Vec<Problem>,
}

impl Problem {
    /// Makes a problem.
    #[must_use]
    pub fn new(path: &Path, kind: &str, message: impl Into<String>) -> Self {
        Self {
            path: shown(path),
            kind: kind.to_owned(),
            message: message.into(),
        }
    }
}

/// Returns a path as a text that tells different paths apart and can be printed anywhere.
fn shown(path: &Path) -> String {
    let mut text = String::new();
    for chunk in path.as_os_str().as_bytes().utf8_chunks() {
        for c in chunk.valid().chars() {
            let turns =
                matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
            if c.is_control() || turns {
                text.extend(c.escape_default());
            } else {
                text.push(c);
            }
        }
        for byte in chunk.invalid() {
            text.push_str(&format!("\\x{byte:02X}"));
        }
    }
    text
}
