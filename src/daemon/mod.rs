//! Running the daemon: start, signals, stop.
//!
//! [`Daemon`] is the running daemon, for programs that embed it; [`run()`] is its life in a process of its own, from the
//! first line of the log to the exit. Starting opens the store, then the socket: a client that can connect is answered.
//! Stopping goes the other way round, and nothing acknowledged is lost by it.

mod access;
pub mod activation;
mod llm;
pub mod logging;
mod manager;
mod metrics;
mod patience;
mod predecessor;
mod reload;
mod retention;
mod run;
mod service_dirs;
pub mod signals;
mod start;
mod storage;
mod tcp;
#[cfg(test)]
mod tests;
mod watchdog;

pub use reload::Reload;
pub use run::{RunError, run};
pub use start::{Daemon, StartError};
pub use tcp::TcpError;
