//! `promptctl optimize`: rewrite the prompts of Dify workflows.

mod apply;
mod budget;
mod files;
mod report;
mod shown;

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::{Map, Value, json};

use super::job;
use crate::cli::exit::{CliError, Exit};
use crate::cli::patience::patiently;
use crate::cli::progress::Progress;
use crate::cli::session::Session;
use crate::client::Client;
use crate::http::wire::JobState;
use crate::jobs::OptimizeResult;
use crate::model::OptimizationStrategy;
use crate::optimizer::ScoringProfile;
use apply::Applied;
use budget::Budget;
use report::Report;

const EXAMPLES: &str = "\
Examples:
  promptctl optimize bot.yml --dry-run --diff            what would be made of it; nothing is stored
  promptctl optimize bot.yml                             keep the candidates
  promptctl optimize bot.yml --apply                     promote the best ones, put them into the file
  promptctl optimize exports/ --strategy efficiency_focus --min-improvement 2
  promptctl optimize exports/ --max-accepted 5 --max-failures 1
  promptctl optimize bot.yml --strategy llm_clarity --max-tokens 50000
  promptctl promote bot_1721117961155_system_0@1.1.0-opt.1

Running it again on the same file makes nothing new.

Exit codes: 0 done, also when nothing was accepted; 1 at least one file or\nprompt could not be done, or a strategy was given up for a\nprompt (its language model is down, a budget is used up); the others are done.";

/// Rewrite the prompts of Dify workflows by rules or a model, and keep the candidates
///
/// A text that scores well is left alone. Every rewriting is kept as a pre-release such as 1.1.0-opt.2, with its scores and
/// why it was refused if it was; nothing else changes without --apply. Columns in a pipe: file, name, strategy, score before,
/// score after, confidence, decision, version, note.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct OptimizeArgs {
    /// Workflow files, YAML or JSON, or directories of them
    #[arg(required = true, value_name = "FILE|DIR")]
    paths: Vec<PathBuf>,

    /// What to try; may be given again [default: as configured]
    #[arg(long = "strategy", value_name = "NAME", value_parser = super::rewrite::strategy)]
    strategies: Vec<OptimizationStrategy>,

    /// What the scores are made by [default: as configured]
    #[arg(long, value_name = "PROFILE", value_parser = super::analyze::profile)]
    profile: Option<ScoringProfile>,

    /// Leave texts alone that score at least this [default: as configured]
    #[arg(long, value_name = "SCORE", allow_negative_numbers = true, value_parser = points)]
    min_baseline_score: Option<f64>,

    /// The least gain that is accepted, in points [default: as configured]
    #[arg(long, value_name = "POINTS", allow_negative_numbers = true, value_parser = points)]
    min_improvement: Option<f64>,

    /// The least confidence that is accepted, 0 to 1 [default: as configured]
    #[arg(long, value_name = "SHARE", allow_negative_numbers = true, value_parser = share)]
    min_confidence: Option<f64>,

    /// The most rounds of each strategy, 1 to 10 [default: as configured]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=10))]
    max_iterations: Option<u64>,

    /// Stop when so many prompts, of all files together, have an accepted candidate
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    max_accepted: Option<u64>,

    /// Stop when so many files and prompts could not be done
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    max_failures: Option<u64>,

    /// Begin no further prompt after so many seconds
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..))]
    max_seconds: Option<u64>,

    /// The most tokens that language models may take in this run, besides what is configured
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    max_tokens: Option<u64>,

    /// The most money that language models may cost in this run, in the currency of the configured prices
    #[arg(long, value_name = "AMOUNT")]
    max_cost: Option<f64>,

    /// Store nothing, only say what would be made
    #[arg(long, conflicts_with_all = ["apply", "output"])]
    dry_run: bool,

    /// Promote the best accepted candidate of each prompt and put its text into the workflow file
    #[arg(long)]
    apply: bool,

    /// With --apply: write the patched workflow into this new file instead; for one file only
    #[arg(long, value_name = "FILE", requires = "apply")]
    output: Option<PathBuf>,

    /// Show every candidate word by word
    #[arg(long, conflicts_with = "json")]
    diff: bool,

    /// Print one JSON object per file
    #[arg(long)]
    json: bool,

    /// The workflow part of the names; for one file only
    #[arg(long, value_name = "SLUG")]
    workflow: Option<String>,
}

fn points(text: &str) -> Result<f64, String> {
    within(text, 100.0)
}

fn share(text: &str) -> Result<f64, String> {
    within(text, 1.0)
}

/// Reads a number from 0 to a greatest one; the daemon would refuse any other for each file anew.
fn within(text: &str, max: f64) -> Result<f64, String> {
    let number = text.parse().ok().filter(|number| (0.0..=max).contains(number));
    number.ok_or_else(|| format!("it must be a number from 0 to {max}"))
}

/// What came of one file.
struct Done {
    /// What the file holds.
    document: Vec<u8>,
    result: OptimizeResult,
    /// Why the job failed; what it did all the same is in the result.
    error: Option<String>,
    /// What was promoted, in the order of the document.
    applied: Vec<Applied>,
}

impl Done {
    /// Tells whether a strategy was given up for a prompt.
    fn is_skipped(&self) -> bool {
        self.result
            .prompts
            .iter()
            .any(|prompt| !prompt.skipped.is_empty())
    }
}

/// Optimises them, one after the other.
pub(super) async fn run(args: OptimizeArgs, session: &mut Session) -> Result<Exit, CliError> {
    let files = files::workflows(&args.paths)?;
    if files.len() != 1 && (args.workflow.is_some() || args.output.is_some()) {
        let message = format!(
            "--workflow and --output are for one file, but there are {}",
            files.len()
        );
        return Err(CliError::usage(message).hint("name one file"));
    }
    let client = session.client();
    let progress = Progress::start(&session.console, "optimising", files.len() as u64);
    let (mut report, mut failed) = (Report::default(), 0);
    let mut budget = Budget::of(&args);
    for (index, file) in files.iter().enumerate() {
        if let Some(reason) = budget.spent() {
            report.stop(&reason, files.len() - index);
            break;
        }
        let outcome = optimize(&client, file, &args, &mut budget, &progress, session).await;
        budget.spend(&outcome);
        progress.advance(1);
        // Without a daemon the other files would fare no better.
        if let Err(error) = &outcome
            && error.exit == Exit::Unreachable
        {
            progress.finish();
            return Err(error.clone());
        }
        let is_whole = outcome.as_ref().is_ok_and(|done| {
            done.error.is_none() && done.applied.iter().all(Applied::is_done) && !done.is_skipped()
        });
        failed += usize::from(!is_whole);
        if args.json {
            session.console.json_line(&report::as_json(file, &outcome))?;
        } else {
            report
                .add(file, outcome, args.diff.then_some(&client), session)
                .await?;
        }
    }
    progress.finish();
    if !args.json {
        report.show(&args, session)?;
    }
    Ok(if failed == 0 { Exit::Success } else { Exit::Failure })
}

async fn optimize(
    client: &Client,
    file: &Path,
    args: &OptimizeArgs,
    budget: &mut Budget,
    progress: &Progress,
    session: &mut Session,
) -> Result<Done, CliError> {
    let document = crate::cli::files::read_text(file)?;
    let mut params = params(file, document.clone(), args);
    params.extend(budget.params());
    let submitted = patiently(|| client.submit_job("optimize", params.clone())).await;
    let job = submitted.map_err(|error| about_file(error.into()))?;
    let name = files::name_of(file);
    let told = |job: &crate::http::wire::JobView| {
        progress.message(format!("{name} {}/{}", job.progress.done, job.progress.total));
    };
    let job = client.wait_for_job(&job.job_id, told).await?;
    // A job that failed has done what could be done.
    let (JobState::Succeeded | JobState::Failed, Some(result)) = (job.state, &job.result) else {
        let ended = format!("the job {} {}", job.job_id, job::state_word(job.state));
        return Err(CliError::failure(job.error.unwrap_or(ended)));
    };
    let result: OptimizeResult = job::understood(result, "result")?;
    budget.spend_model(&result);
    let document = document.into_bytes();
    let applied = match args.apply {
        true => apply::apply(client, file, &document, &result, args.output.as_deref(), session).await?,
        false => Vec::new(),
    };
    Ok(Done {
        document,
        result,
        error: job.error,
        applied,
    })
}

/// Says what is wrong with a file without the name of the parameter that its content became.
fn about_file(mut error: CliError) -> CliError {
    for parameter in ["params.content: ", "params: "] {
        if let Some(rest) = error.message.strip_prefix(parameter) {
            error.message = rest.to_owned();
        }
    }
    error
}

fn params(file: &Path, content: String, args: &OptimizeArgs) -> Map<String, Value> {
    let all = [
        ("name", json!(files::name_of(file))),
        ("content", Value::String(content)),
        ("workflow", json!(args.workflow)),
        ("strategies", json!(args.strategies)),
        ("profile", json!(args.profile)),
        ("min_baseline_score", json!(args.min_baseline_score)),
        ("min_improvement", json!(args.min_improvement)),
        ("min_confidence", json!(args.min_confidence)),
        ("max_iterations", json!(args.max_iterations)),
        ("dry_run", json!(args.dry_run)),
    ];
    let given = all.into_iter().filter(|(_, value)| !value.is_null());
    given.map(|(key, value)| (key.to_owned(), value)).collect()
}
