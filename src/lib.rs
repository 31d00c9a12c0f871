//! promptd: every version of every prompt is one plain JSON file, and what was acknowledged survives a crash.

#![cfg_attr(
    test,
    expect(
        clippy::disallowed_methods,
        reason = "tests make and damage files themselves; what is compiled into the programs is checked without them"
    )
)]

#[cfg(panic = "abort")]
compile_error!("promptd needs unwinding: a panic in one actor must not end the daemon");

#[cfg(all(feature = "hang-actor", not(debug_assertions)))]
compile_error!("hang-actor is for tests: nothing that is installed may hang when it is told to");

pub mod access;
pub mod admission;
pub mod audit;
pub mod cli;
pub mod client;
pub mod config;
mod credential;
pub mod daemon;
pub mod dify;
pub mod evidence;
#[cfg(test)]
mod fuzz;
pub mod http;
pub mod jobs;
pub mod llm;
pub mod log_events;
pub mod metrics;
pub mod model;
pub mod optimizer;
pub mod storage;
pub mod throttle;
pub mod variants;
pub mod versions;
