//! A request before it is sent.

use std::fmt::{Display, Write as _};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{CONTENT_TYPE, HOST, HeaderName, HeaderValue};
use hyper::{Method, Request};
use serde::Serialize;

use super::ClientError;

/// A request: what is to be done to what.
#[derive(Debug, Clone)]
pub(super) struct Call {
    pub(super) method: Method,
    /// Path and query.
    pub(super) target: String,
    headers: Vec<(HeaderName, HeaderValue)>,
    body: Bytes,
    /// How long the daemon is asked to wait before it answers.
    pub(super) patience: Duration,
}

impl Call {
    /// Makes a request to a path that is given in segments; each is encoded.
    pub(super) fn new(method: Method, segments: &[&str]) -> Self {
        let mut target = String::with_capacity(64);
        for segment in segments {
            target.push('/');
            push_encoded(&mut target, segment);
        }
        Self {
            method,
            target,
            headers: Vec::new(),
            body: Bytes::new(),
            patience: Duration::ZERO,
        }
    }

    pub(super) fn get(segments: &[&str]) -> Self {
        Self::new(Method::GET, segments)
    }

    pub(super) fn delete(segments: &[&str]) -> Self {
        Self::new(Method::DELETE, segments)
    }

    /// Adds a query parameter, if there is a value.
    pub(super) fn query(mut self, key: &str, value: Option<impl Display>) -> Self {
        if let Some(value) = value {
            self.target
                .push(if self.target.contains('?') { '&' } else { '?' });
            self.target.push_str(key);
            self.target.push('=');
            push_encoded(&mut self.target, &value.to_string());
        }
        self
    }

    /// Adds a query parameter that is either there or not.
    pub(super) fn flag(self, key: &str, set: bool) -> Self {
        self.query(key, set.then_some("true"))
    }

    /// Adds a header.
    pub(super) fn header(mut self, name: HeaderName, value: &str) -> Result<Self, ClientError> {
        let value = HeaderValue::from_str(value).map_err(|error| ClientError::Unsendable {
            reason: error.to_string(),
        })?;
        self.headers.push((name, value));
        Ok(self)
    }

    /// Makes JSON of a value the body.
    pub(super) fn json(self, body: &impl Serialize) -> Result<Self, ClientError> {
        let bytes = serde_json::to_vec(body).map_err(|error| ClientError::Unsendable {
            reason: error.to_string(),
        })?;
        Ok(self.json_bytes(bytes.into()))
    }

    /// Makes JSON that is written already the body.
    pub(super) fn json_bytes(mut self, body: Bytes) -> Self {
        self.headers
            .push((CONTENT_TYPE, HeaderValue::from_static("application/json")));
        self.body = body;
        self
    }

    /// Says how long the daemon is asked to wait before it answers.
    pub(super) fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    pub(super) fn request(&self) -> Result<Request<Full<Bytes>>, hyper::http::Error> {
        let mut request = Request::builder()
            .method(self.method.clone())
            .uri(self.target.as_str())
            .header(HOST, "promptd");
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        request.body(Full::new(self.body.clone()))
    }
}

/// Percent-encodes everything but the unreserved characters of RFC 3986.
fn push_encoded(target: &mut String, text: &str) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            target.push(char::from(byte));
        } else {
            let _ = write!(target, "%{byte:02X}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_and_queries_are_encoded() {
        let call = Call::get(&["v1", "prompts", "greet", "versions", ">=1, <3"])
            .query("prefix", Some("a&b=c"))
            .query("cursor", None::<&str>)
            .flag("documents", true)
            .flag("force", false);
        assert_eq!(
            call.target,
            "/v1/prompts/greet/versions/%3E%3D1%2C%20%3C3?prefix=a%26b%3Dc&documents=true"
        );
        assert!(call.request().is_ok());
    }

    #[test]
    fn a_header_that_would_break_the_request_is_refused() {
        let call = Call::get(&["v1"]).header(hyper::header::IF_MATCH, "a\r\nb");
        assert!(matches!(call, Err(ClientError::Unsendable { .. })));
    }
}
