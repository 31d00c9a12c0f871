//! The API over TCP on the loopback, for programs that cannot open a Unix socket, such as Prometheus. Off unless it is
//! configured.
//!
//! The kernel does not say who is at the other end of such a connection, and a browser on the same host can reach it on
//! behalf of any web page. So a request needs a token, a `Host` that means this host, and no `Origin` of a stranger; and it is
//! answered only when it reads what [`Class`] of it is served. Nothing is ever written.

mod class;
mod door;
mod gate;
mod host;

pub use class::Class;
pub use door::TcpDoor;
pub use gate::{TcpGate, TcpOptions, Token, WeakToken};

pub(super) use gate::Refusal;
