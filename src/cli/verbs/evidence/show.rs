//! `promptctl evidence show`: what the test results of a version add up to.

use clap::Args;

use crate::cli::exit::{CliError, Exit};
use crate::cli::session::Session;
use crate::cli::table::{Cell, Table};
use crate::client::Client;
use crate::evidence::Figures;
use crate::http::wire::EvidencePage;
use crate::model::{PromptId, Version, VersionRef, VersionSelector};

const EXAMPLES: &str = "\
Examples:
  promptctl evidence show greet@1.2.0
  promptctl evidence show greet                     the latest version
  promptctl evidence show greet@best --json
  promptctl evidence show greet@1.2.0 --results > results.jsonl";

/// Show what the test results of a version add up to
///
/// Columns in a pipe: measure, value.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ShowArgs {
    /// The version, such as greet@1.2.0 [default: the latest]
    #[arg(value_name = "NAME@REF")]
    version: VersionRef,

    /// Print the results themselves, one JSON object per line
    #[arg(long, conflicts_with = "json")]
    results: bool,

    /// Print the figures as JSON
    #[arg(long)]
    json: bool,
}

/// Shows it.
pub(super) async fn run(args: ShowArgs, session: &mut Session) -> Result<Exit, CliError> {
    let client = session.client();
    let VersionRef { prompt_id, selector } = &args.version;
    if args.results {
        return results(&client, prompt_id, selector, session).await;
    }
    let page = client.evidence(prompt_id, selector, None, Some(1)).await?;
    if args.json {
        let EvidencePage {
            prompt_id,
            version,
            min_results,
            figures,
            ..
        } = &page;
        session.console.json(&serde_json::json!({
            "prompt_id": prompt_id, "version": version, "min_results": min_results, "figures": figures,
        }))?;
        return Ok(Exit::Success);
    }
    let name = format!("{}@{}", page.prompt_id, page.version);
    let Some(figures) = &page.figures else {
        session.console.say(format_args!("{name} has no test results"));
        return Ok(Exit::Success);
    };
    session.console.table(&table(figures))?;
    if figures.count < page.min_results {
        session.console.say(format_args!(
            "{name} has fewer than {} results (optimizer.evidence.min_results): they decide nothing yet",
            page.min_results
        ));
    }
    Ok(Exit::Success)
}

/// Prints every result, page by page. They are those of one version, whatever the reference means later.
async fn results(
    client: &Client,
    id: &PromptId,
    selector: &VersionSelector,
    session: &mut Session,
) -> Result<Exit, CliError> {
    let mut page = client.evidence(id, selector, None, None).await?;
    let exact = VersionSelector::Exact(page.version.clone());
    loop {
        for result in &page.items {
            session.console.json_line(result)?;
        }
        let Some(cursor) = page.next_cursor.take() else {
            return Ok(Exit::Success);
        };
        page = client.evidence(id, &exact, Some(&cursor), None).await?;
    }
}

/// Returns the figures of a version and how many results it takes to decide by them; damaged results count as none.
pub(in crate::cli::verbs) async fn figures_of(
    client: &Client,
    id: &PromptId,
    version: &Version,
    session: &mut Session,
) -> Result<(Option<Figures>, u64), CliError> {
    let exact = VersionSelector::Exact(version.clone());
    match client.evidence(id, &exact, None, Some(1)).await {
        Ok(page) => Ok((page.figures, page.min_results)),
        Err(error) if error.code() == Some("corrupt-evidence") => {
            session.console.warn(&error);
            Ok((None, u64::MAX))
        }
        Err(error) => Err(error.into()),
    }
}

fn table(figures: &Figures) -> Table {
    let mut table = Table::new(["MEASURE", "VALUE"]).numbers([1]);
    let mut row = |measure: &str, value: String| table.row([Cell::of(measure), Cell::of(value)]);
    let (statuses, grades) = (&figures.statuses, &figures.grades);
    row("results", figures.count.to_string());
    row("success rate", format!("{:.1} %", figures.success_rate * 100.0));
    row("failed", statuses.failed.to_string());
    row("timeouts", statuses.timeout.to_string());
    row("errors", statuses.error.to_string());
    row("mean time", format!("{:.3} s", figures.avg_execution_time));
    row("p50", format!("{:.3} s", figures.p50_execution_time));
    row("p95", format!("{:.3} s", figures.p95_execution_time));
    row("p99", format!("{:.3} s", figures.p99_execution_time));
    row("tokens", figures.total_tokens.to_string());
    row(
        "tokens per request",
        format!("{:.1}", figures.avg_tokens_per_request),
    );
    row("cost", format!("{:.4} USD", figures.total_cost));
    row("cost per request", format!("{:.6} USD", figures.cost_per_request));
    row("excellent", grades.excellent.to_string());
    row("good", grades.good.to_string());
    row("fair", grades.fair.to_string());
    row("poor", grades.poor.to_string());
    for class in &figures.errors {
        row(&format!("error: {}", class.message), class.count.to_string());
    }
    table
}
