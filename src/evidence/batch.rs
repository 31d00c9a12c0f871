//! Test results as they come in, with the version that each is about.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::model::{PromptId, TestResult, TestStatus, Timestamp, Version};

/// The most problems that are listed one by one.
const MAX_LISTED: usize = 20;

/// Test results of one request.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Batch {
    /// The prompt of every result that names none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<PromptId>)]
    pub prompt_id: Option<String>,
    /// The version of every result that names none: a number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Version>)]
    pub version: Option<String>,
    /// The results. All of them are taken, or none.
    #[schema(min_items = 1)]
    pub results: Vec<ReportedResult>,
}

/// One test result as it comes in: a result, the version that it is about, and what was put in and came out of the run,
/// of which only the length of the outputs is kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReportedResult {
    /// The prompt, unless the request says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<PromptId>)]
    pub prompt_id: Option<String>,
    /// The version, unless the request says it: a number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Version>)]
    pub version: Option<String>,
    /// The line of its file, which errors then name in place of its place in the request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1)]
    pub line: Option<u64>,
    /// What tells this execution from every other of the same version.
    #[schema(min_length = 1, max_length = 200)]
    pub execution_id: String,
    /// The workflow that was run.
    #[schema(min_length = 1, max_length = 200)]
    pub workflow_id: String,
    /// When.
    pub timestamp: Timestamp,
    /// How it ended.
    pub status: TestStatus,
    /// How long it took, in seconds.
    #[schema(minimum = 0, maximum = 31_536_000)]
    pub execution_time: f64,
    /// Tokens in and out.
    #[schema(minimum = 0, maximum = 1_000_000_000_000_u64)]
    pub tokens_used: u64,
    /// What it cost, in US dollars.
    #[schema(minimum = 0, maximum = 1_000_000_000)]
    pub cost: f64,
    /// What was put in. Not kept: it may hold personal data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inputs: Option<Value>,
    /// What came out. Not kept, but for its length as JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outputs: Option<Value>,
    /// The length of the outputs in characters of JSON, in place of the outputs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0, maximum = 1_000_000_000_000_u64)]
    pub output_chars: Option<u64>,
    /// What went wrong; cut after 500 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_message: Option<String>,
    /// The variant of the workflow that was run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 200)]
    pub prompt_variant: Option<String>,
    /// The data that it was run with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 200)]
    pub dataset: Option<String>,
    /// Anything else, up to 4,096 bytes of JSON.
    #[serde(default, skip_serializing_if = "is_absent")]
    pub metadata: Option<Map<String, Value>>,
}

/// A line or a place in a list, from 1, and what was read there.
pub type NumberedLine = (u64, Result<ReportedResult, String>);

/// A result that was checked, and the version that it is about.
#[derive(Debug, Clone, PartialEq)]
pub struct TargetedResult {
    /// Where it stood: a line, or a place in a list, from 1.
    pub line: u64,
    /// The prompt.
    pub prompt_id: PromptId,
    /// The version.
    pub version: Version,
    /// What was measured.
    pub result: TestResult,
}

/// What is wrong with one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LineProblem {
    /// The line, or the place in a list, from 1.
    pub line: u64,
    /// What is wrong with it.
    pub message: String,
}

/// What is wrong with a batch.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LineProblems {
    /// What the numbers count: `line` or `result`.
    pub unit: &'static str,
    /// The problems, in order.
    pub problems: Vec<LineProblem>,
}

#[expect(clippy::ref_option, reason = "serde asks for this signature")]
fn is_absent(metadata: &Option<Map<String, Value>>) -> bool {
    metadata.as_ref().is_none_or(Map::is_empty)
}

impl ReportedResult {
    /// Makes a report of a result, as a client sends it on.
    #[must_use]
    pub fn of(targeted: &TargetedResult) -> Self {
        let result = targeted.result.clone();
        Self {
            line: Some(targeted.line),
            prompt_id: Some(targeted.prompt_id.to_string()),
            version: Some(targeted.version.to_string()),
            execution_id: result.execution_id,
            workflow_id: result.workflow_id,
            timestamp: result.timestamp,
            status: result.status,
            execution_time: result.execution_time,
            tokens_used: result.tokens_used,
            cost: result.cost,
            inputs: None,
            outputs: None,
            output_chars: Some(result.output_chars),
            error_message: result.error_message,
            prompt_variant: result.prompt_variant,
            dataset: result.dataset,
            metadata: Some(result.metadata),
        }
    }

    /// Reads one that was written as a JSON object, or put together as one.
    ///
    /// # Errors
    /// A sentence that names the field.
    pub(super) fn from_json(value: Value) -> Result<Self, String> {
        serde_path_to_error::deserialize(value).map_err(|e| match e.path().to_string().as_str() {
            "." => e.inner().to_string(),
            path => format!("{path}: {}", e.inner()),
        })
    }

    /// Returns what is kept of it.
    ///
    /// # Errors
    /// A sentence that names the field.
    pub fn measured(&self) -> Result<TestResult, String> {
        let counted = self.outputs.as_ref().map(length_of);
        let output_chars = match (counted, self.output_chars) {
            (Some(counted), Some(said)) if counted != said => {
                return Err(format!(
                    "output_chars is {said}, and outputs have {counted} characters"
                ));
            }
            (counted, said) => counted.or(said).unwrap_or(0),
        };
        let result = TestResult {
            execution_id: self.execution_id.clone(),
            workflow_id: self.workflow_id.clone(),
            timestamp: self.timestamp.clone(),
            status: self.status,
            execution_time: self.execution_time,
            tokens_used: self.tokens_used,
            cost: self.cost,
            output_chars,
            error_message: self.error_message.clone(),
            prompt_variant: self.prompt_variant.clone(),
            dataset: self.dataset.clone(),
            metadata: self.metadata.clone().unwrap_or_default(),
        };
        result.checked()
    }

    /// Checks it, and finds the version that it is about.
    ///
    /// # Errors
    /// A sentence that names the field.
    pub fn targeted(
        &self,
        line: u64,
        prompt_id: Option<&str>,
        version: Option<&str>,
    ) -> Result<TargetedResult, String> {
        let absent = "it names no version: give prompt_id and version, in the result or for all of them";
        let prompt_id = self.prompt_id.as_deref().or(prompt_id).ok_or(absent)?;
        let version = self.version.as_deref().or(version).ok_or(absent)?;
        Ok(TargetedResult {
            line,
            prompt_id: PromptId::new(prompt_id).map_err(|e| format!("prompt_id: {e}"))?,
            version: Version::new(version).map_err(|e| format!("version: {e}"))?,
            result: self.measured()?,
        })
    }
}

/// Passes over the mark that some programs put in front of text in UTF-8.
pub(super) fn without_byte_order_mark(text: &[u8]) -> &[u8] {
    text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text)
}

/// Returns the length of a value as JSON without white space, in characters.
fn length_of(value: &Value) -> u64 {
    match value {
        Value::Null => 0,
        value => value.to_string().chars().count() as u64,
    }
}

impl Batch {
    /// Checks every result. One that is wrong refuses all of them.
    ///
    /// # Errors
    /// Every problem, with its place in the list.
    pub fn targeted(&self) -> Result<Vec<TargetedResult>, LineProblems> {
        let numbered = (1..).zip(&self.results);
        let numbered = numbered.map(|(place, result)| (result.line.unwrap_or(place), Ok(result.clone())));
        target_all(
            self.unit(),
            numbered,
            self.prompt_id.as_deref(),
            self.version.as_deref(),
        )
    }

    /// Returns what the numbers in errors count.
    #[must_use]
    pub fn unit(&self) -> &'static str {
        if self.results.iter().all(|result| result.line.is_some()) {
            "line"
        } else {
            "result"
        }
    }
}

/// Checks results that were read one by one.
///
/// # Errors
/// Every problem, with its line.
pub fn target_all(
    unit: &'static str,
    results: impl Iterator<Item = NumberedLine>,
    prompt_id: Option<&str>,
    version: Option<&str>,
) -> Result<Vec<TargetedResult>, LineProblems> {
    let (mut targeted, mut problems) = (Vec::new(), LineProblems::new(unit));
    for (line, read) in results {
        match read.and_then(|reported| reported.targeted(line, prompt_id, version)) {
            Ok(result) => targeted.push(result),
            Err(message) => problems.push(line, message),
        }
    }
    if targeted.is_empty() && problems.is_empty() {
        problems.push(1, "there is no result".to_owned());
    }
    if problems.is_empty() {
        Ok(targeted)
    } else {
        Err(problems)
    }
}

impl LineProblems {
    /// Makes an empty list.
    #[must_use]
    pub const fn new(unit: &'static str) -> Self {
        Self {
            unit,
            problems: Vec::new(),
        }
    }

    /// Adds a problem.
    pub fn push(&mut self, line: u64, message: String) {
        self.problems.push(LineProblem { line, message });
    }

    /// Tells whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.problems.is_empty()
    }
}

impl fmt::Display for LineProblems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, problem) in self.problems.iter().take(MAX_LISTED).enumerate() {
            let separator = if place == 0 { "" } else { "; " };
            write!(
                f,
                "{separator}{} {}: {}",
                self.unit, problem.line, problem.message
            )?;
        }
        match self.problems.len().saturating_sub(MAX_LISTED) {
            0 => Ok(()),
            more => write!(f, "; and {more} more"),
        }
    }
}

impl std::error::Error for LineProblems {}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn reported(changes: &Value) -> Result<ReportedResult, String> {
        let mut value = json!({
            "execution_id": "e1", "workflow_id": "w", "timestamp": "2026-11-22T19:52:57Z", "status": "success",
            "execution_time": 1.5, "tokens_used": 100, "cost": 0.01,
        });
        for (key, new) in changes.as_object().unwrap() {
            value[key] = new.clone();
        }
        serde_json::from_value(value).map_err(|e| e.to_string())
    }

    fn check(changes: &Value, expected: &str) {
        let refused = reported(changes).and_then(|r| r.targeted(1, Some("greet"), Some("1.0.0")));
        let refused = refused.unwrap_err();
        assert!(refused.contains(expected), "{refused}");
    }

    #[test]
    fn bad_results_are_refused_with_the_field() {
        check(&json!({"status": "great"}), "unknown variant `great`");
        check(&json!({"execution_time": -1}), "execution_time is -1");
        check(&json!({"tokens_used": -1}), "expected u64");
        check(&json!({"cost": null}), "expected f64");
        check(&json!({"latency": 1}), "unknown field `latency`");
        check(&json!({"prompt_id": "../x"}), "prompt_id:");
        check(&json!({"version": "latest"}), "version:");
        check(
            &json!({"outputs": {"a": 1}, "output_chars": 3}),
            "outputs have 7 characters",
        );
    }

    #[test]
    fn of_inputs_and_outputs_only_a_length_is_kept() {
        let changes = json!({"inputs": {"name": "Ada"}, "outputs": {"answer": "Grüße"}});
        let kept = reported(&changes).unwrap().measured().unwrap();
        assert_eq!(kept.output_chars, r#"{"answer":"Grüße"}"#.chars().count() as u64);
        let text = serde_json::to_string(&kept).unwrap();
        assert!(!text.contains("Ada") && !text.contains("Grüße"), "{text}");
    }

    #[test]
    fn a_result_names_its_version_or_takes_that_of_the_request() {
        let own = json!({"prompt_id": "other", "version": "2.0.0"});
        let own = reported(&own).unwrap().targeted(7, Some("greet"), None).unwrap();
        assert_eq!(
            (own.prompt_id.as_str(), own.version.to_string(), own.line),
            ("other", "2.0.0".into(), 7)
        );
        let taken = reported(&json!({}))
            .unwrap()
            .targeted(1, Some("greet"), Some("1.0.0"))
            .unwrap();
        assert_eq!(taken.prompt_id.as_str(), "greet");
        let none = reported(&json!({})).unwrap().targeted(1, Some("greet"), None);
        assert!(none.unwrap_err().contains("names no version"));
    }

    #[test]
    fn every_problem_of_a_batch_is_listed_up_to_a_bound() {
        let bad = reported(&json!({"cost": -1})).unwrap();
        let batch = Batch {
            results: vec![bad; 25],
            ..Batch::default()
        };
        let problems = batch.targeted().unwrap_err();
        assert_eq!(problems.problems.len(), 25);
        let shown = problems.to_string();
        assert!(
            shown.starts_with("result 1: ") && shown.ends_with("; and 5 more"),
            "{shown}"
        );
        assert!(
            Batch::default()
                .targeted()
                .unwrap_err()
                .to_string()
                .contains("no result")
        );
        let mut lined = batch;
        (10..)
            .zip(&mut lined.results)
            .for_each(|(line, result)| result.line = Some(line));
        assert!(lined.targeted().unwrap_err().to_string().starts_with("line 10: "));
    }
}
