//! The limits of the HTTP side, one number each.

use std::time::Duration;

use crate::admission::Bounds;

/// Every limit that the HTTP side keeps (configuration section `daemon.limits`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpLimits {
    /// The largest body of a request, in bytes.
    pub max_body_bytes: usize,
    /// The largest body of a request that submits a job, in bytes: it may carry a workflow document.
    pub max_import_bytes: usize,
    /// How many connections are served at once; more are answered with `busy`.
    pub max_connections: usize,
    /// How many connections of one user are served at once.
    pub max_connections_per_peer: usize,
    /// How many requests are worked on at once; more are answered with `busy`. Waiting for a job is not work.
    pub max_requests_in_flight: usize,
    /// How many requests of one user are worked on at once.
    pub max_requests_in_flight_per_peer: usize,
    /// How many bytes of large bodies and answers are held at once; more are answered with `busy`.
    pub max_bytes_in_flight: usize,
    /// How long a client may take from the first byte of a request to the end of its headers.
    pub header_timeout_ms: u64,
    /// How long a client may take to send a body.
    pub body_timeout_ms: u64,
    /// How long a request is worked on before the client is told that it took too long.
    pub request_timeout_ms: u64,
    /// How long a connection may stay open without a request, or without taking what was written to it.
    pub idle_timeout_ms: u64,
    /// How long requests may go on after the daemon was told to stop.
    pub drain_timeout_ms: u64,
    /// How many streams of changes are open at once; more are answered with `busy`.
    pub max_watch_streams: usize,
    /// How many of them one user may have.
    pub max_watch_streams_per_peer: usize,
    /// How long such a stream says nothing.
    pub watch_heartbeat_ms: u64,
    /// The largest page of a list.
    pub max_page_items: usize,
    /// The page of a list when the client names no size.
    pub default_page_items: usize,
    /// The largest page of whole documents.
    pub max_history_documents: usize,
}

impl Default for HttpLimits {
    fn default() -> Self {
        Self {
            max_body_bytes: 4 << 20,
            max_import_bytes: 16 << 20,
            max_connections: 256,
            max_connections_per_peer: 192,
            max_requests_in_flight: 1_024,
            max_requests_in_flight_per_peer: 768,
            max_bytes_in_flight: 128 << 20,
            header_timeout_ms: 10_000,
            body_timeout_ms: 30_000,
            request_timeout_ms: 30_000,
            idle_timeout_ms: 300_000,
            drain_timeout_ms: 20_000,
            max_watch_streams: 64,
            max_watch_streams_per_peer: 32,
            watch_heartbeat_ms: 15_000,
            max_page_items: 1_000,
            default_page_items: 50,
            max_history_documents: 200,
        }
    }
}

impl HttpLimits {
    pub(super) const fn connections(&self) -> Bounds {
        Bounds {
            all: self.max_connections,
            per_peer: self.max_connections_per_peer,
        }
    }

    pub(super) const fn requests(&self) -> Bounds {
        Bounds {
            all: self.max_requests_in_flight,
            per_peer: self.max_requests_in_flight_per_peer,
        }
    }

    pub(super) const fn bytes(&self) -> Bounds {
        Bounds {
            all: self.max_bytes_in_flight,
            per_peer: self.max_bytes_in_flight,
        }
    }

    pub(super) const fn header_timeout(&self) -> Duration {
        Duration::from_millis(self.header_timeout_ms)
    }

    pub(super) const fn body_timeout(&self) -> Duration {
        Duration::from_millis(self.body_timeout_ms)
    }

    pub(super) const fn request_timeout(&self) -> Duration {
        Duration::from_millis(self.request_timeout_ms)
    }

    pub(super) const fn idle_timeout(&self) -> Duration {
        Duration::from_millis(self.idle_timeout_ms)
    }

    pub(super) const fn drain_timeout(&self) -> Duration {
        Duration::from_millis(self.drain_timeout_ms)
    }
}
