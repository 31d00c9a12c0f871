//! Language models behind a real HTTP server with scripted answers.

mod calls;
mod costs;
mod jobs;
mod kills;
mod secrets;
