//! `promptctl version`: the versions of both ends.

use clap::Args;
use serde_json::json;

use crate::cli::exit::{CliError, Exit};
use crate::cli::session::Session;

const EXAMPLES: &str = "\
Examples:
  promptctl version
  promptctl version --json";

/// Print the versions of promptctl and of the promptd that it talks to
///
/// When promptd cannot be reached, its version is left out and the exit code is 69.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct VersionArgs {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Prints them.
pub(super) async fn run(args: VersionArgs, session: &mut Session) -> Result<Exit, CliError> {
    let own = env!("CARGO_PKG_VERSION");
    let asked = session.client().status_json().await;
    let daemon = asked
        .as_ref()
        .ok()
        .and_then(|status| status.get("version")?.as_str());
    if args.json {
        session
            .console
            .json_line(&json!({"promptctl": own, "promptd": daemon}))?;
    } else {
        session.console.line(format_args!("promptctl {own}"))?;
        if let Some(version) = daemon {
            session.console.line(format_args!("promptd {version}"))?;
        }
    }
    match asked {
        Ok(_) => Ok(Exit::Success),
        Err(error) => Err(error.into()),
    }
}
