//! What came back.

use std::time::Duration;

use bytes::Bytes;
use hyper::StatusCode;
use hyper::header::{HeaderMap, HeaderName, RETRY_AFTER};
use serde::de::DeserializeOwned;

use super::{ClientError, Problem};

/// How much of an answer that is not understood is shown.
const SHOWN_CHARS: usize = 200;

/// An answer, complete.
#[derive(Debug, Clone)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Answer {
    /// Passes successes (and `304`) and turns everything else into an error.
    pub(super) fn success(self) -> Result<Self, ClientError> {
        if self.status.is_success() || self.status == StatusCode::NOT_MODIFIED {
            Ok(self)
        } else {
            Err(self.problem().into())
        }
    }

    /// Reads the body.
    pub(super) fn json<T: DeserializeOwned>(&self) -> Result<T, ClientError> {
        serde_json::from_slice(&self.body).map_err(|error| ClientError::malformed(&error))
    }

    /// Returns a header as text.
    pub(super) fn header(&self, name: &HeaderName) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    fn problem(&self) -> Problem {
        let parsed = serde_json::from_slice::<Problem>(&self.body).ok();
        let mut problem = parsed.unwrap_or_else(|| self.unexpected());
        problem.status = self.status.as_u16();
        problem.retry_after = self
            .header(&RETRY_AFTER)
            .and_then(|seconds| seconds.trim().parse().ok())
            .map(Duration::from_secs);
        problem
    }

    fn unexpected(&self) -> Problem {
        let said: String = String::from_utf8_lossy(&self.body)
            .chars()
            .take(SHOWN_CHARS)
            .collect();
        Problem {
            status: self.status.as_u16(),
            code: "unexpected-answer".to_owned(),
            title: String::new(),
            detail: format!("promptd answered {}: {said}", self.status),
            retry_after: None,
        }
    }
}
