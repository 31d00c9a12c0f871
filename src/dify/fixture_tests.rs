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
