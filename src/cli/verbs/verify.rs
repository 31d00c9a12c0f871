//! `promptctl verify`: read the whole store and report what is not as it should be.

use clap::Args;
use serde_json::Map;

use super::job;
use crate::cli::exit::{CliError, Exit};
use crate::cli::session::Session;
use crate::cli::table::{Cell, Table};
use crate::cli::wording::counted;
use crate::http::wire::JobView;
use crate::storage::VerifyReport;

const EXAMPLES: &str = "\
Examples:
  promptctl verify
  promptctl verify --json | jq '.problems[]'

Exit codes: 0 everything is as it should be, 1 there are problems.";

/// Read every version in the store and report what is not as it should be
///
/// Nothing is changed. Damaged files stay where they are; everything else is served. Columns of the problems in a pipe:
/// kind, path beneath the store, what is wrong.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct VerifyArgs {
    /// Print the report as JSON
    #[arg(long)]
    json: bool,
}

/// Verifies.
pub(super) async fn run(args: VerifyArgs, session: &mut Session) -> Result<Exit, CliError> {
    let client = session.client();
    let submitted = client.submit_job("verify", Map::new()).await?;
    let job = job::wait_for(&client, &submitted.job_id, session).await?;
    let report = report_of(&job)?;
    if args.json {
        session.console.json(&report)?;
    } else {
        let table = problems(&report);
        if !table.is_empty() {
            session.console.table(&table)?;
        }
        session.console.say(summary(&report));
    }
    Ok(if report.problems.is_empty() {
        Exit::Success
    } else {
        Exit::Failure
    })
}

fn report_of(job: &JobView) -> Result<VerifyReport, CliError> {
    job::result_of(job, "verification")
}

fn problems(report: &VerifyReport) -> Table {
    let mut table = Table::new(["PROBLEM", "WHERE", "WHAT"]);
    for problem in &report.problems {
        table.row([
            Cell::of(&problem.kind),
            Cell::of(&problem.path),
            Cell::of(&problem.message),
        ]);
    }
    table
}

fn summary(report: &VerifyReport) -> String {
    let VerifyReport {
        prompts,
        versions,
        sealed,
        unsealed,
        edited,
        ..
    } = report;
    let found = match report.problems.len() as u64 {
        0 => "no problems".to_owned(),
        count => counted(count, "problem"),
    };
    let (prompts, versions) = (counted(*prompts, "prompt"), counted(*versions, "version"));
    format!("{prompts}, {versions}: {sealed} sealed, {unsealed} unsealed, {edited} edited; {found}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn job(state: &str, result: &serde_json::Value) -> JobView {
        serde_json::from_value(json!({
            "job_id": "j1", "kind": "verify", "state": state, "progress": {"done": 0, "total": 0, "unit": ""},
            "result": result, "error": "interrupted", "created_at": "2026-01-02T03:04:05Z",
            "started_at": null, "finished_at": null, "author": {"name": "ada"}
        }))
        .unwrap()
    }

    #[test]
    fn the_report_of_a_finished_job_is_summed_up() {
        let result = json!({"prompts": 2, "versions": 5, "sealed": 4, "unsealed": 0, "edited": 1,
            "problems": [{"path": "69/a/1.0.0.json", "kind": "edited", "message": "changed by hand"}]});
        let report = report_of(&job("succeeded", &result)).unwrap();
        assert_eq!(
            summary(&report),
            "2 prompts, 5 versions: 4 sealed, 0 unsealed, 1 edited; 1 problem"
        );
        assert_eq!(
            problems(&report).for_programs(),
            "edited\t69/a/1.0.0.json\tchanged by hand\n"
        );
    }

    #[test]
    fn a_job_that_did_not_succeed_is_no_clean_bill() {
        assert_eq!(
            report_of(&job("cancelled", &json!(null))).unwrap_err().message,
            "the verification cancelled: interrupted"
        );
        assert!(report_of(&job("succeeded", &json!({"unknown": 1}))).is_err());
    }
}
