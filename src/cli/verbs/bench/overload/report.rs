//! What a storm did, for people and programs.

use std::time::Duration;

use hdrhistogram::Histogram;
use serde_json::{Value, json};

use super::check::Check;
use super::memory::Memory;
use super::offer::{Outcome, histogram};
use super::plan::Offer;
use super::polite::{Phases, Sample};
use crate::cli::exit::CliError;
use crate::cli::session::Session;
use crate::cli::table::{Cell, Table};
use crate::cli::verbs::bench::{Op, drive};
use crate::cli::wording;

/// Everything that was seen.
#[derive(Debug)]
pub(super) struct Report {
    pub(super) factor: u16,
    pub(super) capacity: drive::Measured,
    /// How many clients found out what the daemon can do.
    pub(super) clients: usize,
    pub(super) offers: Vec<Offer>,
    pub(super) parts: Vec<Outcome>,
    pub(super) polite: Phases,
    /// How many seconds after the storm were not normal; none when it never was again.
    pub(super) recovery: Option<u64>,
    pub(super) memory: Memory,
    pub(super) check: Check,
    pub(super) was_interrupted: bool,
}

/// One line of the report: some clients together.
struct Row {
    who: &'static str,
    processes: usize,
    connections: usize,
    sent: u64,
    served: u64,
    refused: u64,
    failed: u64,
    micros: Histogram<u64>,
}

/// Prints it.
pub(super) fn show(report: &Report, json: bool, session: &mut Session) -> Result<(), CliError> {
    let rows = rows(report)?;
    if json {
        session.console.json_line(&as_json(report, &rows))?;
    } else {
        session.console.table(&table(&rows))?;
        for line in sentences(report, &rows) {
            session.console.say(line);
        }
    }
    let failures = report.parts.iter().filter_map(|part| part.first_failure.as_ref());
    for failure in failures.take(1) {
        session.console.warn(format_args!(
            "some requests were neither served nor refused, the first: {failure}"
        ));
    }
    if let Some(lost) = &report.check.first_lost {
        session.console.warn(format_args!(
            "{} of {} acknowledged versions are lost, the first: {lost}",
            report.check.lost, report.check.acknowledged
        ));
    }
    Ok(())
}

fn rows(report: &Report) -> Result<Vec<Row>, CliError> {
    let parts = || report.offers.iter().zip(&report.parts);
    Ok(vec![
        of_capacity(report)?,
        of_parts("greedy", parts().filter(|(offer, _)| offer.is_greedy()))?,
        of_parts("crowd", parts().filter(|(offer, _)| !offer.is_greedy()))?,
        of_samples("polite before", &report.polite.calm)?,
        of_samples("polite", &report.polite.storm)?,
    ])
}

fn of_capacity(report: &Report) -> Result<Row, CliError> {
    let mut row = of_parts("capacity", std::iter::empty())?;
    if let Some(times) = report.capacity.ops.get(&Op::Put) {
        let served = times.histogram.len();
        let steps = times.histogram.iter_recorded();
        row = Row {
            processes: 1,
            connections: report.clients,
            sent: served + times.busy + times.errors,
            served,
            refused: times.busy,
            failed: times.errors,
            micros: histogram(steps.map(|step| (step.value_iterated_to() / 1_000, step.count_at_value())))?,
            ..row
        };
    }
    Ok(row)
}

fn of_parts<'r>(
    who: &'static str,
    parts: impl Iterator<Item = (&'r Offer, &'r Outcome)>,
) -> Result<Row, CliError> {
    let mut row = Row {
        who,
        processes: 0,
        connections: 0,
        sent: 0,
        served: 0,
        refused: 0,
        failed: 0,
        micros: histogram([])?,
    };
    for (offer, outcome) in parts {
        row.processes += 1;
        row.connections += offer.connections;
        row.sent += outcome.sent;
        row.served += outcome.served();
        row.refused += outcome.refused;
        row.failed += outcome.failed;
        for (value, count) in &outcome.micros {
            row.micros.saturating_record_n(*value, *count);
        }
    }
    Ok(row)
}

fn of_samples(who: &'static str, samples: &[Sample]) -> Result<Row, CliError> {
    let (served, refused): (Vec<_>, Vec<_>) = samples.iter().partition(|sample| sample.refusal.is_none());
    let micros = |sample: &&Sample| u64::try_from(sample.took.as_micros()).unwrap_or(u64::MAX);
    Ok(Row {
        who,
        processes: 1,
        connections: 1,
        sent: samples.len() as u64,
        served: served.len() as u64,
        refused: refused.len() as u64,
        failed: 0,
        micros: histogram(served.iter().map(|sample| (micros(sample).max(1), 1)))?,
    })
}

fn table(rows: &[Row]) -> Table {
    let heading = [
        "WHO",
        "PROCESSES",
        "CONNECTIONS",
        "SENT",
        "SERVED",
        "REFUSED",
        "FAILED",
        "P50 us",
        "P99 us",
        "MAX us",
    ];
    let mut table = Table::new(heading).numbers([1, 2, 3, 4, 5, 6, 7, 8, 9]);
    for row in rows {
        table.row([
            Cell::of(row.who),
            Cell::of(row.processes),
            Cell::of(row.connections),
            Cell::of(row.sent),
            Cell::of(row.served),
            Cell::of(row.refused),
            Cell::of(row.failed),
            Cell::of(row.micros.value_at_quantile(0.5)),
            Cell::of(row.micros.value_at_quantile(0.99)),
            Cell::of(row.micros.max()),
        ]);
    }
    table
}

/// What the table does not say.
fn sentences(report: &Report, rows: &[Row]) -> Vec<String> {
    let Memory {
        before,
        highest,
        after,
    } = report.memory;
    let [before, highest, after] = [before, highest, after].map(wording::bytes);
    let recovery = match report.recovery {
        Some(0) => "the first second after the storm was normal".to_owned(),
        Some(seconds) => format!("normal again {seconds} seconds after the storm"),
        None => "not normal again within the time that was looked".to_owned(),
    };
    let first = report.polite.first_after.as_ref().map_or_else(
        || "nothing was asked after the storm".to_owned(),
        |first| match &first.refusal {
            None => format!("the first request after it took {} us", first.took.as_micros()),
            Some(refusal) => format!("the first request after it was refused: {refusal}"),
        },
    );
    vec![
        format!(
            "capacity: {:.0} puts a second; offered: {:.0} a second, {} times as many",
            report.capacity.per_second(Op::Put),
            offered(report),
            report.factor
        ),
        format!("refused: {:.1} % of the storm", 100.0 * refused_share(rows)),
        format!("memory of the daemon: {before} before, {highest} at most, {after} after"),
        format!(
            "acknowledged: {} versions, {} lost",
            report.check.acknowledged, report.check.lost
        ),
        format!("recovery: {recovery}; {first}"),
    ]
}

fn offered(report: &Report) -> f64 {
    report.offers.iter().map(|offer| offer.per_second).sum()
}

/// Returns the part of the storm, without the polite client, that was refused.
#[expect(clippy::cast_precision_loss, reason = "a share for people")]
fn refused_share(rows: &[Row]) -> f64 {
    let storm = || rows.iter().filter(|row| matches!(row.who, "greedy" | "crowd"));
    let sent: u64 = storm().map(|row| row.sent).sum();
    let refused: u64 = storm().map(|row| row.refused).sum();
    refused as f64 / sent.max(1) as f64
}

fn as_json(report: &Report, rows: &[Row]) -> Value {
    let rows_json: Vec<Value> = rows
        .iter()
        .map(|row| {
            json!({
                "who": row.who, "processes": row.processes, "connections": row.connections, "sent": row.sent,
                "served": row.served, "refused": row.refused, "failed": row.failed,
                "p50_us": row.micros.value_at_quantile(0.5), "p99_us": row.micros.value_at_quantile(0.99),
                "max_us": row.micros.max(),
            })
        })
        .collect();
    let micros = |took: Duration| u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
    let first = report.polite.first_after.as_ref();
    json!({
        "factor": report.factor,
        "capacity_per_second": report.capacity.per_second(Op::Put),
        "offered_per_second": offered(report),
        "clients": rows_json,
        "refused_share": refused_share(rows),
        "memory_bytes": {
            "before": report.memory.before, "highest": report.memory.highest, "after": report.memory.after,
        },
        "acknowledged": report.check.acknowledged,
        "lost": report.check.lost,
        "seconds_to_recovery": report.recovery,
        "first_request_after_us": first.map(|first| micros(first.took)),
        "first_refusal_after": first.and_then(|first| first.refusal.clone()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(took: u64, refusal: Option<&str>) -> Sample {
        Sample {
            at: Duration::ZERO,
            took: Duration::from_micros(took),
            refusal: refusal.map(str::to_owned),
        }
    }

    fn report() -> Report {
        let offers = super::super::plan::offers("run", 100.0, 10, 1, 100);
        let parts = offers
            .iter()
            .map(|_| Outcome {
                sent: 100,
                refused: 90,
                micros: vec![(1_000, 10)],
                ..Outcome::default()
            })
            .collect();
        Report {
            factor: 10,
            capacity: drive::Measured::default(),
            clients: 8,
            offers,
            parts,
            polite: Phases {
                calm: vec![sample(500, None)],
                storm: vec![sample(700, None), sample(5, Some("busy"))],
                first_after: Some(sample(600, None)),
            },
            recovery: Some(0),
            memory: Memory {
                before: 1,
                highest: 3,
                after: 2,
            },
            check: Check::default(),
            was_interrupted: false,
        }
    }

    #[test]
    fn a_report_adds_up() {
        let report = report();
        let json = as_json(&report, &rows(&report).unwrap());
        assert_eq!(json["refused_share"], 0.9);
        assert_eq!(json["offered_per_second"], 1_000.0);
        let clients = json["clients"].as_array().unwrap();
        let of = |who: &str| clients.iter().find(|row| row["who"] == who).unwrap();
        assert_eq!(
            (&of("greedy")["processes"], &of("crowd")["sent"]),
            (&json!(1), &json!(400))
        );
        assert_eq!(
            (&of("polite")["served"], &of("polite")["refused"]),
            (&json!(1), &json!(1))
        );
        assert_eq!(json["seconds_to_recovery"], 0);
        assert_eq!(json["first_refusal_after"], Value::Null);
    }

    #[test]
    fn people_read_what_the_table_does_not_say() {
        let report = report();
        let said = sentences(&report, &rows(&report).unwrap()).join("\n");
        for part in ["90.0 %", "10 times", "0 lost", "first second", "took 600 us"] {
            assert!(said.contains(part), "{part} in {said}");
        }
    }
}
