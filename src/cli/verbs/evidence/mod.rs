//! `promptctl evidence`: what tests of versions measured.

mod import;
mod manifest;
mod show;

pub(super) use import::import_run;
pub(super) use show::figures_of;

use clap::{Args, Subcommand};

use crate::cli::exit::{CliError, Exit};
use crate::cli::session::Session;

const EXAMPLES: &str = "\
Examples:
  promptctl evidence import results.jsonl --to greet@1.2.0
  promptctl evidence import results.csv --manifest outbox/manifest.json
  promptctl evidence show greet@1.2.0
  promptctl diff greet@1.1.0..1.2.0 --stat     the figures of two versions side by side";

/// Keep what tests of versions measured, and show what it adds up to
///
/// With enough results, 'best', the strategy 'auto' and promotion go by them (docs/scoring.md).
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES, arg_required_else_help = true)]
pub(crate) struct EvidenceArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Import(import::ImportArgs),
    Show(show::ShowArgs),
}

/// Does it.
pub(super) async fn run(args: EvidenceArgs, session: &mut Session) -> Result<Exit, CliError> {
    match args.command {
        Command::Import(args) => import::run(args, session).await,
        Command::Show(args) => show::run(args, session).await,
    }
}
