//! From an extracted prompt to what the store keeps.

use serde_json::{Map, Value, json};

use super::extraction::{AppInfo, ExtractedPrompt, Owner};
use crate::model::{Prompt, PromptId, Timestamp};

/// Returns what is known about the place of a prompt, for `prompt.context` of its document. What is not known is left
/// out; of the path of the file only its name is kept.
#[must_use]
pub fn prompt_context(workflow_file: &str, app: &AppInfo, prompt: &ExtractedPrompt) -> Map<String, Value> {
    let file = workflow_file.rsplit(['/', '\\']).next().unwrap_or_default();
    let model = prompt.model.as_ref();
    let package = match &prompt.place.owner {
        Owner::Package(name) => Some(name),
        Owner::Node | Owner::AppConfig => None,
    };
    [
        ("source_file", json!(file)),
        ("pointer", json!(prompt.pointer)),
        ("kind", json!(prompt.kind)),
        ("role", json!(prompt.role)),
        ("node_id", json!(prompt.node_id)),
        ("node_type", json!(prompt.node_type)),
        ("node_title", json!(prompt.node_title)),
        ("parent_id", json!(prompt.parent_id)),
        ("agent_package", json!(package)),
        ("parameter", json!(prompt.parameter)),
        ("value_type", json!(prompt.value_type)),
        ("stale_text_pointer", json!(prompt.stale_text_pointer)),
        ("references", json!(prompt.references)),
        ("special_references", json!(prompt.special_references)),
        (
            "model_provider",
            json!(model.and_then(|model| model.provider.as_ref())),
        ),
        ("model_name", json!(model.and_then(|model| model.name.as_ref()))),
        ("app_name", json!(app.name)),
        ("app_mode", json!(app.mode)),
        ("dsl_version", json!(app.dsl_version)),
    ]
    .into_iter()
    .filter(|(_, value)| !value.is_null())
    .map(|(key, value)| (key.to_owned(), value))
    .collect()
}

/// Returns the prompt as the store keeps it.
///
/// `variables` are the selectors of the text and its other variables; the role is `system` where there is none; node id
/// and type are empty for prompts outside the graph.
#[must_use]
pub fn to_prompt(
    id: &PromptId,
    workflow: &str,
    workflow_file: &str,
    app: &AppInfo,
    prompt: &ExtractedPrompt,
    extracted_at: Timestamp,
) -> Prompt {
    Prompt {
        id: id.to_string(),
        workflow_id: workflow.to_owned(),
        node_id: prompt.node_id.clone().unwrap_or_default(),
        node_type: prompt.node_type.clone().unwrap_or_default(),
        text: prompt.text.clone(),
        role: prompt
            .role
            .clone()
            .filter(|role| !role.trim().is_empty())
            .unwrap_or_else(|| "system".to_owned()),
        variables: prompt
            .references
            .iter()
            .chain(&prompt.variables)
            .cloned()
            .collect(),
        context: prompt_context(workflow_file, app, prompt),
        extracted_at,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dify::{ExtractOptions, extract, prompt_ids};

    fn first(source: &str) -> Prompt {
        let found = extract(source.as_bytes(), &ExtractOptions::default()).unwrap();
        let ids = prompt_ids("bot", &found.prompts);
        let now = Timestamp::new("2026-11-22T18:53:11Z").unwrap();
        let path = "/home/someone/flows/bot.yml";
        let prompt = to_prompt(&ids[0], "bot", path, &found.app, &found.prompts[0], now);
        assert_eq!(prompt.validate(), Ok(()));
        prompt
    }

    #[test]
    fn a_graph_prompt_carries_its_selectors_and_its_place() {
        let prompt = first(
            "version: 0.6.0\nkind: app\napp: {name: Bot, mode: workflow}\nworkflow: {graph: {nodes: [{id: 7, parentId: it, \
             data: {type: llm, title: T, model: {provider: p, name: m, completion_params: {stop: secret}}, \
             prompt_template: [{role: user, text: 'Say {{#7.text#}} {{#context#}}'}]}}]}}\n",
        );
        assert_eq!(
            (prompt.id.as_str(), prompt.workflow_id.as_str()),
            ("bot_7_user_0", "bot")
        );
        assert_eq!(
            (
                prompt.node_id.as_str(),
                prompt.node_type.as_str(),
                prompt.role.as_str()
            ),
            ("7", "llm", "user")
        );
        assert_eq!(prompt.variables, ["7.text"]);
        assert_eq!(
            Value::Object(prompt.context),
            json!({
                "source_file": "bot.yml", "pointer": "/workflow/graph/nodes/0/data/prompt_template/0/text",
                "kind": "llm_message", "role": "user", "node_id": "7", "node_type": "llm", "node_title": "T",
                "parent_id": "it", "references": ["7.text"], "special_references": ["context"],
                "model_provider": "p", "model_name": "m", "app_name": "Bot", "app_mode": "workflow",
                "dsl_version": "0.6.0"
            })
        );
    }

    #[test]
    fn a_prompt_outside_the_graph_has_plain_variables_and_the_role_system() {
        let prompt = first("model_config: {completion_prompt_config: {prompt: {text: 'Grade {{topic}}'}}}\n");
        assert_eq!(prompt.variables, ["topic"]);
        assert_eq!(
            (
                prompt.node_id.as_str(),
                prompt.node_type.as_str(),
                prompt.role.as_str()
            ),
            ("", "", "system")
        );
    }
}
