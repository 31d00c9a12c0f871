//! What was measured, for people and programs.

use serde_json::{Value, json};

use super::Op;
use super::drive::{Measured, Times};
use crate::cli::exit::CliError;
use crate::cli::session::Session;
use crate::cli::table::{Cell, Table};

/// The shares of requests whose time is told.
const QUANTILES: [f64; 4] = [0.5, 0.9, 0.99, 0.999];

/// Prints it.
pub(super) fn show(measured: &Measured, json: bool, session: &mut Session) -> Result<(), CliError> {
    let seconds = measured.elapsed.as_secs_f64();
    if json {
        for (op, times) in &measured.ops {
            session.console.json_line(&as_json(*op, times, seconds))?;
        }
    } else {
        session.console.table(&table(measured, seconds))?;
    }
    for (op, times) in &measured.ops {
        if let Some(error) = &times.first_error {
            session.console.warn(format_args!(
                "{}: {} requests failed, the first: {error}",
                op.word(),
                times.errors
            ));
        }
    }
    Ok(())
}

fn table(measured: &Measured, seconds: f64) -> Table {
    let heading = [
        "OP",
        "COUNT",
        "PER SECOND",
        "P50 us",
        "P90 us",
        "P99 us",
        "P99.9 us",
        "MAX us",
        "BUSY",
        "ERRORS",
    ];
    let mut table = Table::new(heading).numbers([1, 2, 3, 4, 5, 6, 7, 8, 9]);
    for (op, times) in &measured.ops {
        let [p50, p90, p99, p999] =
            QUANTILES.map(|quantile| micros(times.histogram.value_at_quantile(quantile)));
        table.row([
            Cell::of(op.word()),
            Cell::of(times.histogram.len()),
            Cell::of(format_args!("{:.0}", times.per_second(seconds))),
            p50,
            p90,
            p99,
            p999,
            micros(times.histogram.max()),
            Cell::of(times.busy),
            Cell::of(times.errors),
        ]);
    }
    table
}

#[expect(clippy::cast_precision_loss, reason = "a time in microseconds with one digit")]
fn micros(nanos: u64) -> Cell {
    Cell::of(format_args!("{:.1}", nanos as f64 / 1000.0))
}

fn as_json(op: Op, times: &Times, seconds: f64) -> Value {
    let [p50, p90, p99, p999] = QUANTILES.map(|quantile| times.histogram.value_at_quantile(quantile));
    json!({
        "op": op.word(), "count": times.histogram.len(), "seconds": seconds, "per_second": times.per_second(seconds),
        "p50_ns": p50, "p90_ns": p90, "p99_ns": p99, "p999_ns": p999, "max_ns": times.histogram.max(),
        "mean_ns": times.histogram.mean(), "busy": times.busy, "errors": times.errors,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use hdrhistogram::Histogram;

    #[test]
    fn times_and_rates_are_those_of_the_histogram() {
        let mut histogram = Histogram::new_with_bounds(1, 1_000_000_000, 3).unwrap();
        for micros in 1..=1000u64 {
            histogram.record(micros * 1000).unwrap();
        }
        let times = Times {
            histogram,
            busy: 3,
            errors: 0,
            first_error: None,
        };
        let json = as_json(Op::Get, &times, 2.0);
        assert_eq!(
            (json["op"].as_str(), json["count"].as_u64(), json["busy"].as_u64()),
            (Some("get"), Some(1000), Some(3))
        );
        assert_eq!(json["per_second"].as_f64(), Some(500.0));
        let p99 = json["p99_ns"].as_u64().unwrap();
        assert!((989_000..=992_000).contains(&p99), "{p99}");
    }
}
