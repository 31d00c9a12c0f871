//! Prompts by their ids: wherever they stand, with their references, and with what Dify keeps beside them.

use super::{PromptPatch, PromptReplacement, Refusal, patch_prompts};
use crate::dify::{ExtractOptions, extract, prompt_ids};
use crate::model::PromptId;

fn replacement(id: &str, expected: &str, text: &str) -> PromptReplacement {
    PromptReplacement {
        prompt_id: PromptId::new(id).unwrap(),
        expected: expected.to_owned(),
        text: text.to_owned(),
    }
}

fn patch(document: &str, replacements: &[PromptReplacement]) -> PromptPatch {
    patch_prompts(document.as_bytes(), "w", replacements, &ExtractOptions::default()).unwrap()
}

fn check(document: &str, (id, old, new): (&str, &str, &str), expected: &str) {
    let patched = patch(document, &[replacement(id, old, new)]);
    assert!(
        patched.is_complete() && patched.is_changed(),
        "{:?}",
        patched.prompts
    );
    assert_eq!(String::from_utf8(patched.bytes).unwrap(), expected);
}

fn refused(document: &str, (id, old, new): (&str, &str, &str), expected: Refusal) {
    let patched = patch(document, &[replacement(id, old, new)]);
    assert_eq!(patched.prompts, [Err(expected)]);
    assert_eq!(patched.bytes, document.as_bytes());
}

const GRAPH: &str = "graph:\n  nodes:\n  - {id: one, data: {type: llm, prompt_template: [{role: user, text: A}]}}\n  - id: two\n    \
                     data:\n      type: llm\n      prompt_template:\n      - id: m-1\n        role: system\n        text: B {{#one.text#}}\n";

#[test]
fn a_prompt_is_found_by_its_id_when_nodes_and_messages_have_moved() {
    let moved = "graph:\n  nodes:\n  - id: two\n    data:\n      type: llm\n      prompt_template:\n      - {role: user, text: B \
                 {{#one.text#}}}\n      - id: m-1\n        role: system\n        text: B {{#one.text#}}\n  - {id: one, data: {type: llm, \
                 prompt_template: [{role: user, text: A}]}}\n";
    let moved = moved.replace("text: B {{#one.text#}}}", "text: 'B {{#one.text#}}'}");
    let order = ("w_two_system_m-1", "B {{#one.text#}}", "C {{#one.text#}}");
    check(GRAPH, order, &GRAPH.replace("text: B", "text: C"));
    check(&moved, order, &moved.replace("text: B", "text: C"));
    check(
        &moved,
        ("w_one_user_0", "A", "C"),
        &moved.replace("text: A", "text: C"),
    );
}

#[test]
fn what_the_document_cannot_hold_or_run_is_refused() {
    refused(GRAPH, ("w_gone_user_0", "A", "B"), Refusal::UnknownPrompt);
    refused(GRAPH, ("w_one_user_0", "A", " \n"), Refusal::BlankText);
    let long = "x".repeat(crate::model::MAX_PROMPT_CHARS + 1);
    refused(
        GRAPH,
        ("w_one_user_0", "A", &long),
        Refusal::TextTooLong { chars: 100_001 },
    );
    let node = "three".to_owned();
    refused(
        GRAPH,
        ("w_one_user_0", "A", "{{#three.text#}}"),
        Refusal::UnknownNode { node },
    );
    let changed = Refusal::Changed {
        found: "A".to_owned(),
        expected: "Z".to_owned(),
    };
    refused(GRAPH, ("w_one_user_0", "Z", "B"), changed);
}

#[test]
fn lost_and_new_references_are_told() {
    let text = "{{#one.other#}} {{#sys.query#}} {{# literal #}}";
    let patched = patch(
        GRAPH,
        &[replacement("w_two_system_m-1", "B {{#one.text#}}", text)],
    );
    let done = patched.prompts[0].as_ref().unwrap();
    assert_eq!(done.lost_references, ["one.text"]);
    assert_eq!(done.new_references, ["one.other", "sys.query"]);
    let same = patch(GRAPH, &[replacement("w_one_user_0", "A", "A")]);
    assert!(same.is_complete() && !same.is_changed());
    assert_eq!(same.bytes, GRAPH.as_bytes());
}

fn jinja2(text: &str, live: &str) -> String {
    format!(
        "graph: {{nodes: [{{id: n, data: {{type: llm, prompt_template: [{{edition_type: jinja2, text: {text}, jinja2_text: {live}, role: \
         user}}]}}}}]}}\n"
    )
}

#[test]
fn the_live_text_of_a_jinja2_message_is_written_and_the_other_one_follows_while_it_is_the_same() {
    let order = ("w_n_user_0", "live", "new {{ x }}");
    check(
        &jinja2("stale", "live"),
        order,
        &jinja2("stale", "\"new {{ x }}\""),
    );
    check(
        &jinja2("'live'", "live"),
        order,
        &jinja2("'new {{ x }}'", "\"new {{ x }}\""),
    );
    let patched = patch(
        &jinja2("live", "live"),
        &[replacement("w_n_user_0", "live", "new")],
    );
    let done = patched.prompts[0].as_ref().unwrap();
    assert_eq!(
        done.also.as_deref(),
        Some("/graph/nodes/0/data/prompt_template/0/text")
    );
    assert_eq!(
        done.place.pointer,
        "/graph/nodes/0/data/prompt_template/0/jinja2_text"
    );
    // Without a live Jinja2 text the basic one is the prompt.
    let basic = jinja2("live", "''");
    check(&basic, ("w_n_user_0", "live", "new"), &jinja2("new", "''"));
    // Neither is written alone.
    let changed = Refusal::Changed {
        found: "edited".to_owned(),
        expected: "live".to_owned(),
    };
    refused(&jinja2("live", "edited"), ("w_n_user_0", "live", "new"), changed);
    let shared = jinja2("&t live", "*t");
    let alias = Refusal::Alias { line: 1 };
    refused(&shared, ("w_n_user_0", "live", "new"), alias);
}

#[test]
fn every_kind_of_prompt_is_put_back() {
    let completion = "graph: {nodes: [{id: n, data: {type: llm, prompt_template: {text: A}, memory: {query_prompt_template: B}}}]}\n";
    let classifier = "graph: {nodes: [{id: n, data: {type: question-classifier, instruction: A, classes: [{id: '1', name: B}]}}]}\n";
    let extractor = "graph: {nodes: [{id: n, data: {type: parameter-extractor, instruction: A, parameters: [{name: p, description: B}]}}]}\n";
    let agent = "graph: {nodes: [{id: n, data: {type: agent, agent_parameters: {instruction: {type: constant, value: A}}, agent_job: \
                 {workflow_prompt: B}}}]}\nagent_packages: {r: {soul: {prompt: {system_prompt: C}}}}\n";
    let config = "model_config:\n  pre_prompt: A {{topic}}\n  chat_prompt_config: {prompt: [{role: user, text: B}]}\n  \
                  completion_prompt_config: {prompt: {text: C}}\n";
    for (document, count) in [
        (completion, 2),
        (classifier, 2),
        (extractor, 2),
        (agent, 3),
        (config, 3),
    ] {
        let found = extract(document.as_bytes(), &ExtractOptions::default()).unwrap();
        assert_eq!(found.prompts.len(), count, "{document}");
        let replacements: Vec<_> = prompt_ids("w", &found.prompts)
            .iter()
            .zip(&found.prompts)
            .map(|(id, prompt)| replacement(id.as_str(), &prompt.text, &format!("new {}", prompt.text)))
            .collect();
        let patched = patch(document, &replacements);
        assert!(patched.is_complete(), "{:?}", patched.prompts);
        let again = extract(&patched.bytes, &ExtractOptions::default()).unwrap();
        for (old, new) in found.prompts.iter().zip(&again.prompts) {
            assert_eq!(new.text, format!("new {}", old.text));
            assert_eq!(
                (&new.references, &new.variables),
                (&old.references, &old.variables)
            );
        }
    }
}

#[test]
fn a_selector_in_an_app_without_a_graph_is_plain_text() {
    let config = "model_config:\n  pre_prompt: A\n";
    let order = ("w_app_pre_prompt", "A", "B {{#n.x#}}");
    check(config, order, "model_config:\n  pre_prompt: B {{#n.x#}}\n");
}
