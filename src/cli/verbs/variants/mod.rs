//! `promptctl variants`: workflow documents with other prompts, and cases to try them with.

mod candidates;
mod lookup;
mod make;
mod outbox;
mod report;
mod run;
mod sources;

use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::cli::exit::{CliError, Exit};
use crate::cli::session::Session;

const EXAMPLES: &str = "\
Examples:
  promptctl variants bot.yml --plan plan.yml             documents and cases in ./bot.variants/
  promptctl variants bot.yml --plan plan.yml --dry-run --diff
  promptctl variants --plan plan.yml --catalog workflows.yml --datasets data.yml --output out/
  promptctl variants bot.yml --candidates                one variant for each accepted candidate of 'promptctl optimize'
  promptctl variants run bot.variants -- ./run-case.sh   call a command for each case

docs/workflows.md describes plans, with a complete example.

Exit codes: 0 done; 1 a variant cannot be made; 3 nothing to make variants of; 4 a file in the outbox has other content, or the
workflow is not the one in the catalogue. Unless all of it worked, nothing is written.";

/// Make variants of a workflow from a test plan, with cases to try, and run them
///
/// Writes patched workflows and manifest.json into a directory, the outbox. Each document differs from the workflow in exactly
/// the prompts that the plan means. Running it again writes the same bytes. promptd is asked for stored versions; without
/// it, plans that name none work as well. Columns in a pipe: variant, document, what became of it, changed texts, cases.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES, args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(crate) struct VariantsArgs {
    #[command(subcommand)]
    action: Option<Action>,

    #[command(flatten)]
    make: MakeArgs,
}

#[derive(Debug, Subcommand)]
enum Action {
    Run(run::RunArgs),
}

/// What to make variants of, and where to put them.
#[derive(Debug, Args)]
struct MakeArgs {
    /// The workflow file, YAML or JSON (./run for one of that name) [default: what the catalogue names]
    #[arg(value_name = "FILE", required_unless_present = "plan")]
    file: Option<PathBuf>,

    /// The test plan
    #[arg(long, value_name = "FILE", required_unless_present = "candidates")]
    plan: Option<PathBuf>,

    /// Instead of a plan: one variant for each accepted candidate, and one with the best of each prompt
    #[arg(long, conflicts_with = "plan")]
    candidates: bool,

    /// The catalogue of workflows, where it is not in the plan
    #[arg(long, value_name = "FILE", requires = "plan")]
    catalog: Option<PathBuf>,

    /// Further datasets
    #[arg(long, value_name = "FILE")]
    datasets: Option<PathBuf>,

    /// Which workflow of the plan, where it has several
    #[arg(long, value_name = "CATALOG_ID", requires = "plan")]
    entry: Option<String>,

    /// Replace ${NAME} in the texts of the plan by environment variables. They end up in documents and in the manifest
    #[arg(long, requires = "plan")]
    expand_env: bool,

    /// The outbox [default: ./NAME.variants]
    #[arg(long, value_name = "DIR")]
    output: Option<PathBuf>,

    /// The workflow part of the names, where it was given at the import
    #[arg(long, value_name = "SLUG")]
    workflow: Option<String>,

    /// Also replace files in the outbox that have other content
    #[arg(long)]
    force: bool,

    /// Write nothing, only say what would be made
    #[arg(long, conflicts_with = "force")]
    dry_run: bool,

    /// Show word by word what changes
    #[arg(long, conflicts_with = "json")]
    diff: bool,

    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Makes or runs them.
pub(super) async fn run(args: VariantsArgs, session: &mut Session) -> Result<Exit, CliError> {
    match args.action {
        Some(Action::Run(args)) => run::run(args, session).await,
        None => make::run(args.make, session).await,
    }
}
