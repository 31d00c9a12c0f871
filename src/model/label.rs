//! Names such as `production` that point at one version of a prompt and can be moved.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The longest label, in bytes.
pub const MAX_LABEL_LEN: usize = 64;

/// A movable name for one version of a prompt: 1 to 64 of `[a-z0-9._-]`, beginning with a letter.
///
/// `latest` and `best` are computed, so they cannot be labels; nor can anything that reads like a number (`v1.2`,
/// `x`), so that `name@ref` always has one meaning.
#[derive(utoipa::ToSchema, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[schema(value_type = String, min_length = 1, max_length = 64, pattern = r"^(?!(?:latest|best|x)$|v[0-9])[a-z][a-z0-9._-]*$", example = "production")]
pub struct Label(Arc<str>);

/// Why a text is no [`Label`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid label {text:?}: {reason}")]
pub struct InvalidLabel {
    /// The refused text, cut to a printable length.
    pub text: String,
    /// Which rule it breaks.
    pub reason: &'static str,
}

impl Label {
    /// Checks a text and makes it a label.
    ///
    /// # Errors
    /// [`InvalidLabel`] names the rule that the text breaks.
    pub fn new(text: &str) -> Result<Self, InvalidLabel> {
        match broken_rule(text) {
            None => Ok(Self(Arc::from(text))),
            Some(reason) => Err(InvalidLabel {
                text: text.chars().take(80).collect(),
                reason,
            }),
        }
    }

    /// Returns the label as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn broken_rule(text: &str) -> Option<&'static str> {
    let reads_like_a_number = |t: &str| {
        let rest = t.strip_prefix('v').unwrap_or(t);
        t == "x" || (rest.len() < t.len() && rest.starts_with(|c: char| c.is_ascii_digit()))
    };
    if text.is_empty() {
        Some("it is empty")
    } else if text.len() > MAX_LABEL_LEN {
        Some("it is longer than 64 characters")
    } else if !text
        .bytes()
        .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'_' | b'-'))
    {
        Some("only lower-case letters, digits, '.', '_' and '-' are allowed")
    } else if !text.starts_with(|c: char| c.is_ascii_lowercase()) {
        Some("it must begin with a letter")
    } else if text == "latest" || text == "best" {
        Some("'latest' and 'best' are computed and cannot be set")
    } else if reads_like_a_number(text) {
        Some("it reads like a version number")
    } else {
        None
    }
}

impl FromStr for Label {
    type Err = InvalidLabel;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::new(text)
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Label({})", self.0)
    }
}

impl Serialize for Label {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Label {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        Self::new(&text).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, accepted: bool) {
        assert_eq!(Label::new(text).is_ok(), accepted, "{text:?}");
    }

    #[test]
    fn a_label_never_reads_like_a_number_or_a_computed_name() {
        check("production", true);
        check("eu-west.1", true);
        check("vnext", true);
        check("", false);
        check("Production", false);
        check("latest", false);
        check("best", false);
        check("3", false);
        check("v1.2.3", false);
        check("v3", false);
        check("x", false);
        check("a/b", false);
        check(&"a".repeat(65), false);
    }
}
