//! Apps without a graph (chat, agent chat, completion): the simple prompt and the two forms of the expert prompt.

use super::collector::{Collector, Site, Source, Syntax, only};
use super::items::locate_items;
use super::llm::message_role;
use super::model_ref;
use crate::dify::error::DifyError;
use crate::dify::extraction::{Owner, PlaceKey, PromptKind};
use crate::dify::pointer::Pointer;
use crate::dify::tree::Node;

/// Locates the prompts of a `model_config`. All three forms are kept: `prompt_type` switches between them without
/// clearing the others.
pub(super) fn locate(config: &Node, at: &Pointer, collector: &mut Collector<'_>) -> Result<(), DifyError> {
    let source = Source {
        owner: Owner::AppConfig,
        node_id: None,
        node_type: None,
        node_title: None,
        parent_id: None,
        model: config
            .get("model")
            .and_then(|model| model_ref(model, "provider", "name")),
        syntax: Syntax::Plain,
    };
    if let Some(text) = config.get("pre_prompt") {
        let site = Site::new(at.key("pre_prompt"), PromptKind::PrePrompt, "pre", only("prompt"))
            .with_role(Some("system".to_owned()));
        collector.offer(&source, site, text)?;
    }
    locate_chat(
        &source,
        config,
        &at.key("chat_prompt_config").key("prompt"),
        collector,
    )?;
    let completion = config
        .get("completion_prompt_config")
        .and_then(|part| part.get("prompt"));
    match completion.and_then(|prompt| prompt.get("text")) {
        Some(text) => {
            let place = at.key("completion_prompt_config").key("prompt").key("text");
            let kind = PromptKind::CompletionPromptConfig;
            collector.offer(&source, Site::new(place, kind, "completion", only("text")), text)
        }
        None => Ok(()),
    }
}

fn locate_chat(
    source: &Source,
    config: &Node,
    at: &Pointer,
    collector: &mut Collector<'_>,
) -> Result<(), DifyError> {
    let messages = config
        .get("chat_prompt_config")
        .and_then(|part| part.get("prompt"));
    locate_items(messages, at, collector, |index, message, at, collector| {
        let Some(text) = message.get("text") else {
            collector.note(
                &at.to_string(),
                Some(message.line),
                "the message has no text: skipped",
            );
            return Ok(());
        };
        let role = message_role(message, at, collector);
        let kind = PromptKind::ChatPromptConfig;
        let site = Site::new(at.key("text"), kind, "chat", PlaceKey::Index(index)).with_role(role);
        collector.offer(source, site, text)
    })
}
