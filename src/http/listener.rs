//! Where connections come from: what the accept loop must know of a listener.

use std::io;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{UnixListener, UnixStream};

use crate::admission::Claimant;

use super::AppState;
use super::peer::{self, Peer};
use super::tcp::TcpGate;

/// A listener of either kind.
pub(super) trait Listener: Send + Sync + 'static {
    /// What a connection is.
    type Stream: AsyncRead + AsyncWrite + Unpin + Send + Sync + 'static;

    /// Waits for the next connection.
    fn accept(&self) -> impl Future<Output = io::Result<Self::Stream>> + Send;

    /// Returns who takes a place among the connections.
    fn claimant_of(stream: &Self::Stream) -> Claimant;

    /// Finds out who is at the other end.
    ///
    /// # Errors
    /// When nobody can tell; then the connection must not be served.
    fn peer_of(stream: &Self::Stream, state: &AppState) -> impl Future<Output = io::Result<Peer>> + Send;

    /// Returns what each request has to pass, where the kernel does not say who asks.
    fn gate(&self) -> Option<&Arc<TcpGate>>;
}

impl Listener for UnixListener {
    type Stream = UnixStream;

    async fn accept(&self) -> io::Result<UnixStream> {
        let (stream, _) = Self::accept(self).await?;
        Ok(stream)
    }

    fn claimant_of(stream: &UnixStream) -> Claimant {
        peer::claimant_of(stream)
    }

    async fn peer_of(stream: &UnixStream, state: &AppState) -> io::Result<Peer> {
        state.users().peer_of(stream).await
    }

    fn gate(&self) -> Option<&Arc<TcpGate>> {
        None
    }
}
