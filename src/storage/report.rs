//! What is not as it should be in a store.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::model::PromptId;

use super::RepairStep;

/// Kinds that need nobody's attention: what they name is served, or was never promptd's.
const NOTES: [&str; 9] = [
    "corrupt-note",
    "foreign-name",
    "forgotten-number",
    "index-behind",
    "missing-note",
    "missing-parent",
    "orphan-evidence",
    "orphaned-note",
    "unsealed",
];

/// How much a finding matters.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize, utoipa::ToSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Something is damaged or contradicts itself: somebody should look.
    #[default]
    Problem,
    /// Odd, and harmless.
    Note,
}

/// Something in the store that is not as it should be. It is reported and left alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Problem {
    /// Where, relative to the store. Bytes that are no UTF-8 stand as `\xFF`, characters that steer a terminal as `\n` or
    /// `\u{1b}`.
    pub path: String,
    /// What kind of problem, as a stable word; docs/operations.md lists all of them.
    pub kind: String,
    /// Whether it matters.
    #[serde(default)]
    pub severity: Severity,
    /// What is wrong, in a sentence.
    pub message: String,
}

/// What a verification shall look at.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct VerifyScope {
    /// These prompts alone, with their trash; empty means everything.
    pub prompts: Vec<PromptId>,
}

/// What a verification found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct VerifyReport {
    /// Prompts looked at.
    pub prompts: u64,
    /// Versions read.
    pub versions: u64,
    /// Of these, sealed ones whose checksum matches.
    pub sealed: u64,
    /// Of these, foreign ones without a checksum.
    pub unsealed: u64,
    /// Of these, ones that were changed by hand.
    pub edited: u64,
    /// What is not as it should be, in the order of the paths.
    pub problems: Vec<Problem>,
    /// What a repair did, or would do.
    #[serde(default)]
    pub repairs: Vec<RepairStep>,
}

impl Problem {
    /// Makes a problem.
    #[must_use]
    pub fn new(path: &Path, kind: &str, message: impl Into<String>) -> Self {
        Self {
            path: shown(path),
            kind: kind.to_owned(),
            severity: severity_of(kind),
            message: message.into(),
        }
    }
}

/// Returns a path as a text that tells different paths apart and can be printed anywhere.
fn shown(path: &Path) -> String {
    let mut text = String::new();
    for chunk in path.as_os_str().as_bytes().utf8_chunks() {
        for c in chunk.valid().chars() {
            let turns =
                matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
            if c.is_control() || turns {
                text.extend(c.escape_default());
            } else {
                text.push(c);
            }
        }
        for byte in chunk.invalid() {
            text.push_str(&format!("\\x{byte:02X}"));
        }
    }
    text
}

/// Returns how much a kind matters.
fn severity_of(kind: &str) -> Severity {
    if NOTES.contains(&kind) {
        Severity::Note
    } else {
        Severity::Problem
    }
}

impl VerifyScope {
    /// Tells whether a prompt is to be looked at.
    #[must_use]
    pub fn includes(&self, id: &PromptId) -> bool {
        self.prompts.is_empty() || self.prompts.contains(id)
    }

    /// Tells whether everything is to be looked at.
    #[must_use]
    pub fn is_everything(&self) -> bool {
        self.prompts.is_empty()
    }
}

impl VerifyReport {
    /// Returns how many of the findings matter.
    #[must_use]
    pub fn problem_count(&self) -> u64 {
        let matters = |problem: &&Problem| problem.severity == Severity::Problem;
        self.problems.iter().filter(matters).count() as u64
    }

    /// Returns how many of the findings are harmless.
    #[must_use]
    pub fn note_count(&self) -> u64 {
        self.problems.len() as u64 - self.problem_count()
    }

    /// Puts the findings into the order of their paths, each once.
    pub fn sort(&mut self) {
        self.problems
            .sort_by(|a, b| (&a.path, &a.kind, &a.message).cmp(&(&b.path, &b.kind, &b.message)));
        self.problems.dedup();
    }
}
