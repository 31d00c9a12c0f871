//! Test results in JSON Lines: one object per line.

use super::batch::{
    LineProblems, NumberedLine, ReportedResult, TargetedResult, target_all, without_byte_order_mark,
};
use crate::model::strict_json;

/// Reads results. Blank lines are passed over. One line that is wrong refuses all of them.
///
/// # Errors
/// Every problem, with its line.
pub fn read(
    text: &[u8],
    prompt_id: Option<&str>,
    version: Option<&str>,
) -> Result<Vec<TargetedResult>, LineProblems> {
    target_all("line", reported(text), prompt_id, version)
}

/// Reads the lines without looking for their versions.
pub fn reported(text: &[u8]) -> impl Iterator<Item = NumberedLine> + '_ {
    let text = without_byte_order_mark(text);
    let ends = text.last().is_none_or(|byte| *byte == b'\n');
    let lines: Vec<&[u8]> = text.split(|byte| *byte == b'\n').collect();
    let last = lines.len() as u64;
    let numbered = (1..).zip(lines).filter(|(_, line)| !line.trim_ascii().is_empty());
    numbered.map(move |(number, line)| {
        let is_torn = number == last && !ends;
        (number, parse(line.trim_ascii(), is_torn))
    })
}

fn parse(line: &[u8], is_torn: bool) -> Result<ReportedResult, String> {
    let value = strict_json::parse(line).map_err(|reason| match is_torn {
        true => format!("the last line is cut off: {}", within_line(&reason)),
        false => format!("not JSON: {}", within_line(&reason)),
    })?;
    ReportedResult::from_json(value)
}

/// Places in one line are columns.
fn within_line(reason: &str) -> String {
    reason.replace(" at line 1 column ", " in column ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"{"execution_id":"e1","workflow_id":"w","timestamp":"2026-11-22T19:52:57Z","status":"success","execution_time":1.5,"tokens_used":100,"cost":0.01}"#;

    fn check(text: &str, expected: &str) {
        let refused = read(text.as_bytes(), Some("greet"), Some("1.0.0"))
            .unwrap_err()
            .to_string();
        assert!(refused.contains(expected), "{refused}");
    }

    #[test]
    fn a_line_is_a_result() {
        let text = format!("\u{feff}{GOOD}\r\n\n{}", GOOD.replace("e1", "e2"));
        let read = read(text.as_bytes(), Some("greet"), Some("1.0.0")).unwrap();
        let places: Vec<(u64, &str)> = read
            .iter()
            .map(|r| (r.line, r.result.execution_id.as_str()))
            .collect();
        assert_eq!(places, [(1, "e1"), (3, "e2")]);
    }

    #[test]
    fn what_is_wrong_is_said_with_the_line() {
        check("", "line 1: there is no result");
        check(
            &format!("{GOOD}\n{}", &GOOD[..40]),
            "line 2: the last line is cut off",
        );
        check(&format!("{GOOD}\nnull\n"), "line 2: invalid type: null");
        check(&GOOD.replace("1.5", "NaN"), "line 1: ");
        check(&GOOD.replace("1.5", "1e999"), "line 1: ");
        check(&GOOD.replace("1.5", "\"1.5\""), "execution_time: ");
        check(&GOOD.replace("\"cost\"", "\"execution_id\""), "duplicate key");
        check(
            &format!(
                "{}\n{GOOD}\n{}\n",
                GOOD.replace("0.01", "-1"),
                GOOD.replace("success", "ok")
            ),
            "line 1: cost is -1: expected a number from 0 to 1000000000; line 3: status: unknown variant `ok`",
        );
    }
}
