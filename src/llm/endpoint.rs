//! Where a language model is asked.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use reqwest::Url;

/// The longest path of a Unix socket: 108 bytes with the zero at the end.
const MAX_SOCKET_PATH_BYTES: usize = 107;
/// What is below a Unix socket, as the local servers have it.
const SOCKET_BASE: &str = "http://localhost/v1";

/// An address that was checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// Without a slash at the end.
    base: String,
    socket: Option<PathBuf>,
    is_private: bool,
}

impl Endpoint {
    /// Reads `https://host/v1`, `http://host/v1` or `unix:/path`.
    ///
    /// # Errors
    /// The tail of a sentence about it. It does not repeat the address, which may hold a secret.
    pub fn parse(text: &str) -> Result<Self, String> {
        const FORMS: &str = "must be https://host/v1, http://host/v1 or unix:/path";
        if let Some(path) = text.strip_prefix("unix:") {
            return Self::of_socket(Path::new(path));
        }
        let url = Url::parse(text).map_err(|error| format!("{FORMS}: {error}"))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(FORMS.to_owned());
        }
        if !url.username().is_empty()
            || url.password().is_some()
            || url.query().is_some()
            || url.fragment().is_some()
        {
            return Err(
                "must not have a user, a password, a query or a fragment: a key belongs into `optimizer.llm.credential`"
                    .to_owned(),
            );
        }
        let base = url.as_str().trim_end_matches('/');
        if base.ends_with("/chat/completions") {
            return Err("must be the base of the API, without /chat/completions".to_owned());
        }
        Ok(Self {
            is_private: url.scheme() == "https" || is_loopback(&url),
            base: base.to_owned(),
            socket: None,
        })
    }

    fn of_socket(path: &Path) -> Result<Self, String> {
        if !path.is_absolute() || path.as_os_str().len() > MAX_SOCKET_PATH_BYTES {
            return Err(format!(
                "must have an absolute path of at most {MAX_SOCKET_PATH_BYTES} bytes after unix:"
            ));
        }
        Ok(Self {
            base: SOCKET_BASE.to_owned(),
            socket: Some(path.to_owned()),
            is_private: true,
        })
    }

    /// Returns the address of chat completions.
    #[must_use]
    pub fn chat_url(&self) -> String {
        format!("{}/chat/completions", self.base)
    }

    /// Returns the Unix socket, if it is one.
    #[must_use]
    pub fn socket(&self) -> Option<&Path> {
        self.socket.as_deref()
    }

    /// Tells whether nobody on the way can read what is sent.
    #[must_use]
    pub const fn is_private(&self) -> bool {
        self.is_private
    }

    /// Tells whether what is sent is encrypted.
    #[must_use]
    pub fn is_encrypted(&self) -> bool {
        self.base.starts_with("https:")
    }

    /// Returns what tells this endpoint from others.
    #[must_use]
    pub fn identity(&self) -> String {
        match &self.socket {
            Some(path) => format!("unix:{}", path.display()),
            None => self.base.clone(),
        }
    }
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let address = host
        .trim_start_matches('[')
        .trim_end_matches(']')
        .parse::<IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, url: &str, socket: Option<&str>, is_private: bool) {
        let endpoint = Endpoint::parse(text).unwrap();
        assert_eq!(endpoint.chat_url(), url, "{text}");
        assert_eq!(endpoint.socket(), socket.map(Path::new), "{text}");
        assert_eq!(endpoint.is_private(), is_private, "{text}");
    }

    #[test]
    fn an_address_leads_to_the_chat_completions_below_it() {
        check(
            "https://a.example/v1",
            "https://a.example/v1/chat/completions",
            None,
            true,
        );
        check(
            "https://a.example/v1/",
            "https://a.example/v1/chat/completions",
            None,
            true,
        );
        check(
            "https://a.example",
            "https://a.example/chat/completions",
            None,
            true,
        );
        check(
            "http://a.example:8000/v1",
            "http://a.example:8000/v1/chat/completions",
            None,
            false,
        );
        check(
            "http://127.0.0.1:8000/v1",
            "http://127.0.0.1:8000/v1/chat/completions",
            None,
            true,
        );
        check(
            "unix:/run/m.sock",
            "http://localhost/v1/chat/completions",
            Some("/run/m.sock"),
            true,
        );
    }

    #[test]
    fn other_addresses_are_refused_and_not_repeated() {
        let long = format!("unix:/{}", "x".repeat(120));
        for text in [
            "",
            "models",
            "ftp://a.example",
            "unix:relative",
            &long,
            "https://user:sesame@a.example/v1",
            "https://a.example/v1?key=sesame",
            "https://a.example/v1#sesame",
            "https://a.example/v1/chat/completions",
        ] {
            let refused = Endpoint::parse(text).unwrap_err();
            assert!(
                refused.starts_with("must ") && !refused.contains("sesame"),
                "{text}: {refused}"
            );
        }
    }
}
