//! The listener on the loopback: whether there is one, on which socket, with which token.

use std::future::ready;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use crate::config::{Config, TcpConfig, TcpService};
use crate::credential::CredentialSource;
use crate::http::tcp::{Class, TcpDoor, TcpGate, TcpOptions, Token};
use crate::log_events::LogEvent;

use super::{predecessor, service_dirs};

/// Why nothing can be served over TCP.
#[derive(Debug, thiserror::Error)]
pub enum TcpError {
    /// There is no token, or none that is one.
    #[error("daemon.tcp: {0}")]
    Token(String),
    /// What was passed would be reached from outside.
    #[error(
        "the socket that was passed as promptd-tcp listens on {0}, which other hosts reach: set ListenStream= to \
         127.0.0.1:PORT or [::1]:PORT"
    )]
    NotLoopback(SocketAddr),
    /// The operating system said no.
    #[error("daemon.tcp.listen: listening on {address}: {source}")]
    Listen {
        /// Where.
        address: String,
        /// What it said.
        source: io::Error,
    },
}

/// Begins to listen, where the configuration says so or a socket was passed. To be called on the runtime.
pub(super) async fn open(
    config: &TcpConfig,
    passed: Option<TcpListener>,
) -> Result<Option<TcpDoor>, TcpError> {
    let listener = match (passed, config.listen) {
        (Some(passed), configured) => {
            if let Some(listen) = configured {
                tracing::warn!(
                    event = %LogEvent::ConfigDoubtful, %listen,
                    "a socket was passed by the service manager as promptd-tcp: daemon.tcp.listen is not used"
                );
            }
            passed
        }
        (None, Some(address)) => {
            let attempt = || ready(TcpListener::bind(address));
            let is_held = |error: &io::Error| error.kind() == io::ErrorKind::AddrInUse;
            let bound = predecessor::outlast(attempt, is_held).await;
            bound.map_err(|source| failed(&address, source))?
        }
        (None, None) => return Ok(None),
    };
    let address = listener
        .local_addr()
        .map_err(|source| failed(&"its address", source))?;
    if !address.ip().is_loopback() {
        return Err(TcpError::NotLoopback(address));
    }
    let token = read_token(config).await?;
    listener
        .set_nonblocking(true)
        .map_err(|source| failed(&address, source))?;
    let gate = Arc::new(TcpGate::new(address, token, options(config)));
    let door = TcpDoor::new(listener, gate).map_err(|source| failed(&address, source))?;
    Ok(Some(door))
}

/// Reads the token again, where there is a gate: a file may have another one. What cannot be read changes nothing.
pub(super) async fn renew_token(gate: Option<&TcpGate>, config: &Config) {
    let Some(gate) = gate else { return };
    match read_token(&config.daemon.tcp).await {
        Ok(token) => gate.set_token(token),
        Err(error) => {
            tracing::warn!(event = %LogEvent::ConfigDoubtful, %error, "the token for TCP stays as it was");
        }
    }
}

/// Says what is served, for the log.
pub(super) fn announce(gate: &TcpGate) {
    let serves: Vec<&str> = gate.serves().iter().map(|class| class.as_str()).collect();
    tracing::info!(
        event = %LogEvent::TcpServed, address = %gate.address(), serves = serves.join(", "),
        "served over TCP too"
    );
}

async fn read_token(config: &TcpConfig) -> Result<Token, TcpError> {
    let directory = service_dirs::credentials_dir();
    let source = CredentialSource::of(
        "daemon.tcp",
        config.credential.as_deref(),
        config.credential_file.as_deref(),
        directory.as_deref(),
    );
    let source = source.map_err(|error| TcpError::Token(error.to_string()))?;
    let read = tokio::task::spawn_blocking(move || source.read()).await;
    let secret = read
        .map_err(|error| TcpError::Token(format!("the token could not be read: {error}")))?
        .map_err(|error| TcpError::Token(error.to_string()))?;
    let Some(secret) = secret else {
        let missing = "a socket was passed as promptd-tcp, but there is no token that clients have to send: set \
                       daemon.tcp.credential or daemon.tcp.credential_file";
        return Err(TcpError::Token(missing.to_owned()));
    };
    Token::new(secret.reveal()).map_err(|error| TcpError::Token(error.to_string()))
}

fn options(config: &TcpConfig) -> TcpOptions {
    let class = |service: &TcpService| match service {
        TcpService::Metrics => Class::Metrics,
        TcpService::Health => Class::Health,
        TcpService::Read => Class::Read,
    };
    TcpOptions {
        serves: config.serve.iter().map(class).collect(),
        allowed_hosts: config.allowed_hosts.clone(),
        allowed_origins: config.allowed_origins.clone(),
        max_connections: config.max_connections,
    }
}

fn failed(address: &dyn ToString, source: io::Error) -> TcpError {
    TcpError::Listen {
        address: address.to_string(),
        source,
    }
}

impl TcpError {
    /// Returns the exit code of a daemon that could not start for this: 78 when the configuration is wrong, 73 when the
    /// socket cannot be made.
    pub(super) const fn exit_code(&self) -> u8 {
        match self {
            Self::Token(_) | Self::NotLoopback(_) => 78,
            Self::Listen { .. } => 73,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn config(directory: &std::path::Path, token: &str) -> TcpConfig {
        let file = directory.join("token");
        std::fs::write(&file, token).unwrap();
        std::fs::set_permissions(&file, PermissionsExt::from_mode(0o600)).unwrap();
        TcpConfig {
            listen: Some("127.0.0.1:0".parse().unwrap()),
            credential_file: Some(file),
            ..TcpConfig::default()
        }
    }

    #[tokio::test]
    async fn nothing_listens_unless_it_is_configured() {
        assert!(open(&TcpConfig::default(), None).await.unwrap().is_none());
    }

    #[tokio::test]
    async fn a_listener_takes_a_free_port_on_the_loopback() {
        let directory = tempfile::tempdir().unwrap();
        let door = open(&config(directory.path(), "open-sesame-0815"), None).await;
        let address = door.unwrap().unwrap().gate().address();
        assert!(address.ip().is_loopback() && address.port() != 0);
    }

    #[tokio::test]
    async fn a_passed_socket_must_be_on_the_loopback_and_needs_a_token() {
        let directory = tempfile::tempdir().unwrap();
        let with_token = config(directory.path(), "open-sesame-0815");
        let everywhere = TcpListener::bind("0.0.0.0:0").unwrap();
        let error = open(&with_token, Some(everywhere)).await.unwrap_err();
        assert!(error.to_string().contains("which other hosts reach"), "{error}");
        assert_eq!(error.exit_code(), 78);
        let passed = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = passed.local_addr().unwrap();
        let door = open(&with_token, Some(passed)).await.unwrap().unwrap();
        assert_eq!(door.gate().address(), address);
        let passed = TcpListener::bind("127.0.0.1:0").unwrap();
        let error = open(&TcpConfig::default(), Some(passed)).await.unwrap_err();
        assert!(error.to_string().contains("there is no token"), "{error}");
    }

    #[tokio::test]
    async fn a_taken_port_and_a_short_token_are_refused_with_what_to_do() {
        let directory = tempfile::tempdir().unwrap();
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut config = config(directory.path(), "open-sesame-0815");
        config.listen = Some(taken.local_addr().unwrap());
        let error = open(&config, None).await.unwrap_err();
        assert_eq!(error.exit_code(), 73, "{error}");
        let short = self::config(directory.path(), "sesame");
        let error = open(&short, None).await.unwrap_err();
        assert!(error.to_string().contains("openssl rand"), "{error}");
        assert!(!error.to_string().contains("sesame"), "{error}");
    }
}
