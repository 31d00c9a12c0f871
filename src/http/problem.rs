//! Errors as clients see them: RFC 9457 problem details with a stable code.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};

use crate::admission::{Refusal, Scope};
use crate::metrics::Limit;
use crate::model::{InvalidLabel, InvalidPromptId, InvalidVersion, InvalidVersionRef};
use crate::storage::StorageError;
use crate::versions::VersionError;

/// The media type of an error.
pub(super) const PROBLEM_JSON: &str = "application/problem+json";

/// What went wrong, as a word that never changes its meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Code {
    /// A query, header or body that cannot be understood.
    InvalidRequest,
    /// A prompt id that breaks a rule.
    InvalidPromptId,
    /// A version, reference or label that breaks a rule.
    InvalidVersion,
    /// Over TCP: the token is missing or another one.
    Unauthorized,
    /// The user behind the connection may not do this.
    Forbidden,
    /// The prompt, version, label, job or path does not exist.
    NotFound,
    /// The path exists, but not for this method.
    MethodNotAllowed,
    /// The client took too long to send its request.
    RequestTimeout,
    /// The number is taken by other content.
    VersionConflict,
    /// The number lies in the trash.
    VersionDeleted,
    /// A label points at the version.
    VersionLabelled,
    /// The version is no candidate, was refused, was made from another release than the latest, or was measured to be worse.
    NotPromotable,
    /// The execution has another result already.
    EvidenceConflict,
    /// The version would have more test results than it may.
    EvidenceFull,
    /// The file was edited by hand, and the configuration says not to serve such files.
    EditedVersion,
    /// What happened since that revision is not known any more: everything has to be listed anew.
    Gone,
    /// Something is not where the request says that it must be.
    PreconditionFailed,
    /// The body is larger than the limit.
    PayloadTooLarge,
    /// The body is not `application/json`.
    UnsupportedMediaType,
    /// Over TCP: the request was meant for another host.
    MisdirectedRequest,
    /// The body is JSON, but breaks a rule of its format.
    InvalidDocument,
    /// A test result breaks a rule.
    InvalidEvidence,
    /// The file on disk is damaged.
    CorruptVersion,
    /// The file with the test results of the version is damaged.
    CorruptEvidence,
    /// The daemon made a mistake; its log says more.
    InternalError,
    /// The store is on a read-only file system.
    ReadOnlyStorage,
    /// Too much is being asked at once: try again.
    Busy,
    /// A part of the daemon is down, or the request took too long: try again.
    Unavailable,
    /// A write was cut off: it may or may not be done.
    Interrupted,
    /// No room on the disk.
    StorageFull,
}

/// An error (RFC 9457).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ProblemDetails {
    /// Always `about:blank`: `code` tells the kind.
    #[serde(rename = "type")]
    #[schema(example = "about:blank")]
    pub kind: String,
    /// What the status means.
    pub title: String,
    /// The HTTP status.
    #[schema(minimum = 400, maximum = 599)]
    pub status: u16,
    /// What went wrong this time, in a sentence.
    pub detail: String,
    /// The stable code.
    pub code: Code,
}

/// An error on its way to the client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Problem {
    pub(super) code: Code,
    pub(super) detail: String,
    /// The limit that the request ran into, when this layer keeps it.
    pub(super) limit: Option<Limit>,
}

/// What is bounded for all and for each user, with the limits that a refusal names.
#[derive(Debug)]
pub(super) struct Crowd {
    pub(super) what: &'static str,
    pub(super) all: Limit,
    pub(super) per_peer: Limit,
}

impl Code {
    /// Every code, in the order of the statuses.
    pub(super) const ALL: [Self; 30] = [
        Self::InvalidRequest,
        Self::InvalidPromptId,
        Self::InvalidVersion,
        Self::Unauthorized,
        Self::Forbidden,
        Self::NotFound,
        Self::MethodNotAllowed,
        Self::RequestTimeout,
        Self::VersionConflict,
        Self::VersionDeleted,
        Self::VersionLabelled,
        Self::NotPromotable,
        Self::EvidenceConflict,
        Self::EvidenceFull,
        Self::EditedVersion,
        Self::Gone,
        Self::PreconditionFailed,
        Self::PayloadTooLarge,
        Self::UnsupportedMediaType,
        Self::MisdirectedRequest,
        Self::InvalidDocument,
        Self::InvalidEvidence,
        Self::CorruptVersion,
        Self::CorruptEvidence,
        Self::InternalError,
        Self::ReadOnlyStorage,
        Self::Busy,
        Self::Unavailable,
        Self::Interrupted,
        Self::StorageFull,
    ];

    /// Returns the code as it travels.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InvalidRequest => "invalid-request",
            Self::InvalidPromptId => "invalid-prompt-id",
            Self::InvalidVersion => "invalid-version",
            Self::Unauthorized => "unauthorized",
            Self::Forbidden => "forbidden",
            Self::NotFound => "not-found",
            Self::MethodNotAllowed => "method-not-allowed",
            Self::RequestTimeout => "request-timeout",
            Self::VersionConflict => "version-conflict",
            Self::VersionDeleted => "version-deleted",
            Self::VersionLabelled => "version-labelled",
            Self::NotPromotable => "not-promotable",
            Self::EvidenceConflict => "evidence-conflict",
            Self::EvidenceFull => "evidence-full",
            Self::EditedVersion => "edited-version",
            Self::Gone => "gone",
            Self::PreconditionFailed => "precondition-failed",
            Self::PayloadTooLarge => "payload-too-large",
            Self::UnsupportedMediaType => "unsupported-media-type",
            Self::MisdirectedRequest => "misdirected-request",
            Self::InvalidDocument => "invalid-document",
            Self::InvalidEvidence => "invalid-evidence",
            Self::CorruptVersion => "corrupt-version",
            Self::CorruptEvidence => "corrupt-evidence",
            Self::InternalError => "internal-error",
            Self::ReadOnlyStorage => "read-only-storage",
            Self::Busy => "busy",
            Self::Unavailable => "unavailable",
            Self::Interrupted => "interrupted",
            Self::StorageFull => "storage-full",
        }
    }

    /// Returns the HTTP status that goes with the code.
    #[must_use]
    pub const fn status(self) -> StatusCode {
        match self {
            Self::InvalidRequest | Self::InvalidPromptId | Self::InvalidVersion => StatusCode::BAD_REQUEST,
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::Forbidden => StatusCode::FORBIDDEN,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::RequestTimeout => StatusCode::REQUEST_TIMEOUT,
            Self::VersionConflict
            | Self::VersionDeleted
            | Self::VersionLabelled
            | Self::NotPromotable
            | Self::EvidenceConflict
            | Self::EvidenceFull
            | Self::EditedVersion => StatusCode::CONFLICT,
            Self::Gone => StatusCode::GONE,
            Self::PreconditionFailed => StatusCode::PRECONDITION_FAILED,
            Self::PayloadTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::MisdirectedRequest => StatusCode::MISDIRECTED_REQUEST,
            Self::InvalidDocument | Self::InvalidEvidence => StatusCode::UNPROCESSABLE_ENTITY,
            Self::CorruptVersion | Self::CorruptEvidence | Self::InternalError => {
                StatusCode::INTERNAL_SERVER_ERROR
            }
            Self::ReadOnlyStorage | Self::Busy | Self::Unavailable | Self::Interrupted => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            Self::StorageFull => StatusCode::INSUFFICIENT_STORAGE,
        }
    }

    /// Finds the code of an error of a lower layer.
    fn of(word: &str) -> Self {
        Self::ALL
            .into_iter()
            .find(|code| code.as_str() == word)
            .unwrap_or(Self::InternalError)
    }

    /// Tells whether the same request may well succeed a moment later.
    const fn is_worth_a_retry(self) -> bool {
        matches!(self, Self::Busy | Self::Unavailable)
    }
}

impl Problem {
    pub(super) fn new(code: Code, detail: impl Into<String>) -> Self {
        Self {
            code,
            detail: detail.into(),
            limit: None,
        }
    }

    /// Makes the problem of a request that ran into a limit. [`guard::always_answer`](super::guard) counts it.
    pub(super) fn over(limit: Limit, code: Code, detail: impl Into<String>) -> Self {
        Self {
            limit: Some(limit),
            ..Self::new(code, detail)
        }
    }

    /// Makes the problem of a request for which there was no place.
    pub(super) fn crowded(refusal: Refusal, crowd: &Crowd) -> Self {
        let limit = match refusal.scope {
            Scope::All => crowd.all,
            Scope::Peer => crowd.per_peer,
        };
        let detail = refusal.describe(crowd.what, crowd.all.short_key(), crowd.per_peer.short_key());
        Self::over(limit, Code::Busy, detail)
    }

    /// Makes the problem of an answer that could not be put together.
    pub(super) fn broken_answer(error: &dyn std::fmt::Display) -> Self {
        Self::new(
            Code::InternalError,
            format!("the answer could not be put together: {error}"),
        )
    }

    pub(super) fn invalid_request(detail: impl Into<String>) -> Self {
        Self::new(Code::InvalidRequest, detail)
    }

    /// Makes the problem of an error of a lower layer, which knows its own code.
    pub(super) fn from_layer(word: &str, detail: &dyn std::fmt::Display) -> Self {
        Self::new(Code::of(word), detail.to_string())
    }
}

impl From<VersionError> for Problem {
    fn from(error: VersionError) -> Self {
        Self::from_layer(error.code(), &error)
    }
}

impl From<StorageError> for Problem {
    fn from(error: StorageError) -> Self {
        Self::from_layer(error.code(), &error)
    }
}

impl From<InvalidPromptId> for Problem {
    fn from(error: InvalidPromptId) -> Self {
        VersionError::from(error).into()
    }
}

impl From<InvalidVersion> for Problem {
    fn from(error: InvalidVersion) -> Self {
        VersionError::from(error).into()
    }
}

impl From<InvalidVersionRef> for Problem {
    fn from(error: InvalidVersionRef) -> Self {
        VersionError::from(error).into()
    }
}

impl From<InvalidLabel> for Problem {
    fn from(error: InvalidLabel) -> Self {
        VersionError::from(error).into()
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = self.code.status();
        // Details may quote what a client sent or a file holds, so they are never logged above debug.
        tracing::debug!(code = self.code.as_str(), detail = %self.detail, "refused");
        let details = ProblemDetails {
            kind: "about:blank".to_owned(),
            title: status.canonical_reason().unwrap_or_default().to_owned(),
            status: status.as_u16(),
            detail: self.detail,
            code: self.code,
        };
        let mut response = (status, axum::Json(details)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
        if self.code.is_worth_a_retry() {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        if let Some(limit) = self.limit {
            response.extensions_mut().insert(limit);
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_code_is_found_again_by_its_word_and_travels_as_that_word() {
        for code in Code::ALL {
            assert_eq!(Code::of(code.as_str()), code);
            assert_eq!(serde_json::to_value(code).unwrap(), code.as_str());
        }
        assert_eq!(Code::of("a code of tomorrow"), Code::InternalError);
    }
}
