//! `promptctl variants run`: call a command for each case of an outbox.

mod command;
mod drive;
mod journal;
mod outbox;
mod report;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;

use crate::cli::exit::{CliError, Exit};
use crate::cli::session::Session;
use crate::cli::verbs::evidence::import_run;
use crate::cli::wording::counted;
use crate::model::TestStatus;
use crate::variants::plan::{ExecutionPolicy, StopConditions};
use crate::variants::run::{Journal, Statistics, StopReason};
use crate::variants::{MANIFEST_FILE, RESULTS_FILE};
use outbox::Outbox;

const EXAMPLES: &str = "\
Examples:
  promptctl variants run bot.variants -- ./run-case.sh
  promptctl variants run bot.variants --concurrency 4 --timeout 60 -- python3 call_dify.py --env staging
  promptctl variants run bot.variants --variant default --variant brief -- ./run-case.sh
  promptctl variants run bot.variants --retry-failed -- ./run-case.sh
  promptctl variants run bot.variants --evidence -- ./run-case.sh

The command is called without a shell, once for each case. It reads one JSON object on its standard input: the case, 'document' (the
path of its workflow document) and 'attempt'. It prints one JSON object: status (success, failed, timeout or error), outputs,
tokens_used, cost, error_message, metadata; everything may be missing. It sees your environment as it is.

Exit codes: 0 every case has succeeded; 1 some have not, or the run ended early; 4 another run uses the outbox, or its files are
not what the manifest says; 130 interrupted. Results that are there are kept, and running it again goes on after them.";

/// Call a command for each case of an outbox, and gather the results
///
/// Each result is a line of results.jsonl in the outbox, synced before the next step. Cases that have one are not run again. How
/// many run at once, how long, how often, and when it is enough stands in the plan; options override it. Columns in a
/// pipe: variant, cases, succeeded, failed, timeout, error, not run, success rate, mean seconds, tokens, cost.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct RunArgs {
    /// The directory that 'promptctl variants' has written
    #[arg(value_name = "OUTBOX")]
    outbox: PathBuf,

    /// The command and its arguments
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<OsString>,

    /// Only cases of this variant. May be repeated
    #[arg(long, value_name = "VARIANT")]
    variant: Vec<String>,

    /// Only cases of this dataset. May be repeated
    #[arg(long, value_name = "DATASET")]
    dataset: Vec<String>,

    /// Also run cases again whose last result is no success
    #[arg(long)]
    retry_failed: bool,

    /// How many at once [default: as planned]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    concurrency: Option<u16>,

    /// How long one attempt may take [default: as planned, else 300]
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    timeout: Option<f64>,

    /// How often a case is tried in all [default: as planned]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100))]
    max_attempts: Option<u32>,

    /// Also add the results to the versions that the variants are made of, as 'promptctl evidence import' does
    #[arg(long)]
    evidence: bool,

    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// How a run ended.
#[derive(Debug, Default)]
struct Ending {
    stopped: Option<StopReason>,
    is_interrupted: bool,
    /// Messages of cases that did not succeed, with their case.
    complaints: Vec<(String, TestStatus, String)>,
}

/// Runs them.
pub(super) async fn run(args: RunArgs, session: &mut Session) -> Result<Exit, CliError> {
    let outbox = Outbox::open(&args.outbox)?;
    let chosen = outbox.chosen(&args)?;
    outbox.verify(&chosen)?;
    let mut file = journal::open(&outbox.path.join(RESULTS_FILE), session)?;
    let todo: Vec<usize> = chosen
        .iter()
        .copied()
        .filter(|at| {
            outbox
                .case(*at)
                .is_some_and(|case| is_wanted(&file.journal, &case.case_id, args.retry_failed))
        })
        .collect();
    let skipped = chosen.len() - todo.len();
    if skipped > 0 {
        session.console.say(format_args!(
            "{skipped} of {} cases have their result already",
            chosen.len()
        ));
    }
    let policy = policy(&outbox.manifest.execution, &args);
    let ending = drive::drive(&outbox, &todo, &policy, &args.command, &mut file, session).await?;
    report::show(&outbox, &chosen, &file.journal, &ending, &args, session)?;
    hand_over(&outbox, &file.path, args.evidence, session).await?;
    let cases = chosen.iter().filter_map(|at| outbox.case(*at));
    let statistics = Statistics::of(cases, &file.journal);
    Ok(exit(&statistics, &ending))
}

/// Hands the results over as evidence, or says how that is done. Those that were added before add nothing.
async fn hand_over(
    outbox: &Outbox,
    results: &Path,
    is_wanted: bool,
    session: &mut Session,
) -> Result<(), CliError> {
    let shown = results.display();
    session.console.say(format_args!("the results are in {shown}"));
    if !is_wanted {
        let manifest = outbox.path.join(MANIFEST_FILE);
        session.console.say(format_args!(
            "'promptctl evidence import {shown} --manifest {}' adds them to their versions",
            manifest.display()
        ));
        return Ok(());
    }
    let receipt = import_run(results, &outbox.manifest, session).await?;
    session.console.say(format_args!(
        "{} added to {}, {} there already",
        counted(receipt.added, "result"),
        counted(receipt.versions.len() as u64, "version"),
        receipt.known
    ));
    Ok(())
}

fn is_wanted(journal: &Journal, case: &str, retry_failed: bool) -> bool {
    let last = journal.of(case);
    last.is_none_or(|entry| retry_failed && entry.status != TestStatus::Success)
}

/// Returns how the cases are run: as planned, with what the options say instead.
fn policy(planned: &ExecutionPolicy, args: &RunArgs) -> ExecutionPolicy {
    let mut policy = planned.clone();
    if let Some(concurrency) = args.concurrency {
        policy.concurrency = concurrency.into();
    }
    if let Some(attempts) = args.max_attempts {
        policy.retry_policy.max_attempts = attempts;
    }
    policy.stop_conditions.timeout_per_task = args.timeout.or(policy.stop_conditions.timeout_per_task);
    policy
}

/// Returns how long one attempt may take.
fn time_limit(policy: &ExecutionPolicy) -> Duration {
    let seconds = policy.stop_conditions.timeout_per_task;
    Duration::try_from_secs_f64(seconds.unwrap_or(StopConditions::DEFAULT_TIMEOUT_PER_TASK))
        .unwrap_or(Duration::MAX)
}

const fn exit(statistics: &Statistics, ending: &Ending) -> Exit {
    if ending.is_interrupted {
        Exit::Interrupted
    } else if ending.stopped.is_none() && statistics.succeeded == statistics.total {
        Exit::Success
    } else {
        Exit::Failure
    }
}

fn seconds(text: &str) -> Result<f64, String> {
    let number: f64 = text
        .parse()
        .map_err(|_| format!("'{text}' is no number of seconds"))?;
    match number {
        0.001..=604_800.0 => Ok(number),
        _ => Err("it must be 0.001 to 604800".to_owned()),
    }
}
