//! Test results in CSV: a line of column names, and a line per result.

use csv::{ReaderBuilder, StringRecord};
use serde_json::{Map, Value, json};

use super::batch::{
    LineProblems, NumberedLine, ReportedResult, TargetedResult, target_all, without_byte_order_mark,
};
use crate::model::strict_json;

/// The columns that must be there.
const NEEDED: [&str; 7] = [
    "execution_id",
    "workflow_id",
    "timestamp",
    "status",
    "execution_time",
    "tokens_used",
    "cost",
];
/// Those that may be.
const ALLOWED: [&str; 9] = [
    "prompt_id",
    "version",
    "inputs",
    "outputs",
    "output_chars",
    "error_message",
    "prompt_variant",
    "dataset",
    "metadata",
];

/// Reads results. One line that is wrong refuses all of them.
///
/// # Errors
/// Every problem, with its line.
pub fn read(
    text: &[u8],
    prompt_id: Option<&str>,
    version: Option<&str>,
) -> Result<Vec<TargetedResult>, LineProblems> {
    target_all("line", reported(text)?.into_iter(), prompt_id, version)
}

/// Reads the lines without looking for their versions.
///
/// # Errors
/// What is wrong with the line of names, or that the last line has no end.
pub fn reported(text: &[u8]) -> Result<Vec<NumberedLine>, LineProblems> {
    let text = without_byte_order_mark(text);
    let refuse = |line: u64, message: String| {
        let mut problems = LineProblems::new("line");
        problems.push(line, message);
        problems
    };
    let mut reader = ReaderBuilder::new().flexible(false).from_reader(text);
    let names = reader.headers().cloned().map_err(|e| refuse(1, said(&e)))?;
    check_names(&names).map_err(|message| refuse(1, message))?;
    // A row that was cut off in its last number cannot be told from a whole one in any other way.
    if text.last().is_some_and(|byte| *byte != b'\n') {
        let line = 1 + text.iter().filter(|byte| **byte == b'\n').count() as u64;
        let message = "it may be cut off: it does not end with a line break; add one if it is whole";
        return Err(refuse(line, message.to_owned()));
    }
    let mut results = Vec::new();
    let mut record = StringRecord::new();
    loop {
        let line = reader.position().line();
        match reader.read_record(&mut record) {
            Ok(false) => return Ok(results),
            Ok(true) => {
                let line = record.position().map_or(line, csv::Position::line);
                results.push((line, parse(&names, &record)));
            }
            Err(error) => {
                let line = error.position().map_or(line, csv::Position::line);
                results.push((line, Err(said(&error))));
            }
        }
    }
}

fn check_names(names: &StringRecord) -> Result<(), String> {
    let missing: Vec<&str> = NEEDED
        .into_iter()
        .filter(|needed| names.iter().all(|name| name != *needed))
        .collect();
    if !missing.is_empty() {
        return Err(format!("the columns {} are missing", missing.join(", ")));
    }
    for (place, name) in names.iter().enumerate() {
        if !NEEDED.contains(&name) && !ALLOWED.contains(&name) {
            let known = NEEDED.into_iter().chain(ALLOWED).collect::<Vec<_>>().join(", ");
            return Err(format!("unknown column {name:?}: the columns are {known}"));
        }
        if names.iter().take(place).any(|other| other == name) {
            return Err(format!("the column {name} is there twice"));
        }
    }
    Ok(())
}

fn said(error: &csv::Error) -> String {
    match error.kind() {
        csv::ErrorKind::UnequalLengths {
            expected_len, len, ..
        } => {
            format!("it has {len} fields and must have {expected_len}: it may be cut off")
        }
        csv::ErrorKind::Utf8 { .. } => "it is not UTF-8".to_owned(),
        _ => error.to_string(),
    }
}

fn parse(names: &StringRecord, record: &StringRecord) -> Result<ReportedResult, String> {
    let mut object = Map::new();
    for (name, field) in names.iter().zip(record) {
        let value = match name {
            "execution_time" | "cost" => number(name, field)?,
            "tokens_used" => count(name, field)?,
            _ if field.is_empty() && !NEEDED.contains(&name) => continue,
            "output_chars" => count(name, field)?,
            "metadata" => strict_json::parse(field.as_bytes()).map_err(|e| format!("metadata: {e}"))?,
            // JSON when it is, else the text itself.
            "inputs" | "outputs" => {
                strict_json::parse(field.as_bytes()).unwrap_or_else(|_| Value::String(field.to_owned()))
            }
            _ => Value::String(field.to_owned()),
        };
        object.insert(name.to_owned(), value);
    }
    ReportedResult::from_json(Value::Object(object))
}

fn number(name: &str, field: &str) -> Result<Value, String> {
    match field.trim().parse::<f64>() {
        Ok(number) if number.is_finite() => Ok(json!(number)),
        _ => Err(format!("{name} is {field:?}: expected a number")),
    }
}

fn count(name: &str, field: &str) -> Result<Value, String> {
    let count = field.trim().parse::<u64>();
    count
        .map(Value::from)
        .map_err(|_| format!("{name} is {field:?}: expected a whole number"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: &str =
        "execution_id,workflow_id,timestamp,status,execution_time,tokens_used,cost,error_message,metadata\n";
    const GOOD: &str = "e1,w,2026-11-22T19:52:57Z,failed,1.5,100,0.01,\"no, \nnever\",\"{\"\"n\"\":1}\"\n";

    fn check(text: &str, expected: &str) {
        let refused = read(text.as_bytes(), Some("greet"), Some("1.0.0"))
            .unwrap_err()
            .to_string();
        assert!(refused.contains(expected), "{refused}");
    }

    #[test]
    fn a_line_is_a_result_and_may_have_line_breaks_in_quotes() {
        let text = format!("\u{feff}{NAMES}{GOOD}{}", GOOD.replace("e1", "e2"));
        let read = read(text.as_bytes(), Some("greet"), Some("1.0.0")).unwrap();
        assert_eq!(read.iter().map(|r| r.line).collect::<Vec<_>>(), [2, 4]);
        let first = &read[0].result;
        assert_eq!(first.error_message.as_deref(), Some("no, \nnever"));
        assert_eq!((first.tokens_used, &first.metadata["n"]), (100, &json!(1)));
    }

    #[test]
    fn what_is_wrong_is_said_with_the_line() {
        check("", "line 1: the columns execution_id, workflow_id, timestamp");
        check(
            "execution_id,workflow_id,timestamp,status,tokens_used\n",
            "columns execution_time, cost are missing",
        );
        check(&NAMES.replace("metadata", "extra"), "unknown column \"extra\"");
        check(
            &NAMES.replace("metadata", "cost"),
            "the column cost is there twice",
        );
        check(NAMES, "there is no result");
        check(&format!("{NAMES}e1,w,2026"), "line 2: it may be cut off");
        check(
            &format!("{NAMES}e1,w,2026\n{GOOD}"),
            "line 2: it has 3 fields and must have 9",
        );
        for bad in ["NaN", "inf", "-1", "", "1,5"] {
            let line = GOOD.replace("1.5", &format!("\"{bad}\""));
            check(&format!("{NAMES}{line}"), "line 2: execution_time is");
        }
        check(
            &format!("{NAMES}{}", GOOD.replace("failed", "ok")),
            "line 2: status: unknown variant `ok`",
        );
        check(
            &format!("{NAMES}{}", GOOD.replace(",100,", ",1.5,")),
            "tokens_used is \"1.5\"",
        );
    }
}
