//! The version document: the content of one version file.

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

use super::{
    Checksum, ChecksumError, InvalidPrompt, InvalidVersion, OptimizationResult, Prompt, PromptAnalysis,
    PromptId, Timestamp, Version,
};

/// One version of a prompt, as its file says it (docs/format.md).
///
/// Field order is the key order on disk. What promptd adds to the Python system's shape lives inside `metadata`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct PromptVersion {
    /// The prompt; equals the name of the directory.
    pub prompt_id: PromptId,
    /// The number; equals the name of the file.
    pub version: Version,
    /// The text and where it came from.
    pub prompt: Prompt,
    /// Its scores.
    pub analysis: PromptAnalysis,
    /// How it was made, when it was made by a rewriting.
    #[serde(default)]
    pub optimization_result: Option<OptimizationResult>,
    /// The version that it was made from. In files of the Python system it may be spelled as no version is here; such a
    /// parent is none.
    #[serde(default, deserialize_with = "lenient_version")]
    pub parent_version: Option<Version>,
    /// When it was made.
    #[serde(default = "Timestamp::now")]
    pub created_at: Timestamp,
    /// Author, checksum, provenance, and whatever users add, as free JSON.
    #[serde(default)]
    pub metadata: Map<String, Value>,
}

/// Why bytes are no version document.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DocumentError {
    /// Not JSON, or not of this shape.
    #[error("at {path}: {reason}")]
    Shape {
        /// Where, as a dotted path from the root.
        path: String,
        /// What the parser said.
        reason: String,
    },
    /// A key that the format does not know.
    #[error("unknown field {0}: only 'prompt.context' and the 'metadata' objects are free-form")]
    UnknownField(String),
    /// A rule on the prompt.
    #[error(transparent)]
    Prompt(#[from] InvalidPrompt),
    /// A score outside its range.
    #[error("{field} is {value}; it must lie in {range}")]
    OutOfRange {
        /// Which field.
        field: String,
        /// Its value.
        value: String,
        /// What is allowed.
        range: &'static str,
    },
    /// No canonical form.
    #[error(transparent)]
    Checksum(#[from] ChecksumError),
}

impl PromptVersion {
    /// Reads a document from a file: unknown keys are allowed, everything else is checked.
    ///
    /// # Errors
    /// [`DocumentError`] names the place and the rule.
    pub fn from_value(document: &Value) -> Result<Self, DocumentError> {
        require_objects(document)?;
        let parsed: Self = serde_path_to_error::deserialize(document).map_err(|e| shape(&e))?;
        parsed.validate()?;
        Ok(parsed)
    }

    /// Reads a document from a client: as [`Self::from_value`], but unknown keys are refused, since the Python system's
    /// strict models would refuse the file.
    ///
    /// # Errors
    /// [`DocumentError`] names the place and the rule.
    pub fn from_client(document: &Value) -> Result<Self, DocumentError> {
        refuse_unknown_fields::<Self>(document)?;
        if let Some(Value::String(parent)) = document.get("parent_version") {
            let shape = |e: InvalidVersion| DocumentError::Shape {
                path: "parent_version".into(),
                reason: e.to_string(),
            };
            Version::new(parent).map_err(shape)?;
        }
        Self::from_value(document)
    }

    /// Checks the rules that the types cannot express.
    ///
    /// # Errors
    /// [`DocumentError`] names the place and the rule.
    pub fn validate(&self) -> Result<(), DocumentError> {
        self.prompt.validate()?;
        if let Some((field, score)) = self.analysis.score_out_of_range() {
            return Err(out_of_range(format!("analysis.{field}"), score, "0 to 100"));
        }
        match &self.optimization_result {
            Some(result) if !(0.0..=1.0).contains(&result.confidence) => Err(out_of_range(
                "optimization_result.confidence".into(),
                result.confidence,
                "0 to 1",
            )),
            // JSON has no word for these: the file could not be read back.
            Some(result) if !result.improvement_score.is_finite() => Err(out_of_range(
                "optimization_result.improvement_score".into(),
                result.improvement_score,
                "the finite numbers",
            )),
            _ => Ok(()),
        }
    }

    /// Takes the times over that a document as it was sent does not name, from the version that was made of it. They were
    /// filled in then, and are no difference between the two.
    pub(crate) fn take_unsaid_times(&mut self, sent: &Value, made: &Self) {
        let is_unsaid = |path: &str| sent.pointer(path).is_none();
        if is_unsaid("/created_at") {
            self.created_at = made.created_at.clone();
        }
        if is_unsaid("/prompt/extracted_at") {
            self.prompt.extracted_at = made.prompt.extracted_at.clone();
        }
        if is_unsaid("/analysis/analyzed_at") {
            self.analysis.analyzed_at = made.analysis.analyzed_at.clone();
        }
        if let (Some(ours), Some(theirs)) = (&mut self.optimization_result, &made.optimization_result)
            && is_unsaid("/optimization_result/optimized_at")
        {
            ours.optimized_at = theirs.optimized_at.clone();
        }
    }

    /// Puts the checksum of the document into its metadata and returns the bytes of its file: UTF-8, two-space
    /// indent, a final newline.
    ///
    /// # Errors
    /// [`DocumentError::Checksum`] when a value has no canonical form.
    pub fn seal(&mut self) -> Result<Vec<u8>, DocumentError> {
        self.metadata.shift_remove("checksum");
        let checksum = Checksum::of_bare(self)?;
        self.metadata
            .insert("checksum".to_owned(), Value::String(checksum.as_str().to_owned()));
        render(self)
    }

    /// Returns who made the version, as its metadata says.
    #[must_use]
    pub fn author(&self) -> Option<&str> {
        self.metadata.get("author").and_then(Value::as_str)
    }
}

/// Returns a document as the bytes of a file: UTF-8, two-space indent, a final newline.
///
/// # Errors
/// [`DocumentError::Shape`] when a value cannot be written as JSON.
pub(crate) fn render(document: &impl Serialize) -> Result<Vec<u8>, DocumentError> {
    let mut bytes = serde_json::to_vec_pretty(document).map_err(|e| not_json(&e))?;
    bytes.push(b'\n');
    Ok(bytes)
}

/// Refuses keys that type `T` would silently drop.
///
/// # Errors
/// [`DocumentError::UnknownField`] with the path of the first such key, or [`DocumentError::Shape`].
pub(crate) fn refuse_unknown_fields<T: serde::de::DeserializeOwned>(
    document: &Value,
) -> Result<(), DocumentError> {
    let mut unknown = None;
    let mut track = serde_path_to_error::Track::new();
    let tracked = serde_path_to_error::Deserializer::new(document, &mut track);
    let parsed: Result<T, _> = serde_ignored::deserialize(tracked, |path| {
        unknown.get_or_insert_with(|| path.to_string());
    });
    match (parsed, unknown) {
        (_, Some(path)) => Err(DocumentError::UnknownField(path)),
        (Err(e), None) => Err(DocumentError::Shape {
            path: track.path().to_string(),
            reason: e.to_string(),
        }),
        (Ok(_), None) => Ok(()),
    }
}

fn lenient_version<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Version>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    Ok(text.and_then(|text| Version::new(&text).ok()))
}

/// Refuses arrays where objects belong: serde would read them as the fields in order.
fn require_objects(document: &Value) -> Result<(), DocumentError> {
    let refuse = |path: &str| DocumentError::Shape {
        path: path.to_owned(),
        reason: "expected an object".to_owned(),
    };
    if !document.is_object() {
        return Err(refuse("."));
    }
    let is_array = |field: &&&str| document.get(**field).is_some_and(Value::is_array);
    match ["prompt", "analysis", "optimization_result", "metadata"]
        .iter()
        .find(is_array)
    {
        Some(field) => Err(refuse(field)),
        None => Ok(()),
    }
}

fn shape(error: &serde_path_to_error::Error<serde_json::Error>) -> DocumentError {
    DocumentError::Shape {
        path: error.path().to_string(),
        reason: error.inner().to_string(),
    }
}

fn not_json(error: &serde_json::Error) -> DocumentError {
    DocumentError::Shape {
        path: ".".into(),
        reason: error.to_string(),
    }
}

fn out_of_range(field: String, value: f64, range: &'static str) -> DocumentError {
    DocumentError::OutOfRange {
        field,
        value: value.to_string(),
        range,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Integrity;
    use serde_json::json;

    fn document() -> Value {
        json!({
            "prompt_id": "greet", "version": "1.0.0",
            "prompt": {"id": "greet", "workflow_id": "wf", "node_id": "n", "node_type": "llm", "text": "Say hello.",
                       "role": "system", "variables": [], "context": {"a": {"b": 1}}, "extracted_at": "2025-01-02T03:04:05"},
            "analysis": {"prompt_id": "greet", "overall_score": 50.0, "clarity_score": 50.0, "efficiency_score": 50.0,
                         "issues": [], "suggestions": [], "metadata": {}, "analyzed_at": "2025-01-02T03:04:05.5"},
            "optimization_result": null, "parent_version": null,
            "created_at": "2025-01-02T03:04:05", "metadata": {"author": "ada"}
        })
    }

    fn check_refused(edit: impl FnOnce(&mut Value), message: &str) {
        let mut doc = document();
        edit(&mut doc);
        let error = PromptVersion::from_client(&doc).unwrap_err().to_string();
        assert!(error.contains(message), "{error:?} does not say {message:?}");
    }

    #[test]
    fn a_python_document_reads_back_equal() {
        let parsed = PromptVersion::from_value(&document()).unwrap();
        assert_eq!(serde_json::to_value(&parsed).unwrap(), document());
        assert_eq!(parsed.author(), Some("ada"));
    }

    #[test]
    fn a_sealed_document_keeps_the_key_order_and_verifies() {
        let mut parsed = PromptVersion::from_value(&document()).unwrap();
        let bytes = parsed.seal().unwrap();
        let value: Value = serde_json::from_slice(&bytes).unwrap();
        let keys: Vec<&String> = value.as_object().unwrap().keys().collect();
        assert_eq!(
            keys,
            [
                "prompt_id",
                "version",
                "prompt",
                "analysis",
                "optimization_result",
                "parent_version",
                "created_at",
                "metadata"
            ]
        );
        assert_eq!(
            Integrity::of(&value, &Checksum::of(&value).unwrap()),
            Integrity::Sealed
        );
        assert!(bytes.starts_with(b"{\n  \"prompt_id\"") && bytes.ends_with(b"}\n"));
        assert_eq!(parsed.seal().unwrap(), bytes, "sealing twice changes nothing");
    }

    #[test]
    fn each_mistake_is_named_with_its_place() {
        check_refused(|d| d["surprise"] = json!(1), "unknown field surprise");
        check_refused(
            |d| d["prompt"]["surprise"] = json!(1),
            "unknown field prompt.surprise",
        );
        check_refused(|d| d["prompt"]["text"] = json!(5), "at prompt.text");
        check_refused(|d| d["prompt"]["text"] = json!("  "), "prompt.text is empty");
        check_refused(
            |d| d["prompt"] = json!(["greet", "wf", "n", "llm", "hi"]),
            "at prompt: expected an object",
        );
        check_refused(|d| d["version"] = json!("1.0"), "invalid version");
        check_refused(
            |d| d["analysis"]["clarity_score"] = json!(101),
            "analysis.clarity_score is 101",
        );
        check_refused(
            |d| drop(d.as_object_mut().unwrap().remove("analysis")),
            "missing field `analysis`",
        );
        check_refused(|d| d["parent_version"] = json!("01.0.0"), "at parent_version");
        check_refused(|d| d["created_at"] = json!("yesterday"), "at created_at");
    }

    #[test]
    fn a_file_may_carry_unknown_keys_and_free_maps_may_carry_anything() {
        let mut doc = document();
        doc["metadata"]["anything"] = json!([1, {"x": null}]);
        assert!(PromptVersion::from_client(&doc).is_ok());
        doc["new_key_of_a_later_format"] = json!(true);
        doc["parent_version"] = json!("01.0.0");
        assert!(PromptVersion::from_value(&doc).is_ok());
    }
}
