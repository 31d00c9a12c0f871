//! `promptctl import dir`: bring a directory of version files in.

mod mapping;
mod upload;
mod walk;

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use serde_json::json;

use crate::cli::exit::{CliError, Exit};
use crate::cli::progress::Progress;
use crate::cli::session::Session;
use crate::cli::table::{Cell, Table};
use crate::cli::wording::counted;
use crate::client::Pool;

use upload::{Imported, Outcome};

const EXAMPLES: &str = "\
Examples:
  promptctl import dir backup/                 what 'promptctl export' wrote
  promptctl import dir /srv/dify_autoopt/data --dry-run
  promptctl import dir old_store/ --json

Exit codes: 0 everything is in the store now, 4 some numbers hold other content there, 1 some files could not be read.";

/// How many prompts are brought in at once.
const CONCURRENT_PROMPTS: usize = 16;

/// Bring a directory of version files in: a store of the Python system (flat or sharded), or an export
///
/// Reads NAME/VERSION.json at most four levels deep; hidden files are passed over. A version keeps its number and times.
/// What is there already with the same content stays as it is, so the command can be repeated. Names and numbers that
/// promptd does not take are changed (a name to what is usable of it and a hash, a number to the next free one), and the
/// original is kept in metadata.imported_from. A checksum that is no longer right is dropped.
///
/// Columns in a pipe, for what was not brought in: file, version, outcome, reason; with --dry-run for every file.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct DirArgs {
    /// The directory
    #[arg(value_name = "DIR")]
    directory: PathBuf,

    /// Only say what would be done
    #[arg(long)]
    dry_run: bool,

    /// Print one JSON object per file
    #[arg(long)]
    json: bool,
}

/// How many files fared how.
#[derive(Debug, Default, PartialEq, Eq)]
struct Counts {
    created: usize,
    unchanged: usize,
    conflicts: usize,
    failed: usize,
}

/// Brings it in.
pub(super) async fn run(args: DirArgs, session: &mut Session) -> Result<Exit, CliError> {
    let prompts = walk::version_files(&args.directory)?;
    let files: usize = prompts.iter().map(|prompt| prompt.files.len()).sum();
    if files == 0 {
        let message = format!("{} holds no version files", args.directory.display());
        return Err(
            CliError::failure(message).hint("they are named NAME/VERSION.json, such as greet/1.0.0.json")
        );
    }
    let pool = Arc::new(Pool::new(&session.client(), CONCURRENT_PROMPTS));
    // One request first, so that a daemon that is not there is one error and not one per file.
    pool.client().await.health().await?;
    let progress = Progress::start(&session.console, "importing", files as u64);
    let imported = upload::all(prompts, &pool, args.dry_run, &progress).await;
    progress.finish();
    show(&imported, &args, session)
}

fn show(imported: &[Imported], args: &DirArgs, session: &mut Session) -> Result<Exit, CliError> {
    let counts = count(imported);
    let mut table = Table::new(["FILE", "VERSION", "OUTCOME", "REASON"]);
    for file in imported {
        let path = file
            .path
            .strip_prefix(&args.directory)
            .unwrap_or(&file.path)
            .display();
        let (word, reason) = word_of(&file.outcome, args.dry_run);
        if args.json {
            session.console.json_line(
                &json!({"file": file.path.display().to_string(), "version": file.target,
                "outcome": word, "reason": reason}),
            )?;
        } else if reason.is_some() || args.dry_run {
            table.row([
                Cell::of(path),
                Cell::maybe(file.target.as_ref()),
                Cell::of(word),
                Cell::maybe(reason),
            ]);
        }
    }
    if !table.is_empty() {
        session.console.table(&table)?;
    }
    session.console.say(summary(&counts, args.dry_run));
    Ok(match counts {
        Counts { failed: 1.., .. } => Exit::Failure,
        Counts { conflicts: 1.., .. } => Exit::Conflict,
        _ => Exit::Success,
    })
}

fn count(imported: &[Imported]) -> Counts {
    let mut counts = Counts::default();
    for file in imported {
        match file.outcome {
            Outcome::Created => counts.created += 1,
            Outcome::Unchanged => counts.unchanged += 1,
            Outcome::Conflict(_) => counts.conflicts += 1,
            Outcome::Failed(_) => counts.failed += 1,
        }
    }
    counts
}

fn word_of(outcome: &Outcome, dry_run: bool) -> (&'static str, Option<&String>) {
    match outcome {
        Outcome::Created if dry_run => ("would create", None),
        Outcome::Created => ("created", None),
        Outcome::Unchanged => ("unchanged", None),
        Outcome::Conflict(reason) => ("conflict", Some(reason)),
        Outcome::Failed(reason) => ("failed", Some(reason)),
    }
}

fn summary(counts: &Counts, dry_run: bool) -> String {
    let Counts {
        created,
        unchanged,
        conflicts,
        failed,
    } = counts;
    let created_word = if dry_run { "to create" } else { "created" };
    format!(
        "{created} {created_word}, {unchanged} unchanged, {}, {failed} failed",
        counted(*conflicts as u64, "conflict")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_did_not_work_is_counted_apart() {
        let file = |outcome: Outcome| Imported {
            path: PathBuf::new(),
            target: None,
            outcome,
        };
        let imported = [
            file(Outcome::Created),
            file(Outcome::Unchanged),
            file(Outcome::Conflict("other content".to_owned())),
            file(Outcome::Failed("no JSON".to_owned())),
            file(Outcome::Created),
        ];
        let counts = count(&imported);
        assert_eq!(
            summary(&counts, false),
            "2 created, 1 unchanged, 1 conflict, 1 failed"
        );
        assert_eq!(
            summary(&counts, true),
            "2 to create, 1 unchanged, 1 conflict, 1 failed"
        );
    }
}
