//! Why a text cannot be put back.

use crate::dify::error::DifyError;

/// Why one place is left as it is. The texts of the document stand in fields, never in the message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Nothing is there.
    #[error("there is nothing at this place: import the workflow again to see what it holds now")]
    NotFound,
    /// Something other than text is there.
    #[error("{found} stands there, not text: put it in quotes if it is meant as text")]
    NotText {
        /// What it is.
        found: &'static str,
    },
    /// The text is not the one that the new text was made from.
    #[error("the text there is not the one that the new text was made from: import the workflow first")]
    Changed {
        /// The text that is there.
        found: String,
        /// The text that should be there.
        expected: String,
    },
    /// The value stands elsewhere and is only referred to.
    #[error("the value is reached through the alias on line {line}: write it out at this place first")]
    Alias {
        /// The line of the alias.
        line: usize,
    },
    /// Something else refers to the value.
    #[error("the alias on line {line} shares this value, and would change with it: write it out there first")]
    Shared {
        /// The line of the alias.
        line: usize,
    },
    /// The value comes from another mapping.
    #[error("the value comes from the merge key on line {line}: write it out at this place first")]
    Merged {
        /// The line of the merge key.
        line: usize,
    },
    /// There are no bytes of a text to replace.
    #[error("nothing but white space stands there: write some text there by hand first")]
    Blank,
    /// Under a lone `!` loaders take a text for a number or the like even in quotes.
    #[error("under the tag '!' a loader would not take the new text for text: remove the tag first")]
    Tagged,
    /// A second replacement of the same place.
    #[error("two texts are given for this place: give one")]
    Twice,
    /// The document has no such prompt.
    #[error("the document has no such prompt: import the workflow again to see what it holds now")]
    UnknownPrompt,
    /// A blank text, after which there would be no prompt any more.
    #[error("the new text is blank: remove the prompt on the canvas instead")]
    BlankText,
    /// A text beyond the limit.
    #[error(
        "the new text has {chars} characters; the limit is {}",
        crate::model::MAX_PROMPT_CHARS
    )]
    TextTooLong {
        /// Its length in characters.
        chars: usize,
    },
    /// A reference that the workflow would stop at.
    #[error(
        "the new text refers to the node '{node}', which the document does not have: correct the reference"
    )]
    UnknownNode {
        /// The id in the reference.
        node: String,
    },
}

/// Why there is no patched document.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PatchError {
    /// The document, or the patched one, cannot be read or breaks a limit.
    #[error(transparent)]
    Document(#[from] DifyError),
    /// The patched document does not read back as it was meant. Nothing is written then.
    #[error(
        "the patched document would not read back as meant ({reason}): nothing was written; report this document"
    )]
    Unverified {
        /// What is different.
        reason: String,
    },
}

impl Refusal {
    /// Returns the reason as one stable word, for programs.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::NotFound => "not-found",
            Self::NotText { .. } => "not-text",
            Self::Changed { .. } => "changed",
            Self::Alias { .. } => "alias",
            Self::Shared { .. } => "shared",
            Self::Merged { .. } => "merged",
            Self::Blank => "blank",
            Self::Tagged => "tagged",
            Self::Twice => "twice",
            Self::UnknownPrompt => "unknown-prompt",
            Self::BlankText => "blank-text",
            Self::TextTooLong { .. } => "text-too-long",
            Self::UnknownNode { .. } => "unknown-node",
        }
    }
}

impl PatchError {
    /// Makes the error of a result that is not what was meant.
    pub(super) fn unverified(reason: impl Into<String>) -> Self {
        Self::Unverified {
            reason: reason.into(),
        }
    }

    /// Returns the reason as one stable word, for programs.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Document(error) => error.reason(),
            Self::Unverified { .. } => "unverified",
        }
    }
}
