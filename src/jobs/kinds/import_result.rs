//! What came of an import.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{JobFailure, to_value};
use crate::dify;
use crate::model::{PromptId, Version};
use crate::versions::VersionError;

/// What came of an import.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ImportResult {
    /// What the ids of the prompts begin with.
    pub workflow: String,
    /// How many prompts the document holds.
    pub prompts: u64,
    /// How many of them became new versions.
    pub created: u64,
    /// How many of them have the text of their latest version.
    pub unchanged: u64,
    /// How many prompt fields hold no text.
    pub empty: u64,
    /// What was found odd in the document.
    pub skipped: Vec<SkippedPlace>,
    /// The prompts that are stored, in the order of the document.
    pub versions: Vec<ImportedVersion>,
    /// The prompts that could not be stored.
    pub failed: Vec<FailedPrompt>,
}

/// Something odd in a document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct SkippedPlace {
    /// Where, as an RFC 6901 pointer; empty for the document as a whole.
    pub pointer: String,
    /// The line, if it is known.
    #[schema(required)]
    pub line: Option<u64>,
    /// What is odd, and what was done about it.
    pub message: String,
}

/// A prompt of the document that is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ImportedVersion {
    /// The prompt.
    pub prompt_id: PromptId,
    /// The version that holds its text.
    pub version: Version,
    /// Whether the import made that version.
    pub created: bool,
    /// Where in the document its text stands.
    pub pointer: String,
    /// What it is to the app.
    pub kind: String,
}

/// A prompt of the document that could not be stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct FailedPrompt {
    /// The prompt.
    pub prompt_id: PromptId,
    /// The stable code of the error.
    pub code: String,
    /// What is wrong.
    pub message: String,
}

impl FailedPrompt {
    pub(super) fn of(prompt_id: PromptId, error: &VersionError) -> Self {
        Self {
            prompt_id,
            code: error.code().to_owned(),
            message: error.to_string(),
        }
    }
}

impl ImportResult {
    /// Tells whether the import succeeded: every prompt must be stored.
    pub(super) fn judge(&self) -> Result<Value, JobFailure> {
        let value = to_value(self)?;
        let (total, stored) = (self.prompts, self.versions.len() as u64);
        let error = match self.failed.first() {
            Some(FailedPrompt {
                prompt_id, message, ..
            }) => {
                let failed = self.failed.len();
                format!(
                    "{failed} of {total} prompts could not be stored, {stored} are; the first: {prompt_id}: {message}"
                )
            }
            None if stored < total => format!("stopped when {stored} of {total} prompts were stored"),
            None => return Ok(value),
        };
        Err(JobFailure {
            error,
            result: Some(value),
        })
    }
}

impl SkippedPlace {
    /// Returns it as one line behind the name of its file: `a.yml:7: /app/mode is not known`.
    pub fn in_file(&self, file: impl std::fmt::Display) -> String {
        let line = self.line.map(|line| format!(":{line}")).unwrap_or_default();
        let space = if self.pointer.is_empty() { "" } else { " " };
        format!("{file}{line}: {}{space}{}", self.pointer, self.message)
    }
}

impl From<dify::Diagnostic> for SkippedPlace {
    fn from(diagnostic: dify::Diagnostic) -> Self {
        Self {
            pointer: diagnostic.pointer,
            line: diagnostic.line.map(|line| line as u64),
            message: diagnostic.message,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_told_with_what_is_known_of_it() {
        let told = |pointer: &str, line| {
            let (pointer, message) = (pointer.to_owned(), "nothing here".to_owned());
            SkippedPlace {
                pointer,
                line,
                message,
            }
            .in_file("a.yml")
        };
        assert_eq!(told("/app", Some(7)), "a.yml:7: /app nothing here");
        assert_eq!(told("", Some(7)), "a.yml:7: nothing here");
        assert_eq!(told("", None), "a.yml: nothing here");
    }
}
