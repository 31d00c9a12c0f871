//! The seal of a version file: SHA-256 over its canonical form.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};

use super::shard::sha256_hex;

/// `sha256:<64 hex digits>` of the RFC 8785 (JCS) form of a version document without its own `metadata.checksum`.
///
/// It covers meaning, not layout: reformatting a file keeps it sealed, changing any value does not.
#[derive(utoipa::ToSchema, Clone, PartialEq, Eq, Hash)]
#[schema(value_type = String, pattern = r"^sha256:[0-9a-f]{64}$")]
pub struct Checksum(String);

/// Whether a version file is as promptd wrote it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Integrity {
    /// The checksum in the file matches its content.
    Sealed,
    /// There is no checksum: a foreign file.
    Unsealed,
    /// The checksum does not match: the file was changed by hand after it was sealed.
    Edited,
}

/// Why a checksum could not be made or read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChecksumError {
    /// A text that is not `sha256:` and 64 hex digits.
    #[error("invalid checksum {0:?}: expected 'sha256:' and 64 hex digits")]
    Malformed(String),
    /// A document that has no canonical form.
    #[error("the document has no canonical JSON form: {0}")]
    NotCanonical(String),
}

impl Checksum {
    /// Computes the checksum of a document, leaving its own `metadata.checksum` out.
    ///
    /// # Errors
    /// [`ChecksumError::NotCanonical`] when RFC 8785 cannot express a value.
    pub fn of(document: &Value) -> Result<Self, ChecksumError> {
        match document {
            Value::Object(fields) => Self::of_bare(&WithoutChecksum(fields)),
            other => Self::of_bare(other),
        }
    }

    /// Computes the checksum of something that carries none.
    ///
    /// # Errors
    /// [`ChecksumError::NotCanonical`] when RFC 8785 cannot express a value.
    pub(crate) fn of_bare(document: &impl Serialize) -> Result<Self, ChecksumError> {
        let canonical = serde_json_canonicalizer::to_vec(document)
            .map_err(|e| ChecksumError::NotCanonical(e.to_string()))?;
        Ok(Self(format!("sha256:{}", sha256_hex(&canonical))))
    }

    /// Returns the checksum as it stands in a file.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A document as if its `metadata` had no `checksum`; saves copying it.
struct WithoutChecksum<'a>(&'a Map<String, Value>);

impl Serialize for WithoutChecksum<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(key, value)| match (key.as_str(), value) {
            ("metadata", Value::Object(metadata)) => (key, MaybeBare::Bare(metadata)),
            _ => (key, MaybeBare::Whole(value)),
        }))
    }
}

enum MaybeBare<'a> {
    Whole(&'a Value),
    Bare(&'a Map<String, Value>),
}

impl Serialize for MaybeBare<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Whole(value) => value.serialize(serializer),
            Self::Bare(metadata) => {
                serializer.collect_map(metadata.iter().filter(|(key, _)| *key != "checksum"))
            }
        }
    }
}

impl Integrity {
    /// Compares the checksum that a document carries with its actual one.
    #[must_use]
    pub fn of(document: &Value, actual: &Checksum) -> Self {
        match document
            .get("metadata")
            .and_then(|metadata| metadata.get("checksum"))
        {
            None | Some(Value::Null) => Self::Unsealed,
            Some(claimed) if claimed.as_str() == Some(actual.as_str()) => Self::Sealed,
            Some(_) => Self::Edited,
        }
    }
}

impl FromStr for Checksum {
    type Err = ChecksumError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let hex = text.strip_prefix("sha256:").unwrap_or("");
        if hex.len() == 64 && hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
            Ok(Self(text.to_owned()))
        } else {
            Err(ChecksumError::Malformed(text.chars().take(80).collect()))
        }
    }
}

impl fmt::Display for Checksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Checksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Checksum({})", self.0)
    }
}

impl Serialize for Checksum {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Checksum {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn layout_and_key_order_do_not_matter_but_values_do() {
        let one: Value =
            serde_json::from_str(r#"{"b": 1, "a": {"x": 1.0}, "metadata": {"checksum": "old", "n": 2}}"#)
                .unwrap();
        let two: Value = serde_json::from_str(r#"{"a":{"x":1},"metadata":{"n":2},"b":1}"#).unwrap();
        assert_eq!(Checksum::of(&one), Checksum::of(&two));
        let other = json!({"a": {"x": 2}, "metadata": {"n": 2}, "b": 1});
        assert_ne!(Checksum::of(&one), Checksum::of(&other));
    }

    #[test]
    fn the_canonical_form_is_that_of_rfc_8785() {
        // The published example of RFC 8785, section 3.2.2: numbers and escapes.
        let input = r#"{"numbers": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],
                        "string": "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/", "literals": [null, true, false]}"#;
        let value: Value = serde_json::from_str(input).unwrap();
        let canonical = serde_json_canonicalizer::to_string(&value).unwrap();
        assert_eq!(
            canonical,
            r#"{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],"string":"€$\u000f\nA'B\"\\\\\"/"}"#
        );
    }

    #[test]
    fn integrity_tells_sealed_from_foreign_and_edited() {
        let mut document = json!({"prompt": {"text": "hi"}, "metadata": {}});
        assert_eq!(
            Integrity::of(&document, &Checksum::of(&document).unwrap()),
            Integrity::Unsealed
        );
        document["metadata"]["checksum"] = json!(Checksum::of(&document).unwrap());
        assert_eq!(
            Integrity::of(&document, &Checksum::of(&document).unwrap()),
            Integrity::Sealed
        );
        document["prompt"]["text"] = json!("changed");
        assert_eq!(
            Integrity::of(&document, &Checksum::of(&document).unwrap()),
            Integrity::Edited
        );
    }

    #[test]
    fn a_checksum_text_is_checked() {
        assert!(format!("sha256:{}", "a".repeat(64)).parse::<Checksum>().is_ok());
        for text in ["", "sha256:", "md5:aa", &format!("sha256:{}", "A".repeat(64))] {
            assert!(text.parse::<Checksum>().is_err(), "{text}");
        }
    }
}
