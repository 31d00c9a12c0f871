//! The result of one test of a prompt: what was measured when a workflow was run with it.
//!
//! Neither the inputs nor the outputs of the run are kept, since they may hold personal data: only how long the outputs
//! were.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::Timestamp;

/// The longest id of an execution or a workflow and the longest name of a variant or a data set, in characters.
const MAX_NAME_CHARS: usize = 200;
/// The longest error message that is kept, in characters; the rest is cut off.
const MAX_ERROR_CHARS: usize = 500;
/// The largest metadata of one result, in bytes of JSON.
const MAX_TEST_METADATA_BYTES: usize = 4096;
/// The longest time of one execution, in seconds: a year.
const MAX_EXECUTION_SECONDS: f64 = 31_536_000.0;
/// The most tokens of one execution.
const MAX_TOKENS: u64 = 1_000_000_000_000;
/// The highest cost of one execution, in US dollars.
const MAX_COST: f64 = 1_000_000_000.0;
/// The longest output that is counted, in characters.
const MAX_OUTPUT_CHARS: u64 = 1_000_000_000_000;

/// How a test ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum TestStatus {
    /// The run ended well.
    Success,
    /// The run ended, and not well.
    Failed,
    /// The run took longer than it may.
    Timeout,
    /// The run could not be done.
    Error,
}

/// One test result, as it is kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TestResult {
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
    /// How long the outputs were, in characters of JSON. The outputs themselves are not kept.
    #[serde(default)]
    #[schema(minimum = 0, maximum = 1_000_000_000_000_u64)]
    pub output_chars: u64,
    /// What went wrong; cut after 500 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 500)]
    pub error_message: Option<String>,
    /// The variant of the workflow that was run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 200)]
    pub prompt_variant: Option<String>,
    /// The data that it was run with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 200)]
    pub dataset: Option<String>,
    /// Anything else, up to 4,096 bytes.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub metadata: Map<String, Value>,
}

impl TestStatus {
    /// Every status.
    pub const ALL: [Self; 4] = [Self::Success, Self::Failed, Self::Timeout, Self::Error];

    /// Returns the word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Failed => "failed",
            Self::Timeout => "timeout",
            Self::Error => "error",
        }
    }

    /// Reads the word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == word)
    }
}

impl TestResult {
    /// Checks every rule, and cuts a long error message.
    ///
    /// # Errors
    /// A sentence that names the field and says what is wrong with it.
    pub fn checked(mut self) -> Result<Self, String> {
        check_name("execution_id", &self.execution_id)?;
        check_name("workflow_id", &self.workflow_id)?;
        for (field, name) in [
            ("prompt_variant", &self.prompt_variant),
            ("dataset", &self.dataset),
        ] {
            if let Some(name) = name {
                check_name(field, name)?;
            }
        }
        check_number("execution_time", self.execution_time, MAX_EXECUTION_SECONDS)?;
        check_number("cost", self.cost, MAX_COST)?;
        check_count("tokens_used", self.tokens_used, MAX_TOKENS)?;
        check_count("output_chars", self.output_chars, MAX_OUTPUT_CHARS)?;
        let size = serde_json::to_vec(&self.metadata).map_or(usize::MAX, |bytes| bytes.len());
        if size > MAX_TEST_METADATA_BYTES {
            return Err(format!(
                "metadata has {size} bytes; at most {MAX_TEST_METADATA_BYTES} are kept"
            ));
        }
        // No difference between 0 and -0 may make one result two.
        self.execution_time += 0.0;
        self.cost += 0.0;
        self.error_message = self.error_message.filter(|message| !message.is_empty());
        if let Some(message) = &mut self.error_message
            && let Some((end, _)) = message.char_indices().nth(MAX_ERROR_CHARS)
        {
            message.truncate(end);
        }
        Ok(self)
    }
}

fn check_name(field: &str, name: &str) -> Result<(), String> {
    if name.trim().is_empty() {
        return Err(format!("{field} is empty"));
    }
    if name.chars().any(char::is_control) {
        return Err(format!("{field} has control characters"));
    }
    let length = name.chars().count();
    if length > MAX_NAME_CHARS {
        return Err(format!(
            "{field} has {length} characters; at most {MAX_NAME_CHARS} are allowed"
        ));
    }
    Ok(())
}

fn check_number(field: &str, number: f64, max: f64) -> Result<(), String> {
    if (0.0..=max).contains(&number) {
        Ok(())
    } else {
        Err(format!("{field} is {number}: expected a number from 0 to {max}"))
    }
}

fn check_count(field: &str, number: u64, max: u64) -> Result<(), String> {
    if number <= max {
        Ok(())
    } else {
        Err(format!(
            "{field} is {number}: expected a whole number from 0 to {max}"
        ))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A result of which only the interesting parts differ.
    pub(crate) fn result(execution: &str, status: TestStatus, seconds: f64) -> TestResult {
        TestResult {
            execution_id: execution.to_owned(),
            workflow_id: "w".to_owned(),
            timestamp: Timestamp::new("2026-11-22T19:52:57Z").unwrap(),
            status,
            execution_time: seconds,
            tokens_used: 100,
            cost: 0.01,
            output_chars: 200,
            error_message: None,
            prompt_variant: None,
            dataset: None,
            metadata: Map::new(),
        }
    }

    fn check(change: impl FnOnce(&mut TestResult), expected: &str) {
        let mut result = result("e1", TestStatus::Success, 1.0);
        change(&mut result);
        let refused = result.checked().unwrap_err();
        assert!(refused.contains(expected), "{refused}");
    }

    #[test]
    fn what_is_no_measurement_is_refused_by_name() {
        check(|r| r.execution_time = f64::NAN, "execution_time is NaN");
        check(|r| r.execution_time = f64::INFINITY, "execution_time is inf");
        check(|r| r.execution_time = -0.1, "execution_time is -0.1");
        check(|r| r.cost = -1.0, "cost is -1");
        check(|r| r.cost = 1e300, "cost is");
        check(|r| r.tokens_used = u64::MAX, "tokens_used is");
        check(|r| r.execution_id = " ".to_owned(), "execution_id is empty");
        check(|r| r.execution_id = "a\nb".to_owned(), "control characters");
        check(
            |r| r.workflow_id = "w".repeat(201),
            "workflow_id has 201 characters",
        );
        check(|r| r.dataset = Some(String::new()), "dataset is empty");
        check(
            |r| drop(r.metadata.insert("k".into(), "v".repeat(5000).into())),
            "metadata has",
        );
    }

    #[test]
    fn a_long_message_is_cut_and_not_refused() {
        let mut long = result("e1", TestStatus::Failed, -0.0);
        long.error_message = Some("ä".repeat(MAX_ERROR_CHARS + 7));
        let kept = long.checked().unwrap();
        assert_eq!(kept.error_message.unwrap().chars().count(), MAX_ERROR_CHARS);
        assert!(kept.execution_time.is_sign_positive());
    }
}
