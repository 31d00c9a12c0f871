//! LLM nodes: the messages of a chat model or the one prompt of a completion model, and the memory query.

use super::collector::{Collector, Site, Source, named_or_index, only};
use super::optional_text;
use crate::dify::error::DifyError;
use crate::dify::extraction::{PlaceKey, PromptKind};
use crate::dify::pointer::Pointer;
use crate::dify::tree::{Node, NodeKind};

/// Locates the prompts of an LLM node.
pub(super) fn locate(
    source: &Source,
    data: &Node,
    at: &Pointer,
    collector: &mut Collector<'_>,
) -> Result<(), DifyError> {
    match data.get("prompt_template") {
        Some(template) => locate_template(source, template, &at.key("prompt_template"), collector)?,
        None => {
            let message = "the llm node has no prompt_template";
            collector.note(&at.key("prompt_template").to_string(), Some(data.line), message);
        }
    }
    let memory = at.key("memory").key("query_prompt_template");
    match data
        .get("memory")
        .and_then(|memory| memory.get("query_prompt_template"))
    {
        Some(query) => {
            let site = Site::new(memory, PromptKind::MemoryQuery, "memory", only("query"))
                .with_role(Some("user".to_owned()));
            collector.offer(source, site, query)
        }
        None => Ok(()),
    }
}

/// Locates the prompts of a `prompt_template` in either of its two forms.
pub(super) fn locate_template(
    source: &Source,
    template: &Node,
    at: &Pointer,
    collector: &mut Collector<'_>,
) -> Result<(), DifyError> {
    match &template.kind {
        NodeKind::Sequence(messages) => {
            for (index, message) in messages.iter().enumerate() {
                locate_message(source, message, index, &at.index(index), collector)?;
            }
            Ok(())
        }
        NodeKind::Mapping(_) => {
            let kinds = (PromptKind::LlmCompletion, PromptKind::LlmCompletionJinja2);
            locate_text(source, template, at, kinds, collector, |pointer, kind| {
                Site::new(pointer, kind, "prompt", only("text"))
            })
        }
        NodeKind::Null => Ok(()),
        _ => {
            collector.unexpected(at, template, "a list of messages");
            Ok(())
        }
    }
}

fn locate_message(
    source: &Source,
    message: &Node,
    index: usize,
    at: &Pointer,
    collector: &mut Collector<'_>,
) -> Result<(), DifyError> {
    if message.as_mapping().is_none() {
        collector.unexpected(at, message, "a message");
        return Ok(());
    }
    let role = message_role(message, at, collector);
    let field = role_field(role.as_deref());
    let key = message_key(message, index);
    let kinds = (PromptKind::LlmMessage, PromptKind::LlmMessageJinja2);
    locate_text(source, message, at, kinds, collector, |pointer, kind| {
        Site::new(pointer, kind, field, key).with_role(role)
    })
}

/// Returns the role of a message, and reports a role that is no text.
pub(super) fn message_role(message: &Node, at: &Pointer, collector: &mut Collector<'_>) -> Option<String> {
    let role = message.get("role")?;
    if role.as_text().is_none() {
        let place = at.key("role").to_string();
        collector.note(&place, Some(role.line), "the role is not text: left out");
    }
    optional_text(message, "role")
}

/// Returns the word that stands for a role in a prompt id.
fn role_field(role: Option<&str>) -> &'static str {
    match role {
        Some("system") => "system",
        Some("user") => "user",
        Some("assistant") => "assistant",
        Some("tool") => "tool",
        _ => "message",
    }
}

/// A message id of digits only could be mistaken for a position, so it counts as none.
fn message_key(message: &Node, index: usize) -> PlaceKey {
    let id = message.get("id").filter(|id| {
        id.as_text()
            .is_some_and(|id| !id.bytes().all(|b| b.is_ascii_digit()))
    });
    named_or_index(id, index)
}

/// Offers the live text of a message or a completion prompt: `jinja2_text` in a Jinja2 edition that has one, else
/// `text`.
fn locate_text(
    source: &Source,
    holder: &Node,
    at: &Pointer,
    (basic, jinja2): (PromptKind, PromptKind),
    collector: &mut Collector<'_>,
    site: impl FnOnce(Pointer, PromptKind) -> Site,
) -> Result<(), DifyError> {
    let edition = optional_text(holder, "edition_type");
    if !matches!(edition.as_deref(), None | Some("" | "basic" | "jinja2")) {
        let place = at.key("edition_type").to_string();
        collector.note(&place, Some(holder.line), "unknown edition_type: read as basic");
    }
    let live = holder
        .get("jinja2_text")
        .filter(|text| edition.as_deref() == Some("jinja2") && !is_blank(text));
    if let Some(text) = live {
        let mut site = site(at.key("jinja2_text"), jinja2);
        site.stale = holder.get("text").map(|_| at.key("text"));
        return collector.offer(source, site, text);
    }
    match holder.get("text") {
        Some(text) => collector.offer(source, site(at.key("text"), basic), text),
        None => {
            let message = "unknown shape: there is no 'text' here; skipped";
            collector.note(&at.to_string(), Some(holder.line), message);
            Ok(())
        }
    }
}

fn is_blank(text: &Node) -> bool {
    text.is_null() || text.as_text().is_some_and(|text| text.trim().is_empty())
}

/// Returns the names that Jinja2 texts of a node may use.
pub(super) fn jinja2_variables(data: &Node) -> Vec<String> {
    data.get("prompt_config")
        .and_then(|config| config.get("jinja2_variables"))
        .and_then(Node::as_sequence)
        .unwrap_or_default()
        .iter()
        .filter_map(|entry| optional_text(entry, "variable"))
        .collect()
}
