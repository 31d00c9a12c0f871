//! `promptctl collect`: move old versions to the trash, and forget what lies there for long.

use clap::Args;
use serde_json::{Map, Value, json};

use super::job;
use crate::cli::age::Age;
use crate::cli::exit::{CliError, Exit};
use crate::cli::session::Session;
use crate::cli::table::{Cell, Table};
use crate::cli::wording::{self, counted};
use crate::model::PromptId;
use crate::storage::retention::{CollectAction, CollectReport, Tally};

const EXAMPLES: &str = "\
Examples:
  promptctl collect --keep-last 20                         what would go
  promptctl collect --keep-last 20 --apply                 move it to the trash
  promptctl collect --prefix wf_ --keep-last 5 --keep-newer-than 90d
  promptctl collect --trash-older-than 30d --apply         forget what was deleted a month ago

Exit codes: 0 done, 1 something could not be collected.";

/// Move old versions to the trash, and forget what lies there for long
///
/// Says what would be done; does it with --apply. The latest version, versions with a label and the parents of versions
/// that stay are never moved, and numbers stay used. Columns in a pipe: move or purge, NAME@VERSION, bytes, time.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
#[group(id = "what", required = true, multiple = true, args = ["keep_last", "trash_older_than"])]
pub(crate) struct CollectArgs {
    /// Only these prompts
    #[arg(value_name = "NAME")]
    names: Vec<PromptId>,

    /// Only prompts whose names begin so
    #[arg(long, value_name = "PREFIX")]
    prefix: Option<String>,

    /// Keep the highest COUNT versions of each prompt, and move older ones to the trash
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u64).range(1..))]
    keep_last: Option<u64>,

    /// Keep versions younger than AGE as well, such as 90d
    #[arg(long, value_name = "AGE", requires = "keep_last")]
    keep_newer_than: Option<Age>,

    /// Forget for good what was deleted longer ago than AGE, such as 30d. Cannot be undone
    #[arg(long, value_name = "AGE")]
    trash_older_than: Option<Age>,

    /// Do it; without it nothing is changed
    #[arg(long, visible_alias = "yes")]
    apply: bool,

    /// Print the report as JSON
    #[arg(long)]
    json: bool,
}

/// Collects.
pub(super) async fn run(args: CollectArgs, session: &mut Session) -> Result<Exit, CliError> {
    let client = session.client();
    let submitted = client.submit_job("collect", params(&args)).await?;
    let job = job::wait_for(&client, &submitted.job_id, session).await?;
    let report: CollectReport = job::result_of(&job, "collection")?;
    if args.json {
        session.console.json(&report)?;
    } else {
        let table = items(&report);
        if !table.is_empty() {
            session.console.table(&table)?;
        }
        for skipped in &report.skipped {
            session
                .console
                .warn(format_args!("{}: {}", skipped.prompt_id, skipped.reason));
        }
        session.console.say(summary(&report));
    }
    Ok(if report.skipped.is_empty() {
        Exit::Success
    } else {
        Exit::Failure
    })
}

fn params(args: &CollectArgs) -> Map<String, Value> {
    let mut params = Map::new();
    params.insert("apply".into(), json!(args.apply));
    if !args.names.is_empty() {
        params.insert("prompts".into(), json!(args.names));
    }
    let seconds = |age: Option<Age>| age.map(|age| json!(age.seconds));
    for (key, value) in [
        ("prefix", args.prefix.as_ref().map(|prefix| json!(prefix))),
        ("keep_last", args.keep_last.map(|count| json!(count))),
        ("keep_newer_than_seconds", seconds(args.keep_newer_than)),
        ("trash_older_than_seconds", seconds(args.trash_older_than)),
    ] {
        if let Some(value) = value {
            params.insert(key.to_owned(), value);
        }
    }
    params
}

fn items(report: &CollectReport) -> Table {
    let mut table = Table::new(["ACTION", "VERSION", "BYTES", "SINCE"]).numbers([2]);
    for item in &report.items {
        let action = match item.action {
            CollectAction::Move => "move",
            CollectAction::Purge => "purge",
        };
        table.row([
            Cell::of(action),
            Cell::of(format_args!("{}@{}", item.prompt_id, item.version)),
            Cell::of(item.bytes),
            Cell::time(item.since.as_ref()),
        ]);
    }
    table
}

fn summary(report: &CollectReport) -> String {
    let sum = |tally: &Tally| {
        let versions = counted(tally.count, "version");
        format!("{versions} ({})", wording::bytes(tally.bytes))
    };
    let (moved, purged) = (sum(&report.moved), sum(&report.purged));
    let not_listed = match report.not_listed {
        0 => String::new(),
        count => format!("; {count} are not listed"),
    };
    if report.applied {
        format!("moved {moved} to the trash, forgot {purged} for good{not_listed}")
    } else {
        format!("would move {moved} to the trash and forget {purged} for good{not_listed}; --apply does it")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dry_run_says_that_it_is_one() {
        let mut report = CollectReport::default();
        report.moved.add(2048);
        report.purged.add(10);
        report.purged.add(10);
        assert_eq!(
            summary(&report),
            "would move 1 version (2.0 KiB) to the trash and forget 2 versions (20 B) for good; --apply does it"
        );
        report.applied = true;
        report.not_listed = 7;
        assert_eq!(
            summary(&report),
            "moved 1 version (2.0 KiB) to the trash, forgot 2 versions (20 B) for good; 7 are not listed"
        );
    }
}
