//! `promptctl restore`: bring a version back from the trash.

use clap::Args;

use crate::cli::exit::{CliError, Exit};
use crate::cli::reference::ExactVersion;
use crate::cli::session::Session;

const EXAMPLES: &str = "\
Examples:
  promptctl restore greet@1.2.0
  promptctl trash greet                what can be restored";

/// Bring versions back from the trash, and print NAME@VERSION of each
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct RestoreArgs {
    /// The versions
    #[arg(value_name = "NAME@VERSION", required = true)]
    versions: Vec<ExactVersion>,

    /// Print the whole version documents
    #[arg(long)]
    json: bool,
}

/// Brings them back.
pub(super) async fn run(args: RestoreArgs, session: &mut Session) -> Result<Exit, CliError> {
    let client = session.client();
    for target in &args.versions {
        let document = client.restore(&target.id, &target.version).await?;
        if args.json {
            session.console.data(&document.bytes)?;
        } else {
            session.console.line(target)?;
        }
    }
    Ok(Exit::Success)
}
