//! The variable parts of a path.

use axum::extract::{FromRequestParts, RawPathParams};
use axum::http::request::Parts;

use crate::model::{Label, MAX_VERSION_LEN, PromptId, Version, VersionSelector};

use super::problem::{Code, Problem};

/// The longest reference to a version, in bytes: that of a version.
pub(super) const MAX_REFERENCE_LEN: usize = MAX_VERSION_LEN;

/// Reads a reference to a version: a number, a range, a label, `latest` or `best`.
///
/// # Errors
/// `invalid-version` with the rule.
pub(super) fn reference(text: &str) -> Result<VersionSelector, Problem> {
    if text.len() > MAX_REFERENCE_LEN {
        let detail = format!("the version reference is longer than {MAX_REFERENCE_LEN} characters");
        return Err(Problem::new(Code::InvalidVersion, detail));
    }
    Ok(text.parse()?)
}

/// The variable parts of a path, percent-decoded but not yet checked.
pub(super) struct PathParts(RawPathParams);

impl<S: Send + Sync> FromRequestParts<S> for PathParts {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match RawPathParams::from_request_parts(parts, state).await {
            Ok(params) => Ok(Self(params)),
            Err(error) => Err(Problem::invalid_request(format!("path: {}", error.body_text()))),
        }
    }
}

impl PathParts {
    /// `{id}`: the name of a prompt.
    pub(super) fn prompt_id(&self) -> Result<PromptId, Problem> {
        Ok(PromptId::new(self.text("id"))?)
    }

    /// `{version}` where only a number will do.
    pub(super) fn version(&self) -> Result<Version, Problem> {
        Ok(Version::new(self.text("version"))?)
    }

    /// `{version}` where a label, a range, `latest` or `best` will do as well.
    pub(super) fn reference(&self) -> Result<VersionSelector, Problem> {
        reference(self.text("version"))
    }

    /// `{label}`.
    pub(super) fn label(&self) -> Result<Label, Problem> {
        Ok(Label::new(self.text("label"))?)
    }

    /// `{id}`: the name of a job. What is no name of a job is the name of none.
    pub(super) fn job_id(&self) -> &str {
        self.text("id")
    }

    /// A part by its name; empty when the route has none of that name, which no rule accepts.
    fn text(&self, name: &str) -> &str {
        self.0
            .iter()
            .find(|(key, _)| *key == name)
            .map_or("", |(_, value)| value)
    }
}
