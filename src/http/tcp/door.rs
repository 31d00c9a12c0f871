//! The listener on the loopback.

use std::io;
use std::sync::Arc;

use tokio::net::{TcpListener, TcpStream};

use crate::admission::Claimant;
use crate::http::AppState;
use crate::http::listener::Listener;
use crate::http::peer::Peer;

use super::TcpGate;

/// A listener on the loopback with the gate behind it.
#[derive(Debug)]
pub struct TcpDoor {
    listener: TcpListener,
    gate: Arc<TcpGate>,
}

impl TcpDoor {
    /// Puts both together. The listener must not block. To be called on the runtime.
    ///
    /// # Errors
    /// When the runtime does not take the listener.
    pub fn new(listener: std::net::TcpListener, gate: Arc<TcpGate>) -> io::Result<Self> {
        Ok(Self {
            listener: TcpListener::from_std(listener)?,
            gate,
        })
    }

    /// Returns the gate.
    #[must_use]
    pub const fn gate(&self) -> &Arc<TcpGate> {
        &self.gate
    }
}

impl Listener for TcpDoor {
    type Stream = TcpStream;

    async fn accept(&self) -> io::Result<TcpStream> {
        let (stream, _) = self.listener.accept().await?;
        // Answers are small and whole: none has to wait for more.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "a connection waits before it sends");
        }
        Ok(stream)
    }

    /// Nobody knows who they are: all together are one.
    fn claimant_of(_stream: &TcpStream) -> Claimant {
        Claimant::default()
    }

    async fn peer_of(_stream: &TcpStream, _state: &AppState) -> io::Result<Peer> {
        Ok(Peer::over_tcp())
    }

    fn gate(&self) -> Option<&Arc<TcpGate>> {
        Some(&self.gate)
    }
}
