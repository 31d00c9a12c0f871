//! The one integration test binary: it runs the real `promptd` and `promptctl` over a real socket.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::print_stderr,
    missing_docs,
    unreachable_pub
)]
#![expect(
    clippy::disallowed_methods,
    reason = "these tests make, damage and look at files as a person or another program does"
)]

mod harness;

mod access;
mod audit;
mod backups;
mod bad_input;
mod by_hand;
mod doctor;
mod documents;
mod evidence;
mod foreign_stores;
mod hostile_backups;
mod hostile_paths;
mod kills;
mod layout;
mod lifecycle;
mod llm;
mod load;
mod metrics;
mod optimize;
mod outside;
mod overload;
mod package;
mod read_only;
mod readme;
mod scrubbing;
mod service_manager;
mod slow_clients;
mod store_root;
mod tcp;
mod unreadable;
mod upkeep;
mod variants;
mod watch;
mod workflow_export;
mod workflows;
