//! Why a text was not rewritten by the language model.

use crate::credential::CredentialError;

use super::answer::AnswerError;
use super::budget::OverBudget;
use super::client::CallError;
use super::spending::SpendingError;

/// Why a text was not rewritten. No message has a part of the prompt, of the answer or of the key.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum LlmError {
    /// A limit would be passed.
    #[error("the budget is used up: {0}")]
    OverBudget(#[from] OverBudget),
    /// The book of what is spent cannot be used.
    #[error("{0}")]
    Spending(String),
    /// There is no key.
    #[error(transparent)]
    Credential(#[from] CredentialError),
    /// The endpoint did not answer.
    #[error("{error}{}", after(.attempts))]
    Call {
        /// The last failure.
        error: CallError,
        /// How often it was tried.
        attempts: u32,
    },
    /// It did not answer before, and is left alone for a while.
    #[error("the endpoint did not answer several times: it is left alone for half a minute")]
    Resting,
    /// The answer cannot be used.
    #[error(transparent)]
    Answer(#[from] AnswerError),
}

fn after(attempts: &u32) -> String {
    match attempts {
        1 => String::new(),
        more => format!(", {more} times"),
    }
}

impl LlmError {
    /// Returns the stable code of the error, as clients see it.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::OverBudget(_) => "over-budget",
            Self::Spending(_) | Self::Credential(_) => "model-not-ready",
            Self::Call { .. } | Self::Resting => "model-unavailable",
            Self::Answer(_) => "unusable-answer",
        }
    }
}

impl From<SpendingError> for LlmError {
    fn from(error: SpendingError) -> Self {
        match error {
            SpendingError::Over(over) => Self::OverBudget(over),
            SpendingError::Book(reason) => Self::Spending(reason),
        }
    }
}
