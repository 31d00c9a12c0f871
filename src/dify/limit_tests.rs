//! Documents that cost too much, and the exact place of each limit.

use std::time::{Duration, Instant};

use super::{ExtractOptions, Limits, extract, parse_document};
use crate::model::MAX_PROMPT_CHARS;

fn check_fast(document: &str, reason: &str) {
    let start = Instant::now();
    let error = extract(document.as_bytes(), &ExtractOptions::default()).unwrap_err();
    assert_eq!(error.reason(), reason, "{error}");
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
}

/// A workflow with one LLM node whose prompt is given in YAML.
fn workflow(text: &str) -> String {
    format!(
        "workflow: {{graph: {{nodes: [{{id: n, data: {{type: llm, prompt_template: [{{role: user, text: {text}}}]}}}}]}}}}\n"
    )
}

#[test]
fn an_alias_bomb_is_refused_at_once() {
    let mut bomb = "a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol, lol]\n".to_owned();
    for level in 1..30 {
        let aliases = vec![format!("*a{}", level - 1); 10].join(", ");
        bomb += &format!("a{level}: &a{level} [{aliases}]\n");
    }
    check_fast(&bomb, "too-many-nodes");
    let mut merges = "a0: &a0 {k0: 1}\n".to_owned();
    for level in 1..2_000 {
        merges += &format!("a{level}: &a{level} {{<<: *a{}, k{level}: 1}}\n", level - 1);
    }
    check_fast(&merges, "too-many-nodes");
    let text = format!(
        "a: &a '{}'\nb: [{}]\n",
        "x".repeat(1_000_000),
        ["*a"; 50].join(", ")
    );
    check_fast(&text, "too-much-text");
    let mut deep = "a0: &a0 [x]\n".to_owned();
    for level in 1..200 {
        deep += &format!("a{level}: &a{level} [*a{}]\n", level - 1);
    }
    check_fast(&deep, "too-deep");
}

#[test]
fn deep_nesting_is_refused_without_using_the_stack() {
    check_fast(&"[".repeat(5_000), "too-deep");
    check_fast(
        &format!("a: {}{}", "[".repeat(5_000), "]".repeat(5_000)),
        "too-deep",
    );
    check_fast(&"{a: ".repeat(5_000), "too-deep");
    check_fast(&"- ".repeat(5_000), "too-deep");
    check_fast(&"? ".repeat(5_000), "too-deep");
    let block: String = (0..5_000)
        .map(|level| format!("{}a:\n", " ".repeat(level)))
        .collect();
    check_fast(&block[..10_000_000], "too-deep");
}

#[test]
fn each_limit_is_exact() {
    let with = |change: fn(&mut Limits)| {
        let mut limits = Limits::default();
        change(&mut limits);
        limits
    };
    let check = |limits: Limits, fits: &str, breaks: &str, reason: &str| {
        assert!(parse_document(fits.as_bytes(), &limits).is_ok(), "{fits}");
        assert_eq!(
            parse_document(breaks.as_bytes(), &limits).unwrap_err().reason(),
            reason,
            "{breaks}"
        );
    };
    check(with(|l| l.max_document_bytes = 4), "a: 1", "a: 12", "too-large");
    check(with(|l| l.max_depth = 3), "a: [[x]]", "a: [[[x]]]", "too-deep");
    check(
        with(|l| l.max_nodes = 5),
        "a: [b, c]",
        "a: [b, c, d]",
        "too-many-nodes",
    );
    check(
        with(|l| l.max_nodes = 7),
        "a: &x [b]\nc: d",
        "a: &x [b]\nc: [*x]",
        "too-many-nodes",
    );
    check(
        with(|l| l.max_expanded_bytes = 4),
        "a: bcd",
        "a: bcde",
        "too-much-text",
    );
    let mut options = ExtractOptions::default();
    options.limits.max_prompts = 1;
    assert!(extract(workflow("x").as_bytes(), &options).is_ok());
    let two = workflow("x}, {text: ''");
    assert_eq!(
        extract(two.as_bytes(), &options).unwrap_err().reason(),
        "too-many-prompts"
    );
    options.limits.max_depth = usize::MAX;
    assert_eq!(
        extract("[".repeat(5_000).as_bytes(), &options)
            .unwrap_err()
            .reason(),
        "too-deep"
    );
}

#[test]
fn diagnostics_are_limited_and_the_rest_is_counted() {
    let mut options = ExtractOptions::default();
    options.limits.max_diagnostics = 2;
    let nodes = ["1"; 10].join(", ");
    let document = format!("workflow: {{graph: {{nodes: [{nodes}]}}}}");
    let found = extract(document.as_bytes(), &options).unwrap();
    let messages: Vec<&str> = found.diagnostics.iter().map(|d| d.message.as_str()).collect();
    assert_eq!(messages.len(), 4);
    assert_eq!(messages[2], "8 further diagnostics are left out");
    assert_eq!(
        messages[3],
        "no prompts found: none of the 10 nodes holds prompt text for a model"
    );
}

#[test]
fn an_over_long_text_is_skipped_and_reported() {
    let exact = "é".repeat(MAX_PROMPT_CHARS);
    let found = extract(workflow(&exact).as_bytes(), &ExtractOptions::default()).unwrap();
    assert_eq!(found.prompts[0].text, exact);
    let found = extract(
        workflow(&format!("{exact}é")).as_bytes(),
        &ExtractOptions::default(),
    )
    .unwrap();
    assert!(found.prompts.is_empty());
    assert_eq!(
        found.diagnostics[0].pointer,
        "/workflow/graph/nodes/0/data/prompt_template/0/text"
    );
    assert_eq!(
        found.diagnostics[0].message,
        "the text has 100001 characters, more than 100000: skipped; split the prompt"
    );
}

#[test]
fn nine_thousand_twin_nodes_are_named_in_bounded_time() {
    let node = "    - {id: n, data: {type: llm, prompt_template: [{role: user, text: hello}]}}\n";
    let document = format!("workflow:\n  graph:\n    nodes:\n{}", node.repeat(9_000));
    let start = Instant::now();
    let found = extract(document.as_bytes(), &ExtractOptions::default()).unwrap();
    let ids = super::prompt_ids("w", &found.prompts);
    assert_eq!((found.prompts.len(), ids.len()), (9_000, 9_000));
    assert!(start.elapsed() < Duration::from_secs(30), "{:?}", start.elapsed());
}
