//! One exchange with an endpoint: bounded in time and bytes, without redirects.

use std::time::Duration;

use jiff::Timestamp;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use reqwest::{Client, Response, StatusCode};

use crate::credential::Secret;

use super::endpoint::Endpoint;
use super::retry::retry_after;

/// How much of a refusal is read, to find its code.
const MAX_REFUSAL_BYTES: u64 = 64 * 1024;
/// The longest code of a refusal that is repeated.
const MAX_CODE_CHARS: usize = 40;
/// The longest time in which a connection must be there.
const MAX_CONNECT_TIME: Duration = Duration::from_secs(10);
/// The status of an endpoint that has too much to do, as some providers have it.
const OVERLOADED: u16 = 529;

/// Why a request got no answer. The message has nothing of what was sent or said, but for a code of plain letters.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// There is no connection: nothing was sent.
    #[error("the endpoint cannot be reached: {0}")]
    Unreachable(&'static str),
    /// It took too long.
    #[error("the endpoint did not answer within {0} ms (optimizer.llm.timeout_ms)")]
    TimedOut(u64),
    /// The connection ended before the answer did.
    #[error("the connection ended in the middle of the answer")]
    CutOff,
    /// The answer is too large.
    #[error("the answer is larger than {0} bytes (optimizer.llm.max_answer_bytes)")]
    TooLarge(u64),
    /// It sends elsewhere, where the key and the prompt must not go.
    #[error(
        "the endpoint redirects (status {0}), which is not followed: set optimizer.llm.endpoint to where it leads"
    )]
    Redirected(u16),
    /// It refused.
    #[error("the endpoint refused with status {status}{}", in_brackets(.code))]
    Refused {
        /// The status.
        status: u16,
        /// What it calls the reason.
        code: Option<String>,
        /// For how long it asks to be left alone.
        retry_after: Option<Duration>,
    },
    /// The request could not be made.
    #[error("the request cannot be made: look at optimizer.llm.endpoint and the key")]
    NotSendable,
}

fn in_brackets(code: &Option<String>) -> String {
    code.as_ref()
        .map_or_else(String::new, |code| format!(" ({code})"))
}

/// Talks to one endpoint.
#[derive(Debug)]
pub(super) struct EndpointClient {
    http: Client,
    url: String,
    timeout: Duration,
    max_answer_bytes: u64,
}

impl CallError {
    /// Tells whether the same request may fare better later.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable(_) | Self::TimedOut(_) | Self::CutOff => true,
            Self::Refused { status, code, .. } => {
                let is_out_of_money = code.as_deref() == Some("insufficient_quota");
                (matches!(*status, 408 | 425 | 429 | OVERLOADED) || (500..=504).contains(status))
                    && !is_out_of_money
            }
            Self::TooLarge(_) | Self::Redirected(_) | Self::NotSendable => false,
        }
    }

    /// Tells whether the model may have worked, so that somebody has to pay.
    #[must_use]
    pub const fn may_have_cost(&self) -> bool {
        matches!(self, Self::TimedOut(_) | Self::CutOff | Self::TooLarge(_))
    }

    /// Returns for how long the endpoint asks to be left alone.
    #[must_use]
    pub const fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Refused { retry_after, .. } => *retry_after,
            _ => None,
        }
    }
}

impl EndpointClient {
    /// Prepares the connections to an endpoint.
    ///
    /// # Errors
    /// A sentence for the operator: certificates that cannot be read.
    pub(super) fn new(endpoint: &Endpoint, timeout: Duration, max_answer_bytes: u64) -> Result<Self, String> {
        // Whoever came first has chosen the same; reqwest asks for one even where nothing is encrypted.
        drop(rustls::crypto::ring::default_provider().install_default());
        let mut builder = Client::builder()
            .user_agent(concat!("promptd/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .no_proxy()
            .http1_only()
            // A connection of its own for each call: one that died while it rested would look like an answer cut off.
            .pool_max_idle_per_host(0)
            .connect_timeout(timeout.min(MAX_CONNECT_TIME));
        if !endpoint.is_encrypted() {
            builder = builder.tls_certs_only([]);
        }
        if let Some(path) = endpoint.socket() {
            builder = builder.unix_socket(path);
        }
        let http = builder
            .build()
            .map_err(|error| format!("the client of optimizer.llm.endpoint cannot be made: {error}"))?;
        Ok(Self {
            http,
            url: endpoint.chat_url(),
            timeout,
            max_answer_bytes,
        })
    }

    /// Sends a request and returns the body of the answer.
    ///
    /// # Errors
    /// [`CallError`] says what to think of it.
    pub(super) async fn send(&self, body: Vec<u8>, key: Option<&Secret>) -> Result<Vec<u8>, CallError> {
        let exchange = tokio::time::timeout(self.timeout, self.exchange(body, key)).await;
        let millis = u64::try_from(self.timeout.as_millis()).unwrap_or(u64::MAX);
        exchange.unwrap_or(Err(CallError::TimedOut(millis)))
    }

    async fn exchange(&self, body: Vec<u8>, key: Option<&Secret>) -> Result<Vec<u8>, CallError> {
        let mut request = self
            .http
            .post(&self.url)
            .header(CONTENT_TYPE, "application/json")
            .body(body);
        if let Some(key) = key {
            let value = HeaderValue::from_str(&format!("Bearer {}", key.reveal()));
            let mut value = value.map_err(|_| CallError::NotSendable)?;
            value.set_sensitive(true);
            request = request.header(AUTHORIZATION, value);
        }
        let response = request.send().await.map_err(|error| of_transport(&error))?;
        let status = response.status();
        if status.is_redirection() {
            return Err(CallError::Redirected(status.as_u16()));
        }
        if !status.is_success() {
            return Err(refusal(response, status, key).await);
        }
        read(response, self.max_answer_bytes).await
    }
}

/// What went wrong below HTTP. The error itself is not shown: it has the address in it.
fn of_transport(error: &reqwest::Error) -> CallError {
    if error.is_builder() {
        CallError::NotSendable
    } else if error.is_connect() {
        let why = if error.is_timeout() {
            "no connection in time"
        } else {
            "the connection is refused or fails"
        };
        CallError::Unreachable(why)
    } else {
        CallError::CutOff
    }
}

async fn refusal(response: Response, status: StatusCode, key: Option<&Secret>) -> CallError {
    let header = response
        .headers()
        .get(RETRY_AFTER)
        .and_then(|value| value.to_str().ok());
    let retry_after = header.and_then(|header| retry_after(header, Timestamp::now()));
    let body = read(response, MAX_REFUSAL_BYTES).await.unwrap_or_default();
    CallError::Refused {
        status: status.as_u16(),
        code: code_in(&body, key),
        retry_after,
    }
}

/// Returns the code of a refusal in the form of OpenAI, when it is a plain word. The rest may repeat what was sent.
fn code_in(body: &[u8], key: Option<&Secret>) -> Option<String> {
    let body: serde_json::Value = serde_json::from_slice(body).ok()?;
    let error = body.get("error")?;
    let word = |name: &str| error.get(name).and_then(serde_json::Value::as_str);
    let code = word("code").or_else(|| word("type"))?;
    let is_plain = (1..=MAX_CODE_CHARS).contains(&code.len())
        && code.chars().all(|c| c.is_ascii_lowercase() || c == '_')
        && key.is_none_or(|key| !code.contains(key.reveal()));
    is_plain.then(|| code.to_owned())
}

/// Reads a body piece by piece, and no more than is allowed.
async fn read(mut response: Response, max_bytes: u64) -> Result<Vec<u8>, CallError> {
    if response.content_length().is_some_and(|length| length > max_bytes) {
        return Err(CallError::TooLarge(max_bytes));
    }
    let mut body = Vec::new();
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) if (body.len() + chunk.len()) as u64 > max_bytes => {
                return Err(CallError::TooLarge(max_bytes));
            }
            Ok(Some(chunk)) => body.extend_from_slice(&chunk),
            Ok(None) => return Ok(body),
            Err(_) => return Err(CallError::CutOff),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(status: u16, code: Option<&str>) -> CallError {
        CallError::Refused {
            status,
            code: code.map(str::to_owned),
            retry_after: None,
        }
    }

    #[test]
    fn what_may_pass_is_told_from_what_will_not() {
        for status in [408, 429, 500, 502, 503, 504, 529] {
            assert!(refused(status, None).is_transient(), "{status}");
        }
        for status in [400, 401, 403, 404, 413, 422, 501 + 4] {
            assert!(!refused(status, None).is_transient(), "{status}");
        }
        assert!(!refused(429, Some("insufficient_quota")).is_transient());
        assert!(CallError::CutOff.is_transient() && CallError::CutOff.may_have_cost());
        assert!(!CallError::Unreachable("x").may_have_cost() && !refused(500, None).may_have_cost());
        assert!(!CallError::Redirected(307).is_transient());
    }

    #[test]
    fn of_a_refusal_only_a_plain_code_is_repeated() {
        let check = |body: &str, expected: Option<&str>| {
            assert_eq!(code_in(body.as_bytes(), None).as_deref(), expected, "{body}");
        };
        check(
            r#"{"error":{"code":"model_not_found","message":"sesame"}}"#,
            Some("model_not_found"),
        );
        check(
            r#"{"error":{"code":null,"type":"server_error"}}"#,
            Some("server_error"),
        );
        check(r#"{"error":{"code":"Bearer sesame"}}"#, None);
        check(r#"{"error":{"code":"a-very-secret-1"}}"#, None);
        check(&format!(r#"{{"error":{{"code":"{}"}}}}"#, "x".repeat(41)), None);
        check(r#"{"error":"no"}"#, None);
        check("<html>", None);
    }
}
