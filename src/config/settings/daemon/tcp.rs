//! The section `daemon.tcp`.

use std::net::SocketAddr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::credential::is_credential_name;

/// The API over TCP, for programs that cannot open a Unix socket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TcpConfig {
    /// The address on the loopback; `None` listens nowhere, unless a socket is passed.
    pub listen: Option<SocketAddr>,
    /// What is served.
    pub serve: Vec<TcpService>,
    /// The name of the systemd credential with the token.
    pub credential: Option<String>,
    /// A file with the token, instead of a credential.
    pub credential_file: Option<PathBuf>,
    /// Names of this host besides those of the loopback.
    pub allowed_hosts: Vec<String>,
    /// Web pages that may ask.
    pub allowed_origins: Vec<String>,
    /// The most open connections.
    pub max_connections: usize,
}

/// What is served over TCP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TcpService {
    /// `/metrics`.
    Metrics,
    /// `/healthz`, `/readyz`, `/health/optimizer`.
    Health,
    /// Prompts and what is known of them.
    Read,
}

impl Default for TcpConfig {
    fn default() -> Self {
        Self {
            listen: None,
            serve: vec![TcpService::Metrics, TcpService::Health],
            credential: None,
            credential_file: None,
            allowed_hosts: Vec::new(),
            allowed_origins: Vec::new(),
            max_connections: 32,
        }
    }
}

impl TcpConfig {
    /// Checks what no key can tell alone. Returns the key that is wrong, and what is wrong with it.
    ///
    /// # Errors
    /// The first key that is wrong.
    pub(in crate::config) fn validate(&self) -> Result<(), (&'static str, &'static str)> {
        const CREDENTIAL: &str = "daemon.tcp.credential";
        let named = self.credential.as_deref();
        if named.is_some() && self.credential_file.is_some() {
            return Err((
                CREDENTIAL,
                "and `daemon.tcp.credential_file` are both set: keep one of them",
            ));
        }
        if named.is_some_and(|name| !is_credential_name(name)) {
            return Err((
                CREDENTIAL,
                "must be the name of a credential, such as tcp-token: letters, digits, '.', '-' and '_'",
            ));
        }
        if self.listen.is_some() && named.is_none() && self.credential_file.is_none() {
            return Err((
                "daemon.tcp.listen",
                "needs a token that clients have to send: name a systemd credential in `daemon.tcp.credential`, or a \
                 file that only promptd can read in `daemon.tcp.credential_file`",
            ));
        }
        Ok(())
    }
}
