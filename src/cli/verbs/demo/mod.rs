//! `promptctl demo`: everything at work on a throw-away store.

mod daemon;
mod script;

use clap::Args;

use crate::cli::exit::{CliError, Exit};
use crate::cli::session::Session;

const EXAMPLES: &str = "\
Examples:
  promptctl demo
  promptctl demo --color always | less -R";

/// See promptd at work: import, change, compare, label, roll back, crash, recover
///
/// Starts a promptd of its own (the one beside this promptctl) on a temporary store, shows each command and what it
/// prints, kills the daemon in the middle, and removes everything at the end, also after Ctrl-C. Nothing of yours is
/// touched.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct DemoArgs {}

/// Shows it.
pub(super) async fn run(_: DemoArgs, session: &mut Session) -> Result<Exit, CliError> {
    script::play(session).await
}
