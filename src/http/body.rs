//! Reading request bodies: bounded in size and time.

use std::time::Duration;

use axum::body::Body;
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, HeaderValue, header};
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::Body as _;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::metrics::Limit;
use crate::model::{DocumentError, strict_json};
use crate::versions::VersionError;

use super::AppState;
use super::problem::{Code, Problem};

/// Bodies above this many bytes are parsed on a thread of their own.
const INLINE_PARSE_BYTES: usize = 64 << 10;

/// What is read and thrown away of a body that is too large, so that the client gets to read the answer instead of a
/// broken connection.
const MAX_DRAINED_BYTES: usize = 64 << 20;

/// How long that may take.
const MAX_DRAIN_TIME: Duration = Duration::from_secs(2);

/// A JSON body within `max_body_bytes`.
pub(super) struct JsonBody(pub(super) Value);

impl FromRequest<AppState> for JsonBody {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &AppState) -> Result<Self, Problem> {
        let limits = state.limits();
        let (max, timeout) = (limits.max_body_bytes, limits.body_timeout());
        read_json(request, Limit::Body, max, timeout).await.map(Self)
    }
}

/// Reads a JSON body of at most `max` bytes, which is the value of `limit`.
///
/// # Errors
/// `unsupported-media-type`, `payload-too-large`, `request-timeout`, or `invalid-request` when it is no JSON.
pub(super) async fn read_json(
    request: Request,
    limit: Limit,
    max: usize,
    timeout: Duration,
) -> Result<Value, Problem> {
    require_json(request.headers())?;
    parse(read_bytes(request, limit, max, timeout).await?).await
}

/// Reads a body of any kind, of at most `max` bytes, which is the value of `limit`.
///
/// # Errors
/// `payload-too-large`, `request-timeout`, or `invalid-request` when the connection breaks.
pub(super) async fn read_bytes(
    request: Request,
    limit: Limit,
    max: usize,
    timeout: Duration,
) -> Result<Bytes, Problem> {
    let asks_first = request.headers().contains_key(header::EXPECT);
    let mut body = request.into_body();
    let Ok(read) = tokio::time::timeout(timeout, collect(&mut body, max)).await else {
        let millis = timeout.as_millis();
        let detail = format!("the body did not arrive within {millis} ms (body_timeout_ms)");
        return Err(Problem::over(Limit::BodyTimeout, Code::RequestTimeout, detail));
    };
    match read {
        Ok(bytes) => Ok(bytes),
        Err(Refusal::TooLarge) => {
            if !asks_first {
                drain(&mut body).await;
            }
            let key = limit.short_key();
            let detail = format!("the body is larger than {max} bytes ({key})");
            Err(Problem::over(limit, Code::PayloadTooLarge, detail))
        }
        Err(Refusal::Broken(reason)) => Err(Problem::invalid_request(format!("reading the body: {reason}"))),
    }
}

/// Reads a value of a type out of a JSON body; unknown keys are refused where the type says so.
///
/// # Errors
/// `invalid-document` with the place.
pub(super) fn decode<T: DeserializeOwned>(value: &Value) -> Result<T, Problem> {
    let decoded = serde_path_to_error::deserialize(value).map_err(|e| DocumentError::Shape {
        path: e.path().to_string(),
        reason: e.inner().to_string(),
    });
    decoded.map_err(|e| VersionError::from(e).into())
}

enum Refusal {
    TooLarge,
    Broken(String),
}

async fn collect(body: &mut Body, max: usize) -> Result<Bytes, Refusal> {
    let declared = body.size_hint().lower();
    if declared > max as u64 {
        return Err(Refusal::TooLarge);
    }
    let mut collected = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|e| Refusal::Broken(e.to_string()))?;
        if let Ok(data) = frame.into_data() {
            if collected.len() + data.len() > max {
                return Err(Refusal::TooLarge);
            }
            collected.extend_from_slice(&data);
        }
    }
    Ok(collected.freeze())
}

/// Reads and throws away the body of a request that is refused because of it.
pub(super) async fn drain_refused(request: Request) {
    if !request.headers().contains_key(header::EXPECT) {
        drain(&mut request.into_body()).await;
    }
}

async fn drain(body: &mut Body) {
    let mut seen = 0;
    let reading = async {
        while let Some(Ok(frame)) = body.frame().await {
            seen += frame.data_ref().map_or(0, Bytes::len);
            if seen > MAX_DRAINED_BYTES {
                break;
            }
        }
    };
    if tokio::time::timeout(MAX_DRAIN_TIME, reading).await.is_err() {
        tracing::debug!("a client keeps sending a body that is too large; its connection is closed");
    }
}

async fn parse(bytes: Bytes) -> Result<Value, Problem> {
    if bytes.len() <= INLINE_PARSE_BYTES {
        return parse_json(&bytes);
    }
    tokio::task::spawn_blocking(move || parse_json(&bytes))
        .await
        .map_err(|_| Problem::new(Code::InternalError, "parsing the body failed"))?
}

/// Reads a JSON document; of a large one this takes long.
///
/// # Errors
/// `invalid-request` with the place.
pub(super) fn parse_json(bytes: &[u8]) -> Result<Value, Problem> {
    strict_json::parse(bytes)
        .map_err(|reason| Problem::invalid_request(format!("the body is not valid JSON: {reason}")))
}

/// Refuses bodies that are compressed.
///
/// # Errors
/// `unsupported-media-type`.
pub(super) fn refuse_encoding(headers: &HeaderMap) -> Result<(), Problem> {
    if let Some(encoding) = headers.get(header::CONTENT_ENCODING)
        && encoding != HeaderValue::from_static("identity")
    {
        let detail = "a body with a Content-Encoding is not accepted: send it as it is";
        return Err(Problem::new(Code::UnsupportedMediaType, detail));
    }
    Ok(())
}

fn require_json(headers: &HeaderMap) -> Result<(), Problem> {
    refuse_encoding(headers)?;
    let content_type = headers.get(header::CONTENT_TYPE).map(HeaderValue::to_str);
    match content_type {
        Some(Ok(content_type)) if is_json(content_type) => Ok(()),
        _ => {
            let detail = "the body must be JSON: set Content-Type to application/json";
            Err(Problem::new(Code::UnsupportedMediaType, detail))
        }
    }
}

/// `application/json`, with no parameter but a `charset` of UTF-8.
pub(super) fn is_json(content_type: &str) -> bool {
    let mut parts = content_type.split(';').map(str::trim);
    let is_json = parts
        .next()
        .is_some_and(|kind| kind.eq_ignore_ascii_case("application/json"));
    is_json
        && parts.filter(|part| !part.is_empty()).all(|part| {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            name.trim().eq_ignore_ascii_case("charset")
                && value.trim().trim_matches('"').eq_ignore_ascii_case("utf-8")
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_json_in_utf_8_is_json() {
        for (content_type, expected) in [
            ("application/json", true),
            ("Application/JSON; charset=UTF-8", true),
            ("application/json;charset=\"utf-8\"", true),
            ("application/json;", true),
            ("application/json; charset=latin1", false),
            ("application/json; profile=x", false),
            ("application/problem+json", false),
            ("application/jsonx", false),
            ("text/plain", false),
            ("", false),
        ] {
            assert_eq!(is_json(content_type), expected, "{content_type:?}");
        }
    }
}
