//! What the doctor says.

use serde::Serialize;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Level {
    /// As it should be.
    Ok,
    /// Good to know.
    Note,
    /// It works, and may not for long.
    Warning,
    /// It does not work.
    Problem,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Finding {
    pub(super) level: Level,
    /// What was looked at.
    pub(super) area: &'static str,
    /// What was found.
    pub(super) what: String,
    /// Why it matters.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) why: String,
    /// What to do.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) fix: Vec<String>,
}

impl Finding {
    pub(super) fn ok(area: &'static str, what: impl Into<String>) -> Self {
        Self {
            level: Level::Ok,
            area,
            what: what.into(),
            why: String::new(),
            fix: Vec::new(),
        }
    }

    pub(super) fn problem(area: &'static str, what: impl Into<String>) -> Self {
        Self {
            level: Level::Problem,
            ..Self::ok(area, what)
        }
    }

    pub(super) fn warning(area: &'static str, what: impl Into<String>) -> Self {
        Self {
            level: Level::Warning,
            ..Self::ok(area, what)
        }
    }

    pub(super) fn note(area: &'static str, what: impl Into<String>) -> Self {
        Self {
            level: Level::Note,
            ..Self::ok(area, what)
        }
    }

    /// Says why it matters.
    pub(super) fn why(mut self, why: impl Into<String>) -> Self {
        self.why = why.into();
        self
    }

    /// Says what to do.
    pub(super) fn fix(mut self, step: impl Into<String>) -> Self {
        self.fix.push(step.into());
        self
    }
}
