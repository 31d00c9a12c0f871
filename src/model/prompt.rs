//! One prompt text with what it needs to be put back where it came from.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::Timestamp;

/// The longest prompt text, in characters (Unicode scalar values); exactly this many are accepted.
pub const MAX_PROMPT_CHARS: usize = 100_000;

/// A prompt text, where it came from and how it is used.
///
/// Field names, order and defaults are those of the Python system (docs/format.md).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Prompt {
    /// The id that the text had where it came from; normally the prompt id.
    pub id: String,
    /// The workflow it came from, or empty.
    pub workflow_id: String,
    /// The node of that workflow, or empty.
    pub node_id: String,
    /// The kind of that node, or empty.
    pub node_type: String,
    /// The text: at least one character that is no white space, at most 100,000 characters.
    #[schema(min_length = 1, max_length = 100000, pattern = r"\S")]
    pub text: String,
    /// The chat role: `system` unless said otherwise.
    #[serde(default = "default_role")]
    pub role: String,
    /// Names of the variables in the text.
    #[serde(default)]
    #[schema(schema_with = variable_names)]
    pub variables: Vec<String>,
    /// Whatever else is known about the place, as free JSON.
    #[serde(default)]
    pub context: Map<String, Value>,
    /// When it was taken from its source.
    #[serde(default = "Timestamp::now")]
    pub extracted_at: Timestamp,
}

/// Why a prompt cannot be stored.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPrompt {
    /// Nothing but white space.
    #[error("prompt.text is empty: a prompt needs at least one character that is no white space")]
    EmptyText,
    /// Too long.
    #[error("prompt.text has {chars} characters; the limit is {MAX_PROMPT_CHARS}")]
    TextTooLong {
        /// Its length in characters.
        chars: usize,
    },
    /// A blank name in `variables`.
    #[error("prompt.variables[{index}] is blank")]
    BlankVariable {
        /// Which one, from 0.
        index: usize,
    },
}

/// The schema of a list of variable names: none of them is blank.
fn variable_names() -> utoipa::openapi::schema::Array {
    let name = utoipa::openapi::ObjectBuilder::new()
        .schema_type(utoipa::openapi::schema::Type::String)
        .pattern(Some(r"\S"))
        .build();
    utoipa::openapi::ArrayBuilder::new().items(name).build()
}

/// The same where the list may be absent or null.
pub(crate) fn optional_variable_names() -> utoipa::openapi::schema::Array {
    use utoipa::openapi::schema::{SchemaType, Type};
    let mut names = variable_names();
    names.schema_type = SchemaType::Array(vec![Type::Array, Type::Null]);
    names
}

/// The role of a prompt that names none.
pub(crate) fn default_role() -> String {
    "system".to_owned()
}

impl Prompt {
    /// Checks the rules that a type cannot express.
    ///
    /// # Errors
    /// [`InvalidPrompt`] names the first rule that is broken.
    pub fn validate(&self) -> Result<(), InvalidPrompt> {
        if self.text.trim().is_empty() {
            return Err(InvalidPrompt::EmptyText);
        }
        let chars = self.text.chars().count();
        if chars > MAX_PROMPT_CHARS {
            return Err(InvalidPrompt::TextTooLong { chars });
        }
        match self.variables.iter().position(|name| name.trim().is_empty()) {
            Some(index) => Err(InvalidPrompt::BlankVariable { index }),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prompt(text: &str) -> Prompt {
        let value =
            serde_json::json!({"id": "p", "workflow_id": "", "node_id": "", "node_type": "", "text": text});
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn exactly_the_limit_passes_and_one_more_does_not() {
        assert_eq!(prompt(&"é".repeat(MAX_PROMPT_CHARS)).validate(), Ok(()));
        let long = prompt(&"é".repeat(MAX_PROMPT_CHARS + 1));
        assert_eq!(
            long.validate(),
            Err(InvalidPrompt::TextTooLong {
                chars: MAX_PROMPT_CHARS + 1
            })
        );
    }

    #[test]
    fn blank_texts_and_blank_variables_are_refused() {
        assert_eq!(prompt(" \n\t").validate(), Err(InvalidPrompt::EmptyText));
        let mut with_blank = prompt("hi");
        with_blank.variables = vec!["a".into(), " ".into()];
        assert_eq!(
            with_blank.validate(),
            Err(InvalidPrompt::BlankVariable { index: 1 })
        );
    }

    #[test]
    fn absent_fields_take_the_defaults_of_the_python_system() {
        let p = prompt("hi");
        assert_eq!(
            (p.role.as_str(), p.variables.len(), p.context.len()),
            ("system", 0, 0)
        );
    }
}
