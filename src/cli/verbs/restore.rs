//! `promptctl restore`: bring versions back, from the trash or from a backup.

use clap::Args;
use serde_json::{Map, json};

use super::backup::{problems, run_job};
use crate::cli::exit::{CliError, Exit};
use crate::cli::reference::ExactVersion;
use crate::cli::session::Session;
use crate::cli::wording::counted;
use crate::model::PromptId;
use crate::storage::RestoreReport;

const EXAMPLES: &str = "\
Examples:
  promptctl restore greet@1.2.0           from the trash
  promptctl trash greet                   what lies there
  promptctl restore nightly --dry-run     from a backup: what would come back from the newest snapshot in 'nightly'
  promptctl restore nov.tar.zst           everything in an archive, into an empty store
  promptctl restore nightly --prompt greet --prompt bye
  promptctl restore nightly --all --lost  whatever is missing, after files were lost
  promptctl backup list                   which backups there are

Exit codes: 0 done, 1 it did not work, 4 something contradicts the store: it is listed, and the store stays as it is there.";

/// Bring versions back, from the trash or from a backup
///
/// NAME@VERSION names versions in the trash; NAME@VERSION of each is printed. Anything else names a backup in the backup
/// directory of the daemon: a snapshot, an archive, or a directory of snapshots, of which the newest is taken. The whole
/// backup is checked before anything is written. What the store lacks is added byte for byte; what is there is never
/// overwritten. Columns of the conflicts in a pipe: kind, path beneath the store, what is wrong.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct RestoreArgs {
    /// Versions in the trash, or one backup
    #[arg(value_name = "NAME@VERSION|BACKUP", required = true)]
    sources: Vec<String>,

    /// Of the backup only this prompt; may be given several times
    #[arg(long = "prompt", value_name = "NAME", conflicts_with = "all")]
    prompts: Vec<PromptId>,

    /// Everything in the backup, also into a store that is not empty
    #[arg(long)]
    all: bool,

    /// Also numbers that were used here and are nowhere now: purged ones come back, too. Only from a backup of this store
    #[arg(long)]
    lost: bool,

    /// Only say what would come back from the backup
    #[arg(long)]
    dry_run: bool,

    /// Print the whole version documents, or the report on the backup
    #[arg(long)]
    json: bool,
}

/// Brings them back.
pub(super) async fn run(args: RestoreArgs, session: &mut Session) -> Result<Exit, CliError> {
    let versions: Vec<ExactVersion> = args.sources.iter().flat_map(|source| source.parse()).collect();
    let is_of_backup = args.all || args.lost || args.dry_run || !args.prompts.is_empty();
    if versions.len() == args.sources.len() && !is_of_backup {
        return from_trash(&versions, args.json, session).await;
    }
    match args.sources.as_slice() {
        [source] => from_backup(source, &args, session).await,
        _ => Err(CliError::usage(
            "name versions in the trash as NAME@VERSION, or one backup",
        )),
    }
}

async fn from_trash(versions: &[ExactVersion], json: bool, session: &mut Session) -> Result<Exit, CliError> {
    let client = session.client();
    for target in versions {
        let document = client.restore(&target.id, &target.version).await?;
        if json {
            session.console.data(&document.bytes)?;
        } else {
            session.console.line(target)?;
        }
    }
    Ok(Exit::Success)
}

async fn from_backup(source: &str, args: &RestoreArgs, session: &mut Session) -> Result<Exit, CliError> {
    let params = Map::from_iter([
        ("source".to_owned(), json!(source)),
        ("prompts".to_owned(), json!(args.prompts)),
        ("all".to_owned(), json!(args.all)),
        ("lost".to_owned(), json!(args.lost)),
        ("dry_run".to_owned(), json!(args.dry_run)),
    ]);
    let report: RestoreReport = run_job("restore", params, "restoring", session)
        .await
        .map_err(hint)?;
    if args.json {
        session.console.json(&report)?;
    } else {
        let conflicts = problems(&report.conflicts);
        if !conflicts.is_empty() {
            session.console.table(&conflicts)?;
        }
        session.console.say(summary(&report));
    }
    Ok(if report.conflicts.is_empty() {
        Exit::Success
    } else {
        Exit::Conflict
    })
}

fn hint(error: CliError) -> CliError {
    if error.message.contains("the store is not empty") {
        return error.hint("--prompt NAME restores one prompt, --all everything; try --dry-run first");
    }
    error
}

fn summary(report: &RestoreReport) -> String {
    let (verb, conflicts) = (
        if report.dry_run { "would be added" } else { "added" },
        match report.conflicts.len() as u64 {
            0 => "no conflicts".to_owned(),
            count => format!("{}, where the store stays as it is", counted(count, "conflict")),
        },
    );
    format!(
        "{} of {}: {}, {} in the trash, {} and {} with test results {verb}; {} there already; {conflicts}",
        counted(report.prompts, "prompt"),
        report.source,
        counted(report.versions, "version"),
        report.trashed,
        counted(report.labels, "label"),
        counted(report.evidence, "file"),
        counted(report.unchanged, "file")
    )
}
