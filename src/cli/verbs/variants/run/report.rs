//! What came of a run, for people and for programs.

use serde_json::{Value, json};

use super::outbox::Outbox;
use super::{Ending, RunArgs};
use crate::cli::exit::CliError;
use crate::cli::session::Session;
use crate::cli::table::{Cell, Table};
use crate::cli::wording::counted;
use crate::variants::run::{Journal, Statistics};
use crate::variants::{Case, RESULTS_FILE};

/// How much of a complaint is shown, in characters.
const SHOWN_CHARS: usize = 200;

/// Shows it: the cases that are meant, variant by variant, over their last results.
pub(super) fn show(
    outbox: &Outbox,
    chosen: &[usize],
    journal: &Journal,
    ending: &Ending,
    args: &RunArgs,
    session: &mut Session,
) -> Result<(), CliError> {
    let cases: Vec<&Case> = chosen.iter().filter_map(|at| outbox.case(*at)).collect();
    let of_variant = |variant: &str| {
        let cases = cases.iter().copied().filter(|case| case.variant == variant);
        Statistics::of(cases, journal)
    };
    let variants = outbox
        .manifest
        .variants
        .iter()
        .map(|entry| entry.variant.as_str());
    let rows: Vec<(&str, Statistics)> = variants
        .map(|variant| (variant, of_variant(variant)))
        .filter(|(_, statistics)| statistics.total > 0)
        .collect();
    let total = Statistics::of(cases.iter().copied(), journal);
    if args.json {
        return session.console.json_line(&as_json(outbox, &rows, &total, ending));
    }
    let table = table(&rows);
    if !table.is_empty() {
        session.console.table(&table)?;
    }
    complain(ending, session);
    session.console.say(summary(&total));
    if let Some(reason) = ending.stopped {
        session
            .console
            .warn(format_args!("the run ended early: {reason}"));
    }
    if ending.is_interrupted {
        session
            .console
            .warn("the run was interrupted; running it again goes on");
    }
    Ok(())
}

fn table(rows: &[(&str, Statistics)]) -> Table {
    let heading = [
        "VARIANT", "CASES", "SUCCESS", "FAILED", "TIMEOUT", "ERROR", "NOT RUN", "RATE", "SECONDS", "TOKENS",
        "COST",
    ];
    let mut table = Table::new(heading).numbers([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    for (variant, statistics) in rows {
        table.row([
            Cell::of(variant),
            Cell::of(statistics.total),
            Cell::of(statistics.succeeded),
            Cell::of(statistics.failed),
            Cell::of(statistics.timeout),
            Cell::of(statistics.error),
            Cell::of(statistics.not_run),
            Cell::of(format!("{:.3}", statistics.success_rate)),
            Cell::of(format!("{:.3}", statistics.average_execution_time)),
            Cell::of(statistics.total_tokens),
            Cell::of(format!("{:.4}", statistics.total_cost)),
        ]);
    }
    table
}

fn complain(ending: &Ending, session: &mut Session) {
    for (case, status, message) in &ending.complaints {
        let message: String = message.chars().take(SHOWN_CHARS).collect();
        let status = status.as_str();
        session.console.warn(format_args!("{case}: {status}: {message}"));
    }
}

fn summary(total: &Statistics) -> String {
    let cases = counted(total.total, "case");
    let mut summary = format!(
        "{cases}: {} succeeded of {} completed",
        total.succeeded, total.completed
    );
    if total.not_run > 0 {
        summary.push_str(&format!(", {} not run", total.not_run));
    }
    if total.retries > 0 {
        summary.push_str(&format!(", {} further attempts", total.retries));
    }
    summary
}

fn as_json(outbox: &Outbox, rows: &[(&str, Statistics)], total: &Statistics, ending: &Ending) -> Value {
    let variants: Vec<Value> = rows
        .iter()
        .map(|(variant, statistics)| json!({"variant": variant, "statistics": statistics}))
        .collect();
    json!({
        "outbox": outbox.path.display().to_string(),
        "results": outbox.path.join(RESULTS_FILE).display().to_string(),
        "variants": variants,
        "total": total,
        "stopped": ending.stopped.map(|reason| reason.to_string()),
        "interrupted": ending.is_interrupted,
    })
}
