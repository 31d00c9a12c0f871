//! Agent nodes: the text parameters of a strategy (version 1) and the task (version 2).

use super::collector::{Collector, Site, Source, only};
use super::{llm, model_ref, optional_text};
use crate::dify::error::DifyError;
use crate::dify::extraction::{PlaceKey, PromptKind};
use crate::dify::pointer::Pointer;
use crate::dify::tree::Node;

/// Locates the prompts of an agent node.
pub(super) fn locate(
    source: &Source,
    data: &Node,
    at: &Pointer,
    collector: &mut Collector<'_>,
) -> Result<(), DifyError> {
    if let Some(parameters) = data.get("agent_parameters") {
        locate_parameters(source, parameters, &at.key("agent_parameters"), collector)?;
    }
    if let Some(prompt) = data.get("agent_job").and_then(|job| job.get("workflow_prompt")) {
        let place = at.key("agent_job").key("workflow_prompt");
        let site = Site::new(place, PromptKind::AgentV2Job, "job", only("prompt"));
        collector.offer(source, site, prompt)?;
    }
    match data.get("prompt_template") {
        Some(template) => llm::locate_template(source, template, &at.key("prompt_template"), collector),
        None => Ok(()),
    }
}

fn locate_parameters(
    source: &Source,
    parameters: &Node,
    at: &Pointer,
    collector: &mut Collector<'_>,
) -> Result<(), DifyError> {
    let Some(entries) = parameters.as_mapping() else {
        collector.unexpected(at, parameters, "a mapping of parameters");
        return Ok(());
    };
    // An agent names its model in a parameter instead of in `data.model`.
    let model = entries
        .get("model")
        .and_then(|parameter| model_ref(parameter.get("value")?, "provider", "model"));
    let source = Source {
        model: model.or_else(|| source.model.clone()),
        ..source.clone()
    };
    for (name, parameter) in entries.iter() {
        if collector.is_agent_prompt(name) {
            locate_parameter(&source, name, parameter, &at.key(name), collector)?;
        }
    }
    Ok(())
}

fn locate_parameter(
    source: &Source,
    name: &str,
    parameter: &Node,
    at: &Pointer,
    collector: &mut Collector<'_>,
) -> Result<(), DifyError> {
    let value_type = optional_text(parameter, "type");
    let Some(value) = parameter.get("value") else {
        collector.note(
            &at.to_string(),
            Some(parameter.line),
            "the parameter has no value: skipped",
        );
        return Ok(());
    };
    // A variable parameter names where its value comes from; there is no text to keep.
    if value_type.as_deref() == Some("variable") && value.as_sequence().is_some() {
        return Ok(());
    }
    let key = PlaceKey::Name(name.to_owned());
    let mut site = Site::new(at.key("value"), PromptKind::AgentParameter, "agent", key);
    site.parameter = Some((name.to_owned(), value_type));
    collector.offer(source, site, value)
}
