//! `promptctl trash`: what was deleted.

use clap::Args;

use crate::cli::exit::{CliError, Exit};
use crate::cli::session::Session;
use crate::cli::table::{Cell, Table};
use crate::model::PromptId;

const EXAMPLES: &str = "\
Examples:
  promptctl trash
  promptctl trash greet
  promptctl restore greet@1.2.0        bring one of them back";

/// List what was deleted and can be restored
///
/// Columns in a pipe: version, time, who deleted it, where it was.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct TrashArgs {
    /// Only versions of this prompt
    name: Option<PromptId>,

    /// Print one JSON object per line
    #[arg(long)]
    json: bool,
}

/// Lists it.
pub(super) async fn run(args: TrashArgs, session: &mut Session) -> Result<Exit, CliError> {
    let client = session.client();
    let mut pages = client.trash(args.name.as_ref());
    let mut table = Table::new(["VERSION", "DELETED", "BY", "WAS IN"]);
    let mut count = 0;
    while let Some(versions) = pages.next().await? {
        count += versions.len();
        for version in &versions {
            if args.json {
                session.console.json_line(version)?;
                continue;
            }
            table.row([
                Cell::of(format_args!("{}@{}", version.prompt_id, version.version)),
                Cell::time(version.deleted_at.as_ref()),
                Cell::maybe(version.deleted_by.as_ref().map(|author| &author.name)),
                Cell::of(&version.deleted_from),
            ]);
        }
    }
    if count == 0 {
        session.console.say("the trash is empty");
    }
    if !table.is_empty() {
        session.console.table(&table)?;
    }
    Ok(Exit::Success)
}
