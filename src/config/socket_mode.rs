//! The permission bits of the socket file.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Read and write for the owner: without them the daemon's own user could not connect.
const OWNER: u32 = 0o600;

/// The permission bits of the socket file, written as three or four octal digits (`"0660"`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SocketMode(u32);

/// A text that is no usable mode for a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "write three or four octal digits in quotes, from \"0600\" to \"0777\", with read and write for the owner"
)]
pub struct InvalidSocketMode;

impl SocketMode {
    /// Owner and group may connect: the default.
    pub const DEFAULT: Self = Self(0o660);

    /// Returns the bits, as `chmod` takes them.
    #[must_use]
    pub const fn bits(self) -> u32 {
        self.0
    }
}

impl Default for SocketMode {
    fn default() -> Self {
        Self::DEFAULT
    }
}

impl fmt::Display for SocketMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04o}", self.0)
    }
}

impl FromStr for SocketMode {
    type Err = InvalidSocketMode;

    fn from_str(text: &str) -> Result<Self, InvalidSocketMode> {
        let digits = matches!(text.len(), 3 | 4) && text.bytes().all(|b| matches!(b, b'0'..=b'7'));
        let bits = u32::from_str_radix(text, 8).map_err(|_| InvalidSocketMode)?;
        if digits && bits <= 0o777 && bits & OWNER == OWNER {
            Ok(Self(bits))
        } else {
            Err(InvalidSocketMode)
        }
    }
}

impl TryFrom<String> for SocketMode {
    type Error = InvalidSocketMode;

    fn try_from(text: String) -> Result<Self, InvalidSocketMode> {
        text.parse()
    }
}

impl From<SocketMode> for String {
    fn from(mode: SocketMode) -> Self {
        mode.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Option<u32>) {
        assert_eq!(
            text.parse::<SocketMode>().ok().map(SocketMode::bits),
            expected,
            "{text:?}"
        );
    }

    #[test]
    fn octal_digits_are_read() {
        check("0660", Some(0o660));
        check("600", Some(0o600));
        check("0777", Some(0o777));
    }

    #[test]
    fn modes_that_lock_the_owner_out_and_other_texts_are_refused() {
        for text in [
            "",
            "0060",
            "0400",
            "1660",
            "4755",
            "0680",
            "66",
            "00660",
            "+660",
            "0o660",
            "rw-rw----",
        ] {
            check(text, None);
        }
    }

    #[test]
    fn a_mode_prints_as_four_digits() {
        assert_eq!("600".parse::<SocketMode>().unwrap().to_string(), "0600");
        assert_eq!(serde_json::to_string(&SocketMode::DEFAULT).unwrap(), "\"0660\"");
    }
}
