//! The name of a prompt, which is also the name of its directory.

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The longest prompt id, in bytes (which are characters: the alphabet is ASCII).
pub const MAX_PROMPT_ID_LEN: usize = 128;

/// The name of a prompt: 1 to 128 of `[A-Za-z0-9._-]`, beginning with a letter or digit, not ending in a dot,
/// without `..`.
///
/// A prompt id is a directory name in the store, so its alphabet is what keeps a name from leaving the store.
/// Cloning is cheap.
#[derive(utoipa::ToSchema, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[schema(value_type = String, min_length = 1, max_length = 128, pattern = r"^[A-Za-z0-9]([A-Za-z0-9_-]|\.[A-Za-z0-9_-])*$", example = "wf_001_llm_1")]
pub struct PromptId(Arc<str>);

/// Why a text is no [`PromptId`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid prompt id {text:?}: {reason}")]
pub struct InvalidPromptId {
    /// The refused text, cut to a printable length.
    pub text: String,
    /// Which rule it breaks.
    pub reason: &'static str,
}

impl PromptId {
    /// Checks a text and makes it a prompt id.
    ///
    /// # Errors
    /// [`InvalidPromptId`] names the rule that the text breaks.
    pub fn new(text: &str) -> Result<Self, InvalidPromptId> {
        match broken_rule(text) {
            None => Ok(Self(Arc::from(text))),
            Some(reason) => Err(InvalidPromptId {
                text: text.chars().take(160).collect(),
                reason,
            }),
        }
    }

    /// Returns the id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn broken_rule(text: &str) -> Option<&'static str> {
    if text.is_empty() {
        Some("it is empty")
    } else if text.len() > MAX_PROMPT_ID_LEN {
        Some("it is longer than 128 characters")
    } else if !text
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
    {
        Some("only letters, digits, '.', '_' and '-' are allowed")
    } else if !text.starts_with(|c: char| c.is_ascii_alphanumeric()) {
        Some("it must begin with a letter or digit")
    } else if text.ends_with('.') {
        Some("it must not end in a dot")
    } else if text.contains("..") {
        Some("it must not contain two dots in a row")
    } else {
        None
    }
}

impl FromStr for PromptId {
    type Err = InvalidPromptId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::new(text)
    }
}

impl fmt::Display for PromptId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for PromptId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PromptId({})", self.0)
    }
}

impl Borrow<str> for PromptId {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl AsRef<str> for PromptId {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl Serialize for PromptId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for PromptId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        Self::new(&text).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, reason: Option<&str>) {
        assert_eq!(PromptId::new(text).err().map(|e| e.reason), reason, "{text:?}");
    }

    #[test]
    fn only_names_that_are_safe_directory_names_are_accepted() {
        check("wf_001_llm_1", None);
        check("69", None);
        check("a.b-c_D", None);
        check(&"x".repeat(128), None);
        check("", Some("it is empty"));
        check(&"x".repeat(129), Some("it is longer than 128 characters"));
        check(
            "../etc",
            Some("only letters, digits, '.', '_' and '-' are allowed"),
        );
        check("a/b", Some("only letters, digits, '.', '_' and '-' are allowed"));
        check("日本", Some("only letters, digits, '.', '_' and '-' are allowed"));
        check(".hidden", Some("it must begin with a letter or digit"));
        check("-flag", Some("it must begin with a letter or digit"));
        check("a.", Some("it must not end in a dot"));
        check("a..b", Some("it must not contain two dots in a row"));
    }
}
