//! `promptctl latest`: which version is the latest.

use clap::Args;

use crate::cli::exit::{CliError, Exit};
use crate::cli::session::Session;
use crate::model::PromptId;

const EXAMPLES: &str = "\
Examples:
  promptctl latest greet
  promptctl get \"$(promptctl latest greet)\"";

/// Print which version of a prompt is the latest, as NAME@VERSION
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct LatestArgs {
    /// The name of the prompt
    name: PromptId,

    /// Print what is known of the prompt: latest version, number of versions, labels, times
    #[arg(long)]
    json: bool,
}

/// Prints it.
pub(super) async fn run(args: LatestArgs, session: &mut Session) -> Result<Exit, CliError> {
    let prompt = session.client().prompt(&args.name).await?;
    if args.json {
        session.console.json_line(&prompt)?;
        return Ok(Exit::Success);
    }
    match &prompt.latest_version {
        Some(version) => session
            .console
            .line(format_args!("{}@{version}", prompt.prompt_id))?,
        None => {
            let message = format!("prompt {} has no version that is not in the trash", args.name);
            return Err(CliError::new(Exit::NotFound, message).hint(format!(
                "'promptctl trash {}' lists what can be restored",
                args.name
            )));
        }
    }
    Ok(Exit::Success)
}
