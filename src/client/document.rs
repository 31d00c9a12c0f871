//! Version documents as they travel.

use bytes::Bytes;
use hyper::header::{ETAG, HeaderName};
use serde_json::Value;

use crate::model::{Checksum, Integrity, PromptVersion};

use super::{Answer, ClientError};

/// The header that says whether a version is as promptd wrote it.
const INTEGRITY: HeaderName = HeaderName::from_static("promptd-integrity");

/// One version document, exactly as the daemon gave it.
#[derive(Debug, Clone, PartialEq)]
pub struct Document {
    /// The JSON text, byte for byte.
    pub bytes: Bytes,
    /// The checksum of its content, where the answer names it.
    pub checksum: Option<Checksum>,
    /// Whether the file is as promptd wrote it, where the answer says so.
    pub integrity: Option<Integrity>,
}

/// What came of storing a version.
#[derive(Debug, Clone, PartialEq)]
pub struct Stored {
    /// The version that is there now.
    pub document: Document,
    /// Whether it is new; otherwise the same content was there before.
    pub is_new: bool,
}

impl Document {
    /// Makes a document of JSON text.
    #[must_use]
    pub fn of_bytes(bytes: impl Into<Bytes>) -> Self {
        Self {
            bytes: bytes.into(),
            checksum: None,
            integrity: None,
        }
    }

    pub(super) fn of_answer(answer: &Answer) -> Self {
        let etag = answer.header(&ETAG).map(|tag| tag.trim_matches('"'));
        let integrity = answer.header(&INTEGRITY).map(Value::from);
        Self {
            bytes: answer.body.clone(),
            checksum: etag.and_then(|tag| tag.parse().ok()),
            integrity: integrity.and_then(|word| serde_json::from_value(word).ok()),
        }
    }

    /// Reads the document.
    ///
    /// # Errors
    /// [`ClientError::Malformed`] when it is no version document.
    pub fn parse(&self) -> Result<PromptVersion, ClientError> {
        serde_json::from_slice(&self.bytes).map_err(|error| ClientError::malformed(&error))
    }

    /// Reads the document as free JSON, so that no unknown key is lost.
    ///
    /// # Errors
    /// [`ClientError::Malformed`] when it is no JSON.
    pub fn value(&self) -> Result<Value, ClientError> {
        serde_json::from_slice(&self.bytes).map_err(|error| ClientError::malformed(&error))
    }
}
