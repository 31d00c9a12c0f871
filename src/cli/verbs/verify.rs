//! `promptctl verify`: read the whole store, report what is not as it should be, and mend what can be mended.

use clap::Args;
use serde_json::{Map, Value, json};

use super::job;
use crate::cli::exit::{CliError, Exit};
use crate::cli::reference::ExactVersion;
use crate::cli::session::Session;
use crate::cli::table::{Cell, Table};
use crate::cli::wording::counted;
use crate::model::PromptId;
use crate::storage::{RepairStep, Severity, VerifyReport};

const EXAMPLES: &str = "\
Examples:
  promptctl verify
  promptctl verify greet
  promptctl verify --repair --dry-run      what would be mended
  promptctl verify --repair
  promptctl verify --accept-edit greet@1.0.0
  promptctl verify --json | jq '.problems[]'

Exit codes: 0 nothing but notes, 1 there are problems, or a step of the repair failed.";

/// Read every version in the store and report what is not as it should be
///
/// Without --repair nothing is changed. Damaged files stay where they are; everything else is served. A note is harmless:
/// it needs nobody's attention. --repair does only what loses nothing: it adds missing checksums, settles temporary
/// files, restores manifests and the index; an edited file stays as it is. Columns in a pipe: problem, note or repair; kind;
/// path beneath the store; what is wrong or was done.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct VerifyArgs {
    /// Only these prompts
    #[arg(value_name = "NAME")]
    names: Vec<PromptId>,

    /// Mend what can be mended without losing anything, and say each step
    #[arg(long)]
    repair: bool,

    /// Take a version that was changed by hand as it now is: seal it under its own number. May be given several times
    #[arg(long = "accept-edit", value_name = "NAME@VERSION")]
    accept_edits: Vec<ExactVersion>,

    /// Only say what --repair and --accept-edit would do
    #[arg(long)]
    dry_run: bool,

    /// Print the report as JSON
    #[arg(long)]
    json: bool,
}

/// Verifies.
pub(super) async fn run(args: VerifyArgs, session: &mut Session) -> Result<Exit, CliError> {
    if args.dry_run && !args.repair && args.accept_edits.is_empty() {
        return Err(CliError::usage("--dry-run goes with --repair or --accept-edit"));
    }
    let client = session.client();
    let submitted = client.submit_job("verify", params(&args)).await?;
    let job = job::wait_for(&client, &submitted.job_id, session).await?;
    let report: VerifyReport = job::result_of(&job, "verification")?;
    if args.json {
        session.console.json(&report)?;
    } else {
        let table = findings(&report);
        if !table.is_empty() {
            session.console.table(&table)?;
        }
        session.console.say(summary(&report));
    }
    let failed = report.repairs.iter().any(RepairStep::has_failed);
    Ok(if report.problem_count() == 0 && !failed {
        Exit::Success
    } else {
        Exit::Failure
    })
}

fn params(args: &VerifyArgs) -> Map<String, Value> {
    let mut params = Map::new();
    if !args.names.is_empty() {
        params.insert("prompts".into(), json!(args.names));
    }
    for (key, is_set) in [("repair", args.repair), ("dry_run", args.dry_run)] {
        if is_set {
            params.insert(key.into(), json!(true));
        }
    }
    if !args.accept_edits.is_empty() {
        let versions = args.accept_edits.iter();
        let named: Vec<String> = versions
            .map(|target| format!("{}@{}", target.id, target.version))
            .collect();
        params.insert("accept_edits".into(), json!(named));
    }
    params
}

fn findings(report: &VerifyReport) -> Table {
    let mut table = Table::new(["", "KIND", "WHERE", "WHAT"]);
    for step in &report.repairs {
        table.row([
            Cell::of("repair"),
            Cell::of(&step.action),
            Cell::of(&step.path),
            Cell::of(&step.message),
        ]);
    }
    for severity in [Severity::Problem, Severity::Note] {
        let word = match severity {
            Severity::Problem => "problem",
            Severity::Note => "note",
        };
        for problem in report
            .problems
            .iter()
            .filter(|problem| problem.severity == severity)
        {
            table.row([
                Cell::of(word),
                Cell::of(&problem.kind),
                Cell::of(&problem.path),
                Cell::of(&problem.message),
            ]);
        }
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
    let mut found = match report.problem_count() {
        0 => "no problems".to_owned(),
        count => counted(count, "problem"),
    };
    if report.note_count() > 0 {
        found.push_str(&format!(", {}", counted(report.note_count(), "note")));
    }
    let (prompts, versions) = (counted(*prompts, "prompt"), counted(*versions, "version"));
    format!("{prompts}, {versions}: {sealed} sealed, {unsealed} unsealed, {edited} edited; {found}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::wire::JobView;

    fn job(state: &str, result: &Value) -> JobView {
        serde_json::from_value(json!({
            "job_id": "j1", "kind": "verify", "state": state, "progress": {"done": 0, "total": 0, "unit": ""},
            "result": result, "error": "interrupted", "created_at": "2026-01-02T03:04:05Z",
            "started_at": null, "finished_at": null, "author": {"name": "ada"}
        }))
        .unwrap()
    }

    fn report_of(job: &JobView) -> Result<VerifyReport, CliError> {
        job::result_of(job, "verification")
    }

    #[test]
    fn the_report_of_a_finished_job_is_summed_up() {
        let result = json!({"prompts": 2, "versions": 5, "sealed": 3, "unsealed": 1, "edited": 1,
            "problems": [
                {"path": "69/a", "kind": "unsealed", "severity": "note", "message": "no checksum"},
                {"path": "69/a/1.0.0.json", "kind": "edited", "severity": "problem", "message": "changed by hand"}],
            "repairs": [{"path": ".index.json", "action": "index-rebuilt", "message": "written anew"}]});
        let report = report_of(&job("succeeded", &result)).unwrap();
        assert_eq!(
            summary(&report),
            "2 prompts, 5 versions: 3 sealed, 1 unsealed, 1 edited; 1 problem, 1 note"
        );
        assert_eq!(
            findings(&report).for_programs(),
            "repair\tindex-rebuilt\t.index.json\twritten anew\n\
             problem\tedited\t69/a/1.0.0.json\tchanged by hand\nnote\tunsealed\t69/a\tno checksum\n"
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
