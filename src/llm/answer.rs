//! What is answered: the body of a chat completion, and the text in it.

use serde::{Deserialize, Serialize};

use super::request::Ask;

/// Tokens, as the endpoint counted them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Usage {
    /// Of the messages.
    pub(super) prompt_tokens: u64,
    /// Of the answer.
    #[serde(rename = "completion_tokens")]
    pub(super) answer_tokens: u64,
}

/// What was said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Completion {
    /// The text; none when the endpoint gave none.
    pub(super) content: String,
    /// Whether it is cut off at `max_answer_tokens`.
    pub(super) is_cut_off: bool,
    /// What it took; none when the endpoint does not say.
    pub(super) usage: Option<Usage>,
}

/// Why an answer cannot be used. Nothing of it is repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AnswerError {
    /// The body is no JSON, or none of a chat completion.
    #[error("the endpoint answered with something else than a chat completion")]
    NotACompletion,
    /// There is no text in it.
    #[error("the model answered without a text")]
    NoText,
    /// It was cut off.
    #[error("the answer was cut off at optimizer.llm.max_answer_tokens: raise it for prompts of this length")]
    CutOff,
    /// The form is not kept.
    #[error(
        "the model did not keep the form of the answer: the marks around the text are missing or there twice"
    )]
    NoForm,
    /// A placeholder was changed.
    #[error("the model changed or invented placeholders of variables")]
    ChangedPlaceholder,
}

#[derive(Deserialize)]
struct RawCompletion {
    choices: Vec<RawChoice>,
    #[serde(default)]
    usage: Option<serde_json::Value>,
}

#[derive(Deserialize)]
struct RawChoice {
    message: RawMessage,
    #[serde(default)]
    finish_reason: Option<String>,
}

#[derive(Deserialize)]
struct RawMessage {
    #[serde(default)]
    content: Option<String>,
}

impl Completion {
    /// Reads the body of an answer.
    ///
    /// # Errors
    /// [`AnswerError::NotACompletion`] and [`AnswerError::NoText`].
    pub(super) fn parse(body: &[u8]) -> Result<Self, AnswerError> {
        let raw: RawCompletion = serde_json::from_slice(body).map_err(|_| AnswerError::NotACompletion)?;
        let choice = raw.choices.into_iter().next().ok_or(AnswerError::NoText)?;
        let content = choice.message.content.unwrap_or_default();
        let is_cut_off = choice.finish_reason.as_deref() == Some("length");
        if content.trim().is_empty() && !is_cut_off {
            return Err(AnswerError::NoText);
        }
        Ok(Self {
            content,
            is_cut_off,
            usage: raw.usage.and_then(|usage| serde_json::from_value(usage).ok()),
        })
    }

    /// Takes the rewritten text out of the answer: without what stands around it, with the references back in place and
    /// the white space at both ends as it was.
    ///
    /// # Errors
    /// [`AnswerError`] says what is wrong with it.
    pub(super) fn text(&self, ask: &Ask) -> Result<String, AnswerError> {
        if self.is_cut_off {
            return Err(AnswerError::CutOff);
        }
        let block = block(without_thoughts(&self.content), &ask.mark).ok_or(AnswerError::NoForm)?;
        let original = &ask.masked.text;
        let text = without_fence(block.trim(), original).trim();
        let text = with_line_ends_of(text, original);
        let (start, end) = white_space_around(original);
        let unmasked = ask.masked.unmask(&format!("{start}{text}{end}"));
        unmasked.map_err(|_| AnswerError::ChangedPlaceholder)
    }
}

/// Returns what stands between the two lines of marks. Each must be there once, in this order.
fn block<'a>(content: &'a str, mark: &str) -> Option<&'a str> {
    let (opening, closing) = (format!("<<<ANSWER {mark}>>>"), format!("<<<END ANSWER {mark}>>>"));
    let (before, rest) = content.split_once(&opening)?;
    let (inner, after) = rest.split_once(&closing)?;
    let is_once = [before, inner, after]
        .iter()
        .all(|part| !part.contains(&opening) && !part.contains(&closing));
    let is_data_apart = !inner.contains(mark);
    (is_once && is_data_apart).then_some(inner)
}

/// Leaves out what some models think aloud before they answer.
fn without_thoughts(content: &str) -> &str {
    let trimmed = content.trim_start();
    let thoughts = trimmed
        .strip_prefix("<think>")
        .and_then(|rest| rest.split_once("</think>"));
    thoughts.map_or(content, |(_, answer)| answer)
}

/// Takes the fence away that a model put around all of its answer, unless the prompt itself begins with one.
fn without_fence<'a>(text: &'a str, original: &str) -> &'a str {
    let fence: String = text.chars().take_while(|c| *c == '`').collect();
    if fence.len() < 3 || original.trim_start().starts_with("```") {
        return text;
    }
    let inner = text
        .strip_prefix(fence.as_str())
        .and_then(|rest| rest.strip_suffix(fence.as_str()));
    let Some((info, inner)) = inner.and_then(|inner| inner.split_once('\n')) else {
        return text;
    };
    // A second fence means that these are two blocks of code, not one around everything.
    let is_around_all = !info.contains('`') && !inner.lines().any(|line| line.trim() == fence);
    if is_around_all && inner.ends_with('\n') {
        inner
    } else {
        text
    }
}

/// Models end lines with `\n`; a prompt that ends them otherwise keeps its own.
fn with_line_ends_of(text: &str, original: &str) -> String {
    let unix = text.replace("\r\n", "\n");
    let (all, windows) = (original.matches('\n').count(), original.matches("\r\n").count());
    if windows > 0 && all == windows {
        unix.replace('\n', "\r\n")
    } else if windows == 0 {
        unix
    } else {
        text.to_owned()
    }
}

fn white_space_around(text: &str) -> (&str, &str) {
    let (inner, start) = (text.trim_start(), text.len() - text.trim_start().len());
    let end = if inner.is_empty() {
        ""
    } else {
        text.get(text.trim_end().len()..).unwrap_or_default()
    };
    (text.get(..start).unwrap_or_default(), end)
}

#[cfg(test)]
mod tests;
