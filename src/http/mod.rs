//! The API: HTTP/1.1 and JSON over a Unix socket, and where it is configured over the loopback; one file per resource.
//!
//! [`serve`] owns the connections: how many, how long, and who is at the other end, as the kernel says. [`router()`] owns
//! what is asked: every answer is JSON, every error a [`ProblemDetails`], every number in [`HttpLimits`] is kept.
//! Handlers read and write prompts through `versions` alone. Nothing here touches a disk but [`socket`].

mod access;
mod analyze;
mod audit;
mod backups;
mod body;
mod compare;
mod cursor;
mod evidence;
#[cfg(test)]
mod fuzz;
mod guard;
mod headers;
mod health;
mod jobs;
mod labels;
mod limits;
mod listener;
mod metrics;
mod openapi;
mod page;
mod params;
mod patience;
mod peer;
mod problem;
mod prompts;
mod query;
mod responses;
mod rewrite;
mod room;
mod router;
mod schema;
mod server;
pub mod socket;
mod state;
mod status;
mod stream;
pub mod tcp;
#[cfg(test)]
mod tests;
mod trash;
mod versions;
mod watch;
pub mod wire;

pub use limits::HttpLimits;
pub use openapi::openapi_json;
pub use problem::{Code, ProblemDetails};
pub use router::router;
pub use server::{serve, serve_tcp};
pub use state::AppState;
