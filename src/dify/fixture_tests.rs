//! Documents written for this project: what is found in them, and what never leaves them.

use super::{ExtractOptions, Extraction, extract, prompt_context, prompt_ids, workflow_slug};

const SAMPLE: &str = include_str!("../../tests/fixtures/dify/sample_support_bot.yml");
const SECRETS: &str = include_str!("../../tests/fixtures/dify/secrets.yml");
const HOSTILE: &str = include_str!("../../tests/fixtures/dify/hostile.yml");

fn found(source: &str) -> Extraction {
    extract(source.as_bytes(), &ExtractOptions::default()).unwrap()
}

fn texts(source: &str) -> Vec<String> {
    found(source)
        .prompts
        .into_iter()
        .map(|prompt| prompt.text)
        .collect()
}

#[test]
fn the_sample_is_found_whole_under_readable_names() {
    let found = found(SAMPLE);
    let workflow = workflow_slug("sample_support_bot", found.app.name.as_deref());
    let ids: Vec<String> = prompt_ids(&workflow, &found.prompts)
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(
        ids,
        [
            "sample_support_bot_1760000000002_instruction_text",
            "sample_support_bot_1760000000002_class_lost",
            "sample_support_bot_1760000000002_class_damaged",
            "sample_support_bot_1760000000002_class_other",
            "sample_support_bot_1760000000003_instruction_text",
            "sample_support_bot_1760000000003_parameter_tracking.numbers",
            "sample_support_bot_1760000000003_parameter_reason",
            "sample_support_bot_1760000000005_system_2f7c1d52-8f1b-4d5e-9b0a-3f3c6f0a0001",
            "sample_support_bot_1760000000005_user_2f7c1d52-8f1b-4d5e-9b0a-3f3c6f0a0002",
            "sample_support_bot_1760000000006_system_0",
            "sample_support_bot_1760000000006_user_1",
            "sample_support_bot_1760000000006_memory_query",
        ]
    );
    assert_eq!(
        (found.nodes, found.empty.len(), found.diagnostics.len()),
        (8, 0, 0)
    );
    let ticket = &found.prompts[8];
    assert_eq!(ticket.parent_id.as_deref(), Some("1760000000004"));
    assert_eq!(ticket.references, ["1760000000004.item", "1760000000003.reason"]);
    assert!(!serde_json::to_string(&found).unwrap().contains("example-only"));
}

#[test]
fn no_secret_of_a_document_is_in_its_extraction() {
    let found = found(SECRETS);
    assert_eq!(
        texts(SECRETS),
        [
            "Use {{#env.API_KEY#}} as the key.",
            "Hello there.",
            "Find the order.",
            "Be kind."
        ]
    );
    let mut out = serde_json::to_string(&found).unwrap() + &format!("{found:?}");
    for prompt in &found.prompts {
        out += &format!("{:?}", prompt_context("secrets.yml", &found.app, prompt));
    }
    out += &format!("{:?}", prompt_ids("secrets", &found.prompts));
    assert!(SECRETS.matches("S3CRET").count() > 40);
    assert!(!out.contains("S3CRET"), "{out}");
}

#[test]
fn no_secret_of_a_broken_document_is_in_the_error() {
    // Every prefix of the document, cut in the middle of a line, with a tail that makes most of them invalid.
    let mut errors = 0;
    for cut in (0..SECRETS.len()).step_by(7) {
        for tail in [
            "",
            "\n\t- S3CRET: [",
            "\"",
            "\nS3CRET: S3CRET: 1\n",
            "\n*S3CRET\n",
            " !S3CRET x",
        ] {
            let document = format!("{}{tail}", &SECRETS[..cut]);
            if let Err(error) = extract(document.as_bytes(), &ExtractOptions::default()) {
                let text = format!("{error} {error:?}");
                assert!(!text.contains("S3CRET"), "{text}");
                assert!(text.starts_with(|c: char| c.is_lowercase()), "{text}");
                errors += 1;
            }
        }
    }
    assert!(errors > 1_000, "{errors}");
}

#[test]
fn odd_scalars_are_text_only_where_the_loader_of_dify_says_so() {
    assert_eq!(
        texts(HOSTILE),
        [
            "on",
            "12:30:45",
            "~",
            "folded text\nwith a break",
            "kept\n\n",
            "Hi {{ name }}, {{ other }}",
            "One",
            "Two",
            "Three",
            "one",
            "two",
            "three",
            "Do it.",
            "In a list.",
            "No id.",
        ]
    );
    let found = found(HOSTILE);
    let messages: Vec<(&str, &str)> = found
        .diagnostics
        .iter()
        .map(|d| {
            (
                d.pointer.trim_start_matches("/workflow/graph/nodes"),
                d.message.as_str(),
            )
        })
        .collect();
    let quotes = "; if it is meant as text, put it in quotes";
    let of_kind = |kind: &str| format!("{kind} stands where prompt text is expected: skipped{quotes}");
    assert_eq!(
        messages,
        [
            (
                "/version",
                "the version is not text, and dify refuses to import it: put it in quotes"
            ),
            ("/0/data/prompt_template/1/text", of_kind("a boolean").as_str()),
            ("/0/data/prompt_template/3/text", of_kind("a number").as_str()),
            ("/0/data/prompt_template/6/text", of_kind("a date").as_str()),
            ("/2/data/classes/3", "the class has no name: skipped"),
            ("/7/id", "the node has no id"),
            ("/8/data", "the node has no data: skipped"),
            ("/9", "null stands where a node is expected: skipped"),
            ("/10/data/type", "the node has no data.type: skipped"),
        ]
    );
    assert_eq!(found.diagnostics[1].line, Some(17));
    assert_eq!(
        found.empty.iter().map(|e| e.pointer.as_str()).collect::<Vec<_>>(),
        ["/workflow/graph/nodes/0/data/prompt_template/5/text"]
    );
}

#[test]
fn odd_nodes_keep_what_tells_them_apart() {
    let found = found(HOSTILE);
    let ids = prompt_ids("hostile", &found.prompts);
    assert_eq!(
        ids.iter().collect::<std::collections::HashSet<_>>().len(),
        found.prompts.len()
    );
    let merged = &found.prompts[0];
    assert_eq!(
        (merged.node_id.as_deref(), merged.node_title.as_deref()),
        (Some("a/b/../c d"), Some("merged"))
    );
    assert_eq!(
        merged.model.as_ref().and_then(|model| model.name.as_deref()),
        Some("m")
    );
    let jinja2 = &found.prompts[5];
    assert_eq!(
        (jinja2.kind.as_str(), jinja2.variables.as_slice()),
        ("llm_completion_jinja2", &["name".to_owned()][..])
    );
    assert_eq!(
        jinja2.stale_text_pointer.as_deref(),
        Some("/workflow/graph/nodes/1/data/prompt_template/text")
    );
    assert_eq!(found.prompts[12].node_id.as_deref(), Some("16"));
    assert_eq!(ids[12].as_str(), "hostile_16_job_prompt");
}

#[test]
fn an_app_without_a_graph_keeps_every_form_of_its_prompt() {
    let document = "app: {mode: chat}\nmodel_config:\n  model: {provider: p, name: m, completion_params: {stop: x}}\n  \
                    pre_prompt: 'You grade {{topic}}.'\n  chat_prompt_config: {prompt: [{role: system, text: ''}, {role: \
                    user, text: '{{#query#}}'}, {role: user}]}\n  completion_prompt_config: {prompt: {text: \
                    '{{#histories#}} {{#query#}}'}}\n";
    let found = found(document);
    let shown: Vec<_> = found
        .prompts
        .iter()
        .map(|p| {
            (
                p.kind.as_str(),
                p.role.as_deref(),
                p.special_references.len(),
                p.variables.len(),
            )
        })
        .collect();
    assert_eq!(
        shown,
        [
            ("pre_prompt", Some("system"), 0, 1),
            ("chat_prompt_config", Some("user"), 1, 0),
            ("completion_prompt_config", None, 2, 0),
        ]
    );
    let ids: Vec<String> = prompt_ids("grader", &found.prompts)
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(
        ids,
        [
            "grader_app_pre_prompt",
            "grader_app_chat_1",
            "grader_app_completion_text"
        ]
    );
    assert_eq!(
        found.empty[0].pointer,
        "/model_config/chat_prompt_config/prompt/0/text"
    );
    assert_eq!(found.diagnostics[0].message, "the message has no text: skipped");
    assert!(
        found
            .prompts
            .iter()
            .all(|p| p.model.as_ref().is_some_and(|m| m.name.as_deref() == Some("m")))
    );
}

#[test]
fn moving_nodes_and_parameters_renames_no_prompt() {
    let nodes = [
        "{id: one, data: {type: llm, prompt_template: [{role: system, text: A}, {id: m-1, role: user, text: B}]}}",
        "{id: two, data: {type: parameter-extractor, parameters: [{name: x, description: C}, {name: y, description: D}]}}",
        "{id: two, data: {type: parameter-extractor, title: t, parameters: [{name: x, description: E}]}}",
        "{id: three, data: {type: agent, agent_parameters: {query: {value: F}, instruction: {value: G}}}}",
        "{id: four, data: {type: question-classifier, instruction: H, classes: [{id: '1', name: I}, {id: '2', name: J}]}}",
    ];
    let named = |order: &[usize]| -> std::collections::BTreeMap<String, String> {
        let list: Vec<&str> = order.iter().map(|i| nodes[*i]).collect();
        let found = found(&format!("graph: {{nodes: [{}]}}", list.join(", ")));
        let ids = prompt_ids("w", &found.prompts);
        ids.iter()
            .map(ToString::to_string)
            .zip(found.prompts.into_iter().map(|p| p.text))
            .collect()
    };
    let expected = named(&[0, 1, 2, 3, 4]);
    assert_eq!(expected.len(), 10);
    assert_eq!(named(&[4, 3, 2, 1, 0]), expected);
    assert_eq!(named(&[2, 0, 4, 1, 3]), expected);
}

#[test]
fn the_model_of_an_agent_is_found_in_its_parameters() {
    let found = found(SECRETS);
    let models: Vec<_> = found
        .prompts
        .iter()
        .map(|p| {
            p.model
                .as_ref()
                .and_then(|m| m.name.as_deref())
                .unwrap_or_default()
        })
        .collect();
    assert_eq!(models, ["gpt-4o", "gpt-4o", "m", "m"]);
}
