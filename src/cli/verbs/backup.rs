//! `promptctl backup`: copies of the whole store.

use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};

use super::job;
use crate::cli::exit::{CliError, Exit};
use crate::cli::session::Session;
use crate::cli::table::{Cell, Table};
use crate::cli::wording::{bytes, counted};
use crate::storage::{BackupCheck, BackupForm, BackupReport, BackupSummary, Problem};

const EXAMPLES: &str = "\
Examples:
  promptctl backup                        a new snapshot in the directory 'default'
  promptctl backup nightly                a new snapshot in the directory 'nightly'
  promptctl backup nov.tar.zst            an archive, to take elsewhere
  promptctl backup list
  promptctl backup verify nightly         read the newest snapshot there from end to end
  promptctl restore nightly --dry-run     what would come back

Exit codes: 0 done (warnings are about the store, not about the backup), 1 it did not work.";

/// Make a backup of the whole store, list backups, check one
///
/// The daemon makes it while it serves: each prompt is copied as it was at one instant. Everything lies in the backup
/// directory of the daemon (optimizer.storage.config.backup_dir). A directory gets a new snapshot each time, named by the
/// time; files that did not change are hard links to the snapshot before. A backup was read back before it has its name.
/// Prints the path of the backup.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES, args_conflicts_with_subcommands = true)]
pub(crate) struct BackupArgs {
    #[command(subcommand)]
    action: Option<Action>,

    /// Where, in the backup directory: a directory, or a new archive that ends in .tar.zst; 'default' when left out
    #[arg(value_name = "DIR|FILE.tar.zst")]
    target: Option<String>,

    /// Print the report as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List complete backups. Columns in a pipe: path, time, prompts, versions, bytes
    List {
        /// Only those in this directory
        dir: Option<String>,
        /// Print one JSON object per line
        #[arg(long)]
        json: bool,
    },
    /// Read a backup from end to end and hold it against its inventory; exit code 1 when something is wrong
    Verify {
        /// A snapshot, an archive, or a directory of snapshots: then its newest
        source: String,
        /// Print the report as JSON
        #[arg(long)]
        json: bool,
    },
}

/// Does what was asked.
pub(super) async fn run(args: BackupArgs, session: &mut Session) -> Result<Exit, CliError> {
    match args.action {
        None => make(args.target, args.json, session).await,
        Some(Action::List { dir, json }) => list(dir.as_deref(), json, session).await,
        Some(Action::Verify { source, json }) => verify(&source, json, session).await,
    }
}

async fn make(target: Option<String>, json: bool, session: &mut Session) -> Result<Exit, CliError> {
    let params = target.map(|target| ("target".to_owned(), json!(target)));
    let report: BackupReport = run_job("backup", params.into_iter().collect(), "backup", session).await?;
    if json {
        session.console.json(&report)?;
        return Ok(Exit::Success);
    }
    for problem in &report.problems {
        session.console.warn(format_args!(
            "{}: {} ({})",
            problem.path, problem.message, problem.kind
        ));
    }
    session.console.line(&report.path)?;
    session.console.say(summary(&report));
    Ok(Exit::Success)
}

fn summary(report: &BackupReport) -> String {
    let counts = &report.counts;
    format!(
        "{}, {} and {} in the trash: {}, {} copied and {} linked, read back; {}",
        counted(counts.prompts, "prompt"),
        counted(counts.versions, "version"),
        counts.trashed,
        bytes(counts.bytes),
        report.copied,
        report.linked,
        report.full_path
    )
}

async fn list(dir: Option<&str>, json: bool, session: &mut Session) -> Result<Exit, CliError> {
    let mut backups = session.client().backups().await?;
    if let Some(dir) = dir {
        let prefix = format!("{}/", dir.trim_end_matches('/'));
        backups.retain(|backup| backup.path.starts_with(&prefix));
    }
    if json {
        for backup in &backups {
            session.console.json_line(backup)?;
        }
        return Ok(Exit::Success);
    }
    if backups.is_empty() {
        session.console.say("no backups");
        return Ok(Exit::Success);
    }
    session.console.table(&table(&backups))?;
    Ok(Exit::Success)
}

fn table(backups: &[BackupSummary]) -> Table {
    let mut table = Table::new(["BACKUP", "MADE", "PROMPTS", "VERSIONS", "BYTES"]).numbers([2, 3, 4]);
    for backup in backups {
        let counts = backup.inventory.as_ref().map(|inventory| inventory.counts);
        // Of an archive nothing but its size is known without reading it; a directory without an inventory is damaged.
        let unknown = match backup.form {
            BackupForm::Archive => "",
            BackupForm::Directory => "damaged",
        };
        let count = |number: Option<u64>| number.map_or_else(|| unknown.to_owned(), |n| n.to_string());
        table.row([
            Cell::of(&backup.path),
            Cell::time(Some(&backup.finished_at)),
            Cell::of(count(counts.map(|counts| counts.prompts))),
            Cell::of(count(counts.map(|counts| counts.versions))),
            Cell::of(backup.size),
        ]);
    }
    table
}

async fn verify(source: &str, json: bool, session: &mut Session) -> Result<Exit, CliError> {
    let params = Map::from_iter([("source".to_owned(), json!(source))]);
    let check: BackupCheck = run_job("verify_backup", params, "verification", session).await?;
    if json {
        session.console.json(&check)?;
    } else {
        let table = problems(&check.problems);
        if !table.is_empty() {
            session.console.table(&table)?;
        }
        session.console.say(check_summary(&check));
    }
    Ok(if check.problems.is_empty() {
        Exit::Success
    } else {
        Exit::Failure
    })
}

fn check_summary(check: &BackupCheck) -> String {
    let found = match check.problems.len() as u64 {
        0 => "whole".to_owned(),
        count => counted(count, "problem"),
    };
    format!(
        "{}: {}, {}: {} sealed, {} unsealed, {} edited, {} damaged in the store already; {found}",
        check.path,
        counted(check.counts.prompts, "prompt"),
        counted(check.counts.versions, "version"),
        check.sealed,
        check.unsealed,
        check.edited,
        check.damaged
    )
}

/// Makes a table of problems or conflicts.
pub(super) fn problems(problems: &[Problem]) -> Table {
    let mut table = Table::new(["PROBLEM", "WHERE", "WHAT"]);
    for problem in problems {
        table.row([
            Cell::of(&problem.kind),
            Cell::of(&problem.path),
            Cell::of(&problem.message),
        ]);
    }
    table
}

/// Submits a job, waits for its end, and returns its report.
pub(super) async fn run_job<T: serde::de::DeserializeOwned>(
    kind: &str,
    params: Map<String, Value>,
    what: &str,
    session: &mut Session,
) -> Result<T, CliError> {
    let client = session.client();
    let submitted = client.submit_job(kind, params).await?;
    let job = job::wait_for(&client, &submitted.job_id, session).await?;
    job::result_of(&job, what)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_list_tells_archives_from_damaged_snapshots() {
        let summary = |path: &str, form: &str, inventory: Value| {
            serde_json::from_value::<BackupSummary>(json!({
                "path": path, "form": form, "size": 7, "finished_at": "2026-11-22T22:15:00Z", "inventory": inventory
            }))
            .unwrap()
        };
        let inventory = json!({"created_at": "2026-11-22T22:15:00Z", "store_id": "s", "prompts": 2, "versions": 3,
            "trashed": 0, "files": 4, "bytes": 7});
        let backups = [
            summary("a.tar.zst", "archive", Value::Null),
            summary("default/x", "directory", Value::Null),
            summary("default/y", "directory", inventory),
        ];
        assert_eq!(
            table(&backups).for_programs(),
            "a.tar.zst\t2026-11-22T22:15:00Z\t\t\t7\n\
             default/x\t2026-11-22T22:15:00Z\tdamaged\tdamaged\t7\n\
             default/y\t2026-11-22T22:15:00Z\t2\t3\t7\n"
        );
    }
}
