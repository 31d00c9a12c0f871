//! What came of an attempt, in the shape that evidence has.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::model::{TestStatus, Timestamp};
use crate::variants::Case;

/// The longest error message that is kept, in characters.
const MAX_MESSAGE_CHARS: usize = 4_000;
/// The longest execution id, in bytes.
const MAX_EXECUTION_ID_LEN: usize = 200;
/// How much of an answer that is no JSON is shown, in characters.
const SHOWN_CHARS: usize = 60;

/// The result of a case, as the file of results has it: with what went in and what came out, of which the store keeps only a
/// length (`model::TestResult`).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CaseResult {
    /// The workflow, as the plan calls it.
    pub workflow_id: String,
    /// The execution; no two have the same.
    pub execution_id: String,
    /// When it began.
    pub timestamp: Timestamp,
    /// How it ended.
    pub status: TestStatus,
    /// How long it took, in seconds.
    pub execution_time: f64,
    /// How many tokens it used.
    pub tokens_used: u64,
    /// What it cost.
    pub cost: f64,
    /// What went in.
    pub inputs: Map<String, Value>,
    /// What came out.
    pub outputs: Map<String, Value>,
    /// What went wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_message: Option<String>,
    /// The variant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt_variant: Option<String>,
    /// The dataset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dataset: Option<String>,
    /// Everything else: `case_id`, `scenario`, `attempt_count`, and what the command adds.
    #[serde(default)]
    pub metadata: Map<String, Value>,
}

/// One attempt that has ended.
#[derive(Debug, Clone)]
pub struct Trial<'c> {
    /// The case.
    pub case: &'c Case,
    /// Which attempt at the case it was, from 1.
    pub attempt: u32,
    /// When it began.
    pub began: Timestamp,
    /// How long it took.
    pub took: Duration,
}

impl CaseResult {
    /// Returns the case that it is of.
    #[must_use]
    pub fn case_id(&self) -> Option<&str> {
        self.metadata.get("case_id")?.as_str()
    }

    /// Returns how many attempts the case has had.
    #[must_use]
    pub fn attempts(&self) -> u32 {
        let count = self.metadata.get("attempt_count").and_then(Value::as_u64);
        count.and_then(|count| u32::try_from(count).ok()).unwrap_or(1)
    }
}

/// Returns the result of an attempt that gave no answer.
#[must_use]
pub fn of_failure(status: TestStatus, message: &str, trial: &Trial<'_>) -> CaseResult {
    CaseResult {
        status,
        error_message: Some(cut(message, MAX_MESSAGE_CHARS)),
        ..blank(trial)
    }
}

/// Returns the result that a command has printed: one JSON object in which everything may be missing. What it does not say
/// is taken from the attempt; what a result has no place for goes into `metadata`.
///
/// # Errors
/// In words, when it is no such object.
pub fn of_answer(answer: &[u8], trial: &Trial<'_>) -> Result<CaseResult, String> {
    if answer.trim_ascii().is_empty() {
        return Err("the command printed nothing: it has to print one JSON object".to_owned());
    }
    let mut said: Map<String, Value> = serde_json::from_slice(answer).map_err(|error| {
        let begin = cut(&String::from_utf8_lossy(answer), SHOWN_CHARS);
        format!("the command did not print one JSON object ({error}): {begin:?}")
    })?;
    let mut result = blank(trial);
    if let Some(status) = said.remove("status") {
        result.status = status_of(&status)
            .ok_or_else(|| format!("`status` is {status}, but must be success, failed, timeout or error"))?;
    }
    if let Some(id) = said.remove("execution_id").filter(|id| !id.is_null()) {
        result.execution_id = execution_id(&id)?;
    }
    if let Some(at) = said.remove("timestamp").filter(|at| !at.is_null()) {
        result.timestamp =
            Timestamp::deserialize(&at).map_err(|error| format!("`timestamp` is {at}: {error}"))?;
    }
    let mut number = |names: [&str; 2]| {
        let found = names
            .into_iter()
            .find_map(|name| Some((name, said.remove(name)?)));
        found.map(|(name, value)| amount(name, &value)).transpose()
    };
    result.execution_time = number(["execution_time", "elapsed_time"])?.unwrap_or(result.execution_time);
    result.tokens_used = whole(number(["tokens_used", "total_tokens"])?.unwrap_or(0.0))?;
    result.cost = number(["cost", "total_price"])?.unwrap_or(0.0);
    if let Some(inputs) = said.remove("inputs").filter(|inputs| !inputs.is_null()) {
        result.inputs = object("input", inputs);
    }
    if let Some(outputs) = said.remove("outputs").filter(|outputs| !outputs.is_null()) {
        result.outputs = object("output", outputs);
    }
    if let Some(message) = said.remove("error_message").filter(|message| !message.is_null()) {
        let message = message
            .as_str()
            .map_or_else(|| message.to_string(), str::to_owned);
        result.error_message = Some(cut(&message, MAX_MESSAGE_CHARS));
    }
    let ours = std::mem::take(&mut result.metadata);
    if let Some(metadata) = said.remove("metadata").filter(|metadata| !metadata.is_null()) {
        result.metadata = object("metadata", metadata);
    }
    for (name, mine) in [
        ("prompt_variant", &result.prompt_variant),
        ("dataset", &result.dataset),
    ] {
        said.retain(|key, value| key != name || value.as_str() != mine.as_deref());
    }
    said.retain(|key, value| key != "workflow_id" || value != trial.case.workflow_id.as_str());
    for (key, value) in said {
        result.metadata.entry(key).or_insert(value);
    }
    result.metadata.extend(ours);
    reads_back(result)
}

/// Refuses a result whose line nobody could read again, such as one that is nested too deeply.
fn reads_back(result: CaseResult) -> Result<CaseResult, String> {
    let line = serde_json::to_vec(&result).map_err(|error| error.to_string())?;
    match serde_json::from_slice::<CaseResult>(&line) {
        Ok(_) => Ok(result),
        Err(error) => Err(format!("the answer of the command cannot be kept: {error}")),
    }
}

fn blank(trial: &Trial<'_>) -> CaseResult {
    let Trial {
        case,
        attempt,
        began,
        took,
    } = trial;
    let metadata = [
        ("case_id", json!(case.case_id)),
        ("scenario", json!(case.scenario)),
        ("attempt_count", json!(attempt)),
    ];
    CaseResult {
        workflow_id: case.workflow_id.clone(),
        execution_id: format!("{}-{attempt}", case.case_id),
        timestamp: began.clone(),
        status: TestStatus::Success,
        execution_time: took.as_secs_f64(),
        tokens_used: 0,
        cost: 0.0,
        inputs: case.parameters.clone(),
        outputs: Map::new(),
        error_message: None,
        prompt_variant: Some(case.variant.clone()),
        dataset: Some(case.dataset.clone()),
        metadata: metadata
            .map(|(key, value)| (key.to_owned(), value))
            .into_iter()
            .collect(),
    }
}

/// Dify says `succeeded`.
fn status_of(status: &Value) -> Option<TestStatus> {
    match status.as_str()? {
        "succeeded" => Some(TestStatus::Success),
        word => TestStatus::parse(word),
    }
}

fn execution_id(id: &Value) -> Result<String, String> {
    match id.as_str() {
        Some(id) if !id.trim().is_empty() && id.len() <= MAX_EXECUTION_ID_LEN => Ok(id.to_owned()),
        _ => Err(format!(
            "`execution_id` must be a text of 1 to {MAX_EXECUTION_ID_LEN} bytes"
        )),
    }
}

fn amount(name: &str, value: &Value) -> Result<f64, String> {
    let number = value.as_f64().or_else(|| value.is_null().then_some(0.0));
    let number = number.or_else(|| value.as_str()?.parse().ok());
    number
        .filter(|number| number.is_finite() && *number >= 0.0)
        .ok_or_else(|| format!("`{name}` is {value}, but must be a number of at least 0"))
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "checked to be whole and small enough"
)]
fn whole(number: f64) -> Result<u64, String> {
    if number.fract() == 0.0 && number <= 9e15 {
        Ok(number as u64)
    } else {
        Err(format!("`tokens_used` is {number}, but must be a whole number"))
    }
}

fn object(name: &str, value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        other => Map::from_iter([(name.to_owned(), other)]),
    }
}

fn cut(text: &str, chars: usize) -> String {
    match text.char_indices().nth(chars) {
        Some((at, _)) => format!("{}...", text.get(..at).unwrap_or_default()),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn case() -> Case {
        serde_json::from_value(json!({
            "case_id": "case-1", "workflow_id": "bot", "variant": "brief", "dataset": "d", "scenario": "normal",
            "parameters": {"q": "x"}, "conversation_flow": null
        }))
        .unwrap()
    }

    fn answered(answer: &str) -> Result<Value, String> {
        let case = case();
        let trial = Trial {
            case: &case,
            attempt: 2,
            began: "2026-01-02T03:04:05Z".parse().unwrap(),
            took: Duration::from_millis(1_500),
        };
        of_answer(answer.as_bytes(), &trial).map(|result| serde_json::to_value(result).unwrap())
    }

    #[test]
    fn what_the_command_does_not_say_comes_from_the_attempt() {
        assert_eq!(
            answered(" {} \n").unwrap(),
            json!({
                "workflow_id": "bot", "execution_id": "case-1-2", "timestamp": "2026-01-02T03:04:05Z", "status": "success",
                "execution_time": 1.5, "tokens_used": 0, "cost": 0.0, "inputs": {"q": "x"}, "outputs": {},
                "prompt_variant": "brief", "dataset": "d",
                "metadata": {"case_id": "case-1", "scenario": "normal", "attempt_count": 2}
            })
        );
    }

    #[test]
    fn an_answer_of_dify_is_understood_and_nothing_of_it_is_lost() {
        let answer = answered(
            r#"{"workflow_run_id": "r", "workflow_id": "other", "status": "succeeded", "outputs": {"text": "hi"},
                "elapsed_time": 0.25, "total_tokens": 100, "total_steps": 1, "metadata": {"case_id": "forged", "note": 1}}"#,
        )
        .unwrap();
        assert_eq!(answer["status"], "success");
        assert_eq!(
            [&answer["execution_time"], &answer["tokens_used"]],
            [&json!(0.25), &json!(100)]
        );
        assert_eq!(answer["workflow_id"], "bot");
        assert_eq!(
            answer["metadata"],
            json!({"case_id": "case-1", "note": 1, "workflow_run_id": "r", "workflow_id": "other", "total_steps": 1,
                   "scenario": "normal", "attempt_count": 2})
        );
        let text = answered(r#"{"outputs": "just text", "execution_id": "mine", "cost": "0.5"}"#).unwrap();
        assert_eq!(text["outputs"], json!({"output": "just text"}));
        assert_eq!(
            [&text["execution_id"], &text["cost"]],
            [&json!("mine"), &json!(0.5)]
        );
    }

    #[test]
    fn rubbish_is_refused_in_words() {
        for (answer, words) in [
            ("", "printed nothing"),
            ("done!", "did not print one JSON object"),
            ("{} {}", "did not print one JSON object"),
            ("[1]", "did not print one JSON object"),
            (r#"{"status": "great"}"#, "`status` is \"great\""),
            (r#"{"execution_time": -1}"#, "`execution_time`"),
            (r#"{"tokens_used": 1.5}"#, "whole number"),
            (r#"{"cost": "much"}"#, "`cost`"),
            (r#"{"execution_id": ""}"#, "`execution_id`"),
            (r#"{"timestamp": "soon"}"#, "`timestamp`"),
        ] {
            let message = answered(answer).unwrap_err();
            assert!(message.contains(words), "{answer}: {message}");
        }
        assert!(answered(&"x".repeat(10_000)).unwrap_err().len() < 300);
        let deep = format!("{{\"more\": {}{}}}", "[".repeat(126), "]".repeat(126));
        assert!(answered(&deep).unwrap_err().contains("cannot be kept"));
    }

    #[test]
    fn a_failure_is_a_result_as_well() {
        let case = case();
        let trial = Trial {
            case: &case,
            attempt: 1,
            began: "2026-01-02T03:04:05Z".parse().unwrap(),
            took: Duration::from_secs(9),
        };
        let result = of_failure(TestStatus::Timeout, "no answer within 9 s", &trial);
        assert_eq!(
            (result.status, result.case_id(), result.attempts()),
            (TestStatus::Timeout, Some("case-1"), 1)
        );
        let line = serde_json::to_string(&result).unwrap();
        assert_eq!(serde_json::from_str::<CaseResult>(&line).unwrap(), result);
    }
}
