//! What can be wrong with a plan.

/// Why a plan, a catalogue or a file of datasets is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// More bytes than [`super::MAX_PLAN_BYTES`].
    #[error("it is larger than {} bytes", super::MAX_PLAN_BYTES)]
    TooLarge,
    /// No YAML, an unknown key, a missing key, or a value of another type.
    #[error("line {line}: {message}")]
    Syntax {
        /// Where, from 1; 0 where nobody knows.
        line: usize,
        /// What is wrong.
        message: String,
    },
    /// Something that parses and makes no sense.
    #[error("line {line}: {message}")]
    Invalid {
        /// Where the entry begins, from 1.
        line: usize,
        /// What is wrong, and what to do.
        message: String,
    },
}

impl PlanError {
    /// Makes an error about the entry that begins on a line.
    pub(super) fn invalid(line: usize, message: impl Into<String>) -> Self {
        Self::Invalid {
            line,
            message: message.into(),
        }
    }
}
