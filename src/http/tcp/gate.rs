//! Who is let in over TCP, and to what.

use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, PoisonError, RwLock};

use axum::http::{HeaderMap, Request, header};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::http::problem::{Code, Problem};
use crate::metrics::{ByWord, Counter};

use super::{Class, host};

/// The fewest characters of a token: who may try for as long as they like must not find it.
const MIN_TOKEN_CHARS: usize = 16;

/// The scheme of `Authorization`.
const SCHEME: &str = "Bearer ";

/// What a token is compared by. It is never printed.
#[derive(Clone)]
pub struct Token([u8; 32]);

/// A token that could be guessed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the token has fewer than {MIN_TOKEN_CHARS} characters and could be guessed: make one with \
     'openssl rand -hex 32'"
)]
pub struct WeakToken;

/// What is let in over TCP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TcpOptions {
    /// What is served.
    pub serves: Vec<Class>,
    /// Names of this host besides those of the loopback.
    pub allowed_hosts: Vec<String>,
    /// Web pages that may ask.
    pub allowed_origins: Vec<String>,
    /// The most open connections, of all that there may be.
    pub max_connections: usize,
}

/// Decides about each request over TCP, and counts those that it refuses.
#[derive(Debug)]
pub struct TcpGate {
    address: SocketAddr,
    options: TcpOptions,
    token: RwLock<Token>,
    connections: Arc<Semaphore>,
    refused: ByWord<Counter>,
}

/// Why a request over TCP is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::http) enum Refusal {
    /// It was meant for another host.
    Host,
    /// A web page of a stranger asks.
    Origin,
    /// It has no token.
    NoToken,
    /// It has another token.
    WrongToken,
    /// It asks for what is not served over TCP.
    NotServed,
}

impl Refusal {
    /// The words of all, as metrics and the log have them.
    pub(in crate::http) const WORDS: &[&str] = &["host", "origin", "no-token", "wrong-token", "not-served"];

    /// Returns the word for the metrics and the log.
    pub(in crate::http) const fn word(self) -> &'static str {
        match self {
            Self::Host => "host",
            Self::Origin => "origin",
            Self::NoToken => "no-token",
            Self::WrongToken => "wrong-token",
            Self::NotServed => "not-served",
        }
    }

    /// Returns what the client is told.
    pub(in crate::http) fn problem(self) -> Problem {
        let (code, detail) = match self {
            Self::Host => (
                Code::MisdirectedRequest,
                "the Host header must name this host: localhost, 127.0.0.1, [::1], or one of daemon.tcp.allowed_hosts",
            ),
            Self::Origin => (
                Code::Forbidden,
                "web pages may not ask, but for those in daemon.tcp.allowed_origins",
            ),
            Self::NoToken => (
                Code::Unauthorized,
                "this needs the header 'Authorization: Bearer TOKEN'",
            ),
            Self::WrongToken => (Code::Unauthorized, "this is not the token"),
            Self::NotServed => (
                Code::Forbidden,
                "this is not served over TCP (daemon.tcp.serve): use the Unix socket",
            ),
        };
        Problem::new(code, detail)
    }

    /// Returns the value of `WWW-Authenticate`, where a token would help.
    pub(in crate::http) const fn challenge(self) -> Option<&'static str> {
        match self {
            Self::NoToken => Some("Bearer realm=\"promptd\""),
            Self::WrongToken => Some("Bearer realm=\"promptd\", error=\"invalid_token\""),
            Self::Host | Self::Origin | Self::NotServed => None,
        }
    }
}

impl Token {
    /// Makes it of the text that clients send.
    ///
    /// # Errors
    /// When the text is short.
    pub fn new(text: &str) -> Result<Self, WeakToken> {
        if text.len() < MIN_TOKEN_CHARS {
            return Err(WeakToken);
        }
        Ok(Self(Sha256::digest(text).into()))
    }

    /// Compares in a time that says nothing about where a difference is, nor about the length.
    fn is(&self, text: &[u8]) -> bool {
        let other: [u8; 32] = Sha256::digest(text).into();
        self.0.ct_eq(&other).into()
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

impl TcpGate {
    /// Makes the gate of a listener at `address`.
    #[must_use]
    pub fn new(address: SocketAddr, token: Token, options: TcpOptions) -> Self {
        Self {
            address,
            connections: Arc::new(Semaphore::new(options.max_connections)),
            options,
            token: RwLock::new(token),
            refused: ByWord::new("reason", Refusal::WORDS, Counter::default),
        }
    }

    /// Returns where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns what is served.
    #[must_use]
    pub fn serves(&self) -> &[Class] {
        &self.options.serves
    }

    /// Takes another token from the next request on.
    pub fn set_token(&self, token: Token) {
        *self.token.write().unwrap_or_else(PoisonError::into_inner) = token;
    }

    /// Takes one of the connections that there may be; `None` when there is none left.
    pub(in crate::http) fn try_connect(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.connections).try_acquire_owned().ok()
    }

    /// Returns how many connections are open.
    pub(in crate::http) fn connections(&self) -> usize {
        let free = self.connections.available_permits();
        self.options.max_connections.saturating_sub(free)
    }

    /// Returns how many connections there may be.
    pub(in crate::http) const fn max_connections(&self) -> usize {
        self.options.max_connections
    }

    /// Returns how often a reason was one.
    pub(in crate::http) fn refused(&self, word: &str) -> u64 {
        self.refused.of(word).map_or(0, Counter::get)
    }

    /// Decides about the head of a request, before anything else looks at it.
    pub(in crate::http) fn check<B>(&self, request: &Request<B>) -> Result<(), Refusal> {
        let headers = request.headers();
        if !self.is_for_us(request) {
            return Err(Refusal::Host);
        }
        if !self.is_from_nobody_else(headers) {
            return Err(Refusal::Origin);
        }
        let token = bearer(headers).ok_or(Refusal::NoToken)?;
        let known = self.token.read().unwrap_or_else(PoisonError::into_inner);
        if known.is(token) {
            Ok(())
        } else {
            Err(Refusal::WrongToken)
        }
    }

    /// Decides about the route that a request matched.
    pub(in crate::http) fn check_class(&self, class: Class) -> Result<(), Refusal> {
        if class != Class::Never && self.options.serves.contains(&class) {
            Ok(())
        } else {
            Err(Refusal::NotServed)
        }
    }

    /// Counts a refusal.
    pub(in crate::http) fn note(&self, refusal: Refusal) {
        if let Some(counter) = self.refused.of(refusal.word()) {
            counter.inc();
        }
    }

    /// Every name that the request gives its host must be one of ours.
    fn is_for_us<B>(&self, request: &Request<B>) -> bool {
        let others = &self.options.allowed_hosts;
        let in_target = request.uri().authority().map(axum::http::uri::Authority::as_str);
        let mut headers = request.headers().get_all(header::HOST).iter();
        let (Some(in_header), None) = (headers.next(), headers.next()) else {
            return false;
        };
        in_header
            .to_str()
            .is_ok_and(|name| host::is_allowed(name, others))
            && in_target.is_none_or(|name| host::is_allowed(name, others))
    }

    fn is_from_nobody_else(&self, headers: &HeaderMap) -> bool {
        let is_allowed = |origin: &str| {
            let mut allowed = self.options.allowed_origins.iter();
            allowed.any(|known| known.eq_ignore_ascii_case(origin))
        };
        let mut origins = headers.get_all(header::ORIGIN).iter();
        origins.all(|origin| origin.to_str().is_ok_and(is_allowed))
    }
}

/// Returns the token of a request that has exactly one.
fn bearer(headers: &HeaderMap) -> Option<&[u8]> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return None;
    };
    let (scheme, token) = value.as_bytes().split_at_checked(SCHEME.len())?;
    scheme
        .eq_ignore_ascii_case(SCHEME.as_bytes())
        .then(|| token.trim_ascii())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "open-sesame-0815-4711";

    fn gate() -> TcpGate {
        let options = TcpOptions {
            serves: vec![Class::Metrics, Class::Read],
            allowed_hosts: vec!["prompts.internal".into()],
            allowed_origins: vec!["https://prompts.internal".into()],
            max_connections: 4,
        };
        let address = "127.0.0.1:9464".parse().unwrap();
        TcpGate::new(address, Token::new(TOKEN).unwrap(), options)
    }

    fn check(headers: &[(&str, &str)], expected: Result<(), Refusal>) {
        let mut request = Request::builder().uri("/metrics");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(()).unwrap();
        assert_eq!(gate().check(&request), expected, "{headers:?}");
    }

    #[test]
    fn a_request_needs_our_host_no_strange_origin_and_the_token() {
        let host = ("host", "localhost:9464");
        let token = ("authorization", "Bearer open-sesame-0815-4711");
        let origin = ("origin", "https://prompts.internal");
        check(&[host, token], Ok(()));
        check(&[host, ("authorization", "bearer open-sesame-0815-4711")], Ok(()));
        check(&[("host", "prompts.internal"), token, origin], Ok(()));
        check(&[token], Err(Refusal::Host));
        check(&[host, host, token], Err(Refusal::Host));
        check(&[("host", "evil.example"), token], Err(Refusal::Host));
        for strange in ["https://evil.example", "null", "http://prompts.internal", ""] {
            check(&[host, token, ("origin", strange)], Err(Refusal::Origin));
        }
        check(
            &[host, token, origin, ("origin", "https://evil.example")],
            Err(Refusal::Origin),
        );
        check(&[host], Err(Refusal::NoToken));
        check(&[host, token, token], Err(Refusal::NoToken));
        for other in ["Basic b3Blbg==", "open-sesame-0815-4711", "Bearer"] {
            check(&[host, ("authorization", other)], Err(Refusal::NoToken));
        }
        for other in [
            "Bearer ",
            "Bearer open-sesame-0815-471",
            "Bearer open-sesame-0815-47111",
        ] {
            check(&[host, ("authorization", other)], Err(Refusal::WrongToken));
        }
    }

    #[test]
    fn a_host_in_the_target_of_the_request_counts_as_well() {
        let request = Request::builder()
            .uri("http://evil.example/metrics")
            .header("host", "localhost")
            .header("authorization", format!("Bearer {TOKEN}"));
        assert_eq!(gate().check(&request.body(()).unwrap()), Err(Refusal::Host));
    }

    #[test]
    fn only_classes_that_are_configured_are_served_and_never_is_never() {
        let check = |class, expected| assert_eq!(gate().check_class(class), expected);
        check(Class::Metrics, Ok(()));
        check(Class::Read, Ok(()));
        check(Class::Health, Err(Refusal::NotServed));
        check(Class::Never, Err(Refusal::NotServed));
    }

    #[test]
    fn another_token_counts_at_once_and_a_short_one_is_none() {
        let gate = gate();
        let ask = |token: &str| {
            let request = Request::builder()
                .header("host", "localhost")
                .header("authorization", format!("Bearer {token}"));
            gate.check(&request.body(()).unwrap())
        };
        assert_eq!(ask(TOKEN), Ok(()));
        gate.set_token(Token::new("another-sesame-0815").unwrap());
        assert_eq!(ask(TOKEN), Err(Refusal::WrongToken));
        assert_eq!(ask("another-sesame-0815"), Ok(()));
        assert_eq!(Token::new("short").unwrap_err(), WeakToken);
    }

    #[test]
    fn a_token_is_never_printed_and_every_refusal_has_a_word_of_its_own() {
        assert!(!format!("{:?}", gate()).contains("sesame"));
        let all = [
            Refusal::Host,
            Refusal::Origin,
            Refusal::NoToken,
            Refusal::WrongToken,
            Refusal::NotServed,
        ];
        assert_eq!(all.map(Refusal::word).as_slice(), Refusal::WORDS);
    }
}
