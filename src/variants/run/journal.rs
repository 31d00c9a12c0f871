//! The results that are there already.

use std::collections::HashMap;

use super::CaseResult;
use crate::model::TestStatus;

/// What one line of the file of results is.
#[derive(Debug, PartialEq)]
pub enum JournalLine {
    /// A result.
    Result(Box<CaseResult>),
    /// Nothing.
    Blank,
    /// No result.
    Broken(String),
}

/// The last result of each case, without its inputs and outputs.
#[derive(Debug, Clone, Default)]
pub struct Journal {
    cases: HashMap<String, Entry>,
}

/// The numbers of a result.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Entry {
    /// How it ended.
    pub status: TestStatus,
    /// In seconds.
    pub execution_time: f64,
    /// How many tokens.
    pub tokens_used: u64,
    /// What it cost.
    pub cost: f64,
    /// How many attempts the case has had.
    pub attempts: u32,
}

/// Reads one line of the file of results.
#[must_use]
pub fn read_line(line: &[u8]) -> JournalLine {
    if line.trim_ascii().is_empty() {
        return JournalLine::Blank;
    }
    match serde_json::from_slice::<CaseResult>(line) {
        Ok(result) if result.case_id().is_none() => {
            JournalLine::Broken("`metadata.case_id` is missing".to_owned())
        }
        Ok(result) => JournalLine::Result(Box::new(result)),
        Err(error) => JournalLine::Broken(error.to_string()),
    }
}

impl Journal {
    /// Adds a result; of several results of a case the last one counts.
    pub fn add(&mut self, result: &CaseResult) {
        let Some(case) = result.case_id() else { return };
        let entry = Entry {
            status: result.status,
            execution_time: result.execution_time,
            tokens_used: result.tokens_used,
            cost: result.cost,
            attempts: result.attempts(),
        };
        self.cases.insert(case.to_owned(), entry);
    }

    /// Returns the last result of a case.
    #[must_use]
    pub fn of(&self, case: &str) -> Option<Entry> {
        self.cases.get(case).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(case: &str, status: &str) -> String {
        format!(
            r#"{{"workflow_id":"w","execution_id":"e","timestamp":"2026-01-02T03:04:05Z","status":"{status}","execution_time":1.0,"tokens_used":2,"cost":0.5,"inputs":{{}},"outputs":{{}},"metadata":{{"case_id":"{case}","attempt_count":3}}}}"#
        )
    }

    #[test]
    fn the_last_result_of_a_case_counts() {
        let mut journal = Journal::default();
        for (case, status) in [("a", "error"), ("b", "success"), ("a", "success")] {
            match read_line(line(case, status).as_bytes()) {
                JournalLine::Result(result) => journal.add(&result),
                other => panic!("{other:?}"),
            }
        }
        let entry = journal.of("a").unwrap();
        assert_eq!(
            (entry.status, entry.attempts, entry.tokens_used),
            (TestStatus::Success, 3, 2)
        );
        assert_eq!(journal.of("c"), None);
    }

    #[test]
    fn torn_and_foreign_lines_are_told_from_results() {
        let whole = line("a", "success");
        assert_eq!(read_line(b" \r"), JournalLine::Blank);
        for torn in [&whole[..whole.len() - 1], "{}", "x"] {
            assert!(
                matches!(read_line(torn.as_bytes()), JournalLine::Broken(_)),
                "{torn}"
            );
        }
        let foreign = whole.replace("case_id", "other");
        assert!(matches!(read_line(foreign.as_bytes()), JournalLine::Broken(_)));
    }
}
