//! The HTTP API over the Unix socket.
