//! `promptctl promote`: make a release of a candidate.

use clap::Args;

use super::put;
use crate::cli::exit::{CliError, Exit};
use crate::cli::patience::patiently;
use crate::cli::session::Session;
use crate::model::{VersionRef, VersionSelector};

const EXAMPLES: &str = "\
Examples:
  promptctl promote greet@1.1.0-opt.2
  promptctl promote greet@1.1.0-opt.1 --force            though it was refused, is worse, or the prompt has changed since

Exit codes: 0 done, or done before; 4 it is no candidate, was refused, was made from another release
than the latest, or its tests went worse than those of its parent.";

/// Make a release of a candidate that 'promptctl optimize' has kept
///
/// The release has the text of the candidate. Promoting a candidate again makes no second release. Prints NAME@VERSION.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct PromoteArgs {
    /// The candidate, such as greet@1.1.0-opt.2
    #[arg(value_name = "NAME@VERSION")]
    candidate: VersionRef,

    /// Also when it was refused, was made from another release than the latest, or was measured to be worse
    #[arg(long)]
    force: bool,

    /// Print the whole version document
    #[arg(long)]
    json: bool,
}

/// Promotes it.
pub(super) async fn run(args: PromoteArgs, session: &mut Session) -> Result<Exit, CliError> {
    let VersionRef { prompt_id, selector } = &args.candidate;
    let VersionSelector::Exact(version) = selector else {
        let message = format!("'{selector}' is no exact version");
        return Err(CliError::usage(message).hint("'promptctl log NAME' lists the candidates"));
    };
    let client = session.client();
    let stored = patiently(|| client.promote(prompt_id, version, args.force)).await?;
    put::show(session, &stored, args.json)
}
