//! `promptctl rollback`: go back to an old version.

use clap::Args;

use super::put;
use crate::cli::exit::{CliError, Exit};
use crate::cli::session::Session;
use crate::model::VersionRef;

const EXAMPLES: &str = "\
Examples:
  promptctl rollback greet@1.0.0
  promptctl rollback greet@production";

/// Make a new version with the content of an old one
///
/// Nothing is removed: the new version records which one it restores and which one it replaces. Prints NAME@VERSION.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct RollbackArgs {
    /// The version to go back to
    #[arg(value_name = "NAME@REF")]
    to: VersionRef,

    /// Print the whole version document
    #[arg(long)]
    json: bool,
}

/// Goes back.
pub(super) async fn run(args: RollbackArgs, session: &mut Session) -> Result<Exit, CliError> {
    let VersionRef { prompt_id, selector } = &args.to;
    let stored = session.client().rollback(prompt_id, selector).await?;
    put::show(session, &stored, args.json)
}
