//! A version as it is stored: its exact bytes and what they say about themselves.

use bytes::Bytes;
use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

use crate::model::{
    Checksum, DocumentError, Integrity, Prompt, PromptVersion, Timestamp, Version, sha256_hex, strict_json,
};

/// Keys of `metadata` that the daemon writes; clients cannot set them and they do not count as content.
pub const RESERVED_METADATA: [&str; 8] = [
    "author",
    "author_uid",
    "checksum",
    "rollback_from",
    "rollback_to",
    "import",
    "candidate",
    "promoted_from",
];

/// A version as it is stored. Immutable; shared between the cache and all readers.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredVersion {
    /// The exact content of the file.
    pub bytes: Bytes,
    /// Its number.
    pub version: Version,
    /// The version it was made from.
    pub parent_version: Option<Version>,
    /// When it was made.
    pub created_at: Timestamp,
    /// Who made it.
    pub author: Option<String>,
    /// Its overall score.
    pub overall_score: f64,
    /// Whether the file is as promptd wrote it.
    pub integrity: Integrity,
    /// The checksum of the content as it now is; also its entity tag.
    pub checksum: Checksum,
    /// What the content is compared by.
    pub fingerprint: Fingerprint,
}

/// Short digests of a version's content, by which "the same again" is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fingerprint {
    /// Of the prompt text alone.
    pub text: String,
    /// Of the prompt without its times and ids, and of the user's metadata.
    pub content: String,
}

impl Fingerprint {
    /// Computes the digests of a document.
    #[must_use]
    pub fn of(document: &PromptVersion) -> Self {
        let Prompt {
            text,
            role,
            variables,
            context,
            workflow_id,
            node_id,
            node_type,
            ..
        } = &document.prompt;
        let content = (
            text,
            role,
            variables,
            context,
            workflow_id,
            node_id,
            node_type,
            UserMetadata(&document.metadata),
        );
        Self {
            text: sha256_hex(text.as_bytes()),
            content: sha256_hex(&serde_json_canonicalizer::to_vec(&content).unwrap_or_default()),
        }
    }
}

impl StoredVersion {
    /// Reads the bytes of a version file.
    ///
    /// # Errors
    /// [`DocumentError`] when they are no version document.
    pub fn parse(bytes: Bytes) -> Result<(Self, PromptVersion), DocumentError> {
        // A key that stands twice would let a file that is sealed say something else to whoever takes the first.
        let value = strict_json::parse(&bytes).map_err(|reason| DocumentError::Shape {
            path: ".".into(),
            reason: format!("not JSON: {reason}"),
        })?;
        let document = PromptVersion::from_value(&value)?;
        let checksum = Checksum::of(&value)?;
        let stored = Self {
            version: document.version.clone(),
            parent_version: document.parent_version.clone(),
            created_at: document.created_at.clone(),
            author: document.author().map(str::to_owned),
            overall_score: document.analysis.overall_score,
            integrity: Integrity::of(&value, &checksum),
            checksum,
            fingerprint: Fingerprint::of(&document),
            bytes,
        };
        Ok((stored, document))
    }

    /// Seals a document and makes the stored form of it.
    ///
    /// # Errors
    /// [`DocumentError`] when a value has no canonical form.
    pub fn seal(document: &mut PromptVersion) -> Result<Self, DocumentError> {
        let fingerprint = Fingerprint::of(document);
        Self::seal_as(document, fingerprint)
    }

    /// Seals a document whose fingerprint is known.
    ///
    /// # Errors
    /// [`DocumentError`] when a value has no canonical form.
    pub fn seal_as(document: &mut PromptVersion, fingerprint: Fingerprint) -> Result<Self, DocumentError> {
        let bytes = Bytes::from(document.seal()?);
        let checksum = document
            .metadata
            .get("checksum")
            .and_then(Value::as_str)
            .unwrap_or_default()
            .parse()?;
        Ok(Self {
            bytes,
            version: document.version.clone(),
            parent_version: document.parent_version.clone(),
            created_at: document.created_at.clone(),
            author: document.author().map(str::to_owned),
            overall_score: document.analysis.overall_score,
            integrity: Integrity::Sealed,
            checksum,
            fingerprint,
        })
    }

    /// Reads the whole document again from its bytes.
    ///
    /// # Errors
    /// [`DocumentError`]; never for a version that [`Self::parse`] or [`Self::seal`] made.
    pub fn document(&self) -> Result<PromptVersion, DocumentError> {
        Self::parse(self.bytes.clone()).map(|(_, document)| document)
    }
}

/// Metadata without what the daemon put there.
struct UserMetadata<'a>(&'a Map<String, Value>);

impl Serialize for UserMetadata<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let is_theirs = |key: &str| !RESERVED_METADATA.contains(&key);
        serializer.collect_map(self.0.iter().filter(|(key, _)| is_theirs(key)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::PromptVersion;
    use serde_json::json;

    fn document(text: &str) -> PromptVersion {
        serde_json::from_value(json!({
            "prompt_id": "p", "version": "1.0.0",
            "prompt": {"id": "p", "workflow_id": "", "node_id": "", "node_type": "", "text": text},
            "analysis": {"prompt_id": "p", "overall_score": 1.0, "clarity_score": 1.0, "efficiency_score": 1.0},
            "metadata": {"author": "ada", "team": "x"}
        }))
        .unwrap()
    }

    #[test]
    fn what_is_sealed_parses_back_to_the_same() {
        let mut original = document("Say hello.");
        let sealed = StoredVersion::seal(&mut original).unwrap();
        let (parsed, read) = StoredVersion::parse(sealed.bytes.clone()).unwrap();
        assert_eq!(parsed, sealed);
        assert_eq!(read, original);
    }

    #[test]
    fn the_fingerprint_ignores_the_author_but_not_the_users_metadata() {
        let one = document("hi");
        let mut other = document("hi");
        other.metadata.insert("author".into(), json!("bob"));
        assert_eq!(Fingerprint::of(&one), Fingerprint::of(&other));
        other.metadata.insert("team".into(), json!("y"));
        assert_eq!(Fingerprint::of(&one).text, Fingerprint::of(&other).text);
        assert_ne!(Fingerprint::of(&one).content, Fingerprint::of(&other).content);
    }

    #[test]
    fn bytes_that_are_no_document_are_named() {
        for (bytes, message) in [
            ("", "not JSON"),
            ("{", "not JSON"),
            ("[]", "expected an object"),
            ("{}", "missing field"),
        ] {
            let error = StoredVersion::parse(Bytes::from_static(bytes.as_bytes()))
                .unwrap_err()
                .to_string();
            assert!(error.contains(message), "{bytes:?}: {error}");
        }
    }
}
