//! Documents that are refused with what to do about it, and odd ones that are not.

use proptest::prelude::*;

use super::{DifyError, ExtractOptions, Limits, extract, parse_document, prompt_ids};

fn refused(document: &[u8]) -> DifyError {
    extract(document, &ExtractOptions::default()).unwrap_err()
}

fn check(document: impl AsRef<[u8]>, reason: &str, message: &str) {
    let error = refused(document.as_ref());
    assert_eq!((error.reason(), error.to_string().as_str()), (reason, message));
}

/// A workflow with one LLM node whose prompt is given in YAML.
fn workflow(text: &str) -> String {
    format!(
        "workflow: {{graph: {{nodes: [{{id: n, data: {{type: llm, prompt_template: [{{role: user, text: {text}}}]}}}}]}}}}\n"
    )
}

fn texts(document: &[u8]) -> Vec<String> {
    let found = extract(document, &ExtractOptions::default()).unwrap();
    found.prompts.into_iter().map(|prompt| prompt.text).collect()
}

#[test]
fn what_is_no_single_mapping_is_refused_with_what_to_do() {
    let empty = "the document is empty: export the app from dify again";
    for document in ["", " \n\n", "# only a comment\n", "---\n", "~", "\u{feff}"] {
        check(document, "empty", empty);
    }
    let shape = |found| {
        format!("the document is {found}, not a mapping: a dify export begins with 'app:' and 'kind: app'")
    };
    check("- a\n- b\n", "not-a-mapping", &shape("a list"));
    check("just text", "not-a-mapping", &shape("text"));
    check("12", "not-a-mapping", &shape("a number"));
    check("[]", "not-a-mapping", &shape("a list"));
    check(
        "a: 1\n---\nb: 2\n",
        "several-documents",
        "a second document begins on line 2: keep one document per file",
    );
}

#[test]
fn bytes_that_are_no_plain_text_are_refused_with_their_place() {
    check(
        b"a: 1\nb: \xff\n",
        "not-utf8",
        "invalid utf-8 at byte 8 (line 2): save the document as utf-8",
    );
    check(
        b"\xff\xfea\0",
        "not-utf8",
        "invalid utf-8 at byte 0 (line 1): save the document as utf-8",
    );
    check(
        "a: 1\nb: x\0y\n",
        "control-character",
        "control character U+0000 at line 2, column 5: remove it, or write it as an escape in double quotes",
    );
    for code in ["\u{7}", "\u{7f}", "\u{9b}", "\u{fffe}"] {
        assert_eq!(refused(workflow(code).as_bytes()).reason(), "control-character");
    }
    assert_eq!(
        texts(workflow(r#""a\0\x07\u009b""#).as_bytes()),
        ["a\0\u{7}\u{9b}"]
    );
}

#[test]
fn broken_yaml_is_refused_with_line_and_column() {
    let tab = "not valid yaml at line 2, column 2: a tab is used as indentation: indent with spaces";
    check("a:\n\tb: 1\n", "syntax", tab);
    check(
        "a: 1\nb: 'open\n",
        "syntax",
        "not valid yaml at line 2, column 4: a quote is not closed: add the closing quote",
    );
    check(
        "a: b: c\n",
        "syntax",
        "not valid yaml at line 1, column 5: a ':' stands where no key can be: put the text in quotes, or check the \
         indentation",
    );
    check(
        "a: *gone\n",
        "syntax",
        "not valid yaml at line 1, column 4: an alias has no anchor before it: write the value out",
    );
    assert_eq!(refused(b"{\"a\": [1, 2}").reason(), "syntax");
    assert_eq!(refused(br#"{"a": "\ud83d"}"#).reason(), "syntax");
}

#[test]
fn ambiguous_documents_are_refused() {
    check(
        "a: 1\nb: {c: 1,\n  c: 2}\n",
        "duplicate-key",
        "duplicate key at line 3, column 3, first used on line 2 of the same mapping: keep one of the two",
    );
    check(
        "a: !secret x\n",
        "unknown-tag",
        "unknown tag at line 1, column 12: dify's loader refuses it; remove the tag",
    );
    assert_eq!(
        refused(b"a: !!python/object:os.system {}\n").reason(),
        "unknown-tag"
    );
    check(
        "? [a]\n: 1\n",
        "key-not-scalar",
        "a list or mapping is used as a key at line 1, column 3: use text as the key",
    );
    check(
        "a: &x [*x]\n",
        "recursive-alias",
        "alias at line 1, column 8 refers to a node that contains it: write the value out",
    );
    check(
        "a: {<<: 1}\n",
        "invalid-merge",
        "merge key at line 1, column 5 needs a mapping or a list of mappings as its value",
    );
}

#[test]
fn byte_order_mark_line_ends_and_json_make_no_difference() {
    let plain = workflow("\n      'one\n\n      two'").replace("graph:", "graph:\n     ");
    let expected = ["one\ntwo"];
    assert_eq!(texts(plain.as_bytes()), expected);
    assert_eq!(texts(plain.replace('\n', "\r\n").as_bytes()), expected);
    assert_eq!(texts(format!("\u{feff}{plain}").as_bytes()), expected);
    let json = "{\"workflow\":{\"graph\":{\"nodes\":[\n\t{\"id\":\"n\",\"data\":{\"type\":\"llm\",\"prompt_template\":\n\t\t\
                [{\"role\":\"user\",\"text\":\"\\ud83d\\ude00 \\u00e9\\/\\n\"}]}}]}}}";
    assert_eq!(texts(json.as_bytes()), ["\u{1f600} é/\n"]);
    let long = format!(
        "{{\"workflow\":{{\"graph\":{{\"nodes\":[{{\"id\":\"n\",\"data\":{{\"type\":\"llm\",\"prompt_template\":\
                        [{{\"text\":\"{}\"}}]}}}}]}}}}}}",
        "x".repeat(5_000)
    );
    assert_eq!(texts(long.as_bytes())[0].len(), 5_000);
}

#[test]
fn tags_decide_what_is_text() {
    for (value, expected) in [
        ("! 12", Some("a number")),
        ("! 'yes'", Some("a boolean")),
        ("! ''", Some("null")),
        ("! twelve", Some("text")),
        ("!!str 12", Some("text")),
        ("!<tag:yaml.org,2002:str> on", Some("text")),
        ("!!int '12'", Some("a number")),
        ("!!null x", Some("null")),
        ("!!binary aGk=", Some("binary data")),
        ("!!set {a, b}", Some("a mapping")),
        ("!!omap [a: 1]", Some("a list")),
        ("!!float", Some("a number")),
        ("!!other x", None),
        ("!!other [x]", None),
    ] {
        let found = parse_document(format!("a: {value}\n").as_bytes(), &Limits::default());
        let shown = found
            .as_ref()
            .ok()
            .and_then(|d| d.root.get("a"))
            .map(super::Node::describe);
        assert_eq!(shown, expected, "{value}");
    }
}

#[test]
fn merge_keys_and_aliases_mean_what_they_mean_to_the_loader() {
    let source = b"a: &a {x: 1, y: 2}\nb: &b {y: 3, z: 4}\none: {<<: *a, y: 9}\nmany: {<<: [*b, *a], w: 0}\n'<<': text\n\
                   plain: <<\n";
    let root = parse_document(source, &Limits::default()).unwrap().root;
    for (pointer, expected) in [
        ("/one/x", "1"),
        ("/one/y", "9"),
        ("/many/x", "1"),
        ("/many/y", "3"),
        ("/many/z", "4"),
        ("/many/w", "0"),
        ("/<<", "text"),
        ("/plain", "<<"),
    ] {
        assert_eq!(
            root.pointer(pointer).unwrap().printed().unwrap(),
            expected,
            "{pointer}"
        );
    }
}

#[test]
fn finding_nothing_is_no_error_but_has_a_reason() {
    let check = |document: &str, reason: &str| {
        let found = extract(document.as_bytes(), &ExtractOptions::default()).unwrap();
        let last = found.diagnostics.last().unwrap();
        assert_eq!(last.message, format!("no prompts found: {reason}"), "{document}");
    };
    let unlocated = "the document has neither a workflow graph nor a model_config: is it a dify export?";
    check("a: 1", unlocated);
    check("workflow: {graph: 1}", unlocated);
    let no_nodes = "the app has no nodes and its configuration holds no prompt text";
    check("workflow: {graph: {}}", no_nodes);
    check("graph: {nodes: []}", no_nodes);
    check("model_config: {pre_prompt: 1}", no_nodes);
    check("model_config: {pre_prompt: ''}", "all 1 prompt fields are blank");
    check(
        "graph: {nodes: [{id: a, data: {type: end}}]}",
        "none of the 1 nodes holds prompt text for a model",
    );
}

#[test]
fn the_mode_decides_between_a_graph_and_a_configuration() {
    let both = |mode: &str| {
        let document = format!(
            "app: {{mode: {mode}}}\nmodel_config: {{pre_prompt: config}}\ngraph: {{nodes: [{{id: a, data: {{type: agent, \
             agent_parameters: {{query: {{value: graph}}}}}}}}]}}\n"
        );
        let found = extract(document.as_bytes(), &ExtractOptions::default()).unwrap();
        assert_eq!(found.diagnostics.len(), 1, "{:?}", found.diagnostics);
        (
            found.prompts[0].text.clone(),
            found.diagnostics[0].pointer.clone(),
        )
    };
    assert_eq!(both("chat"), ("config".to_owned(), "/graph".to_owned()));
    assert_eq!(
        both("advanced-chat"),
        ("graph".to_owned(), "/model_config".to_owned())
    );
    assert_eq!(
        both("unheard-of"),
        ("graph".to_owned(), "/model_config".to_owned())
    );
}

#[test]
fn agent_parameters_are_read_by_an_allow_list() {
    let document = b"graph: {nodes: [{id: a, data: {type: agent, agent_parameters: {query: {value: q}, goal: {value: g}}}}]}";
    assert_eq!(texts(document), ["q"]);
    let options = ExtractOptions {
        agent_parameters: vec!["goal".to_owned()],
        ..ExtractOptions::default()
    };
    assert_eq!(extract(document, &options).unwrap().prompts[0].text, "g");
}

#[test]
fn line_breaks_that_readers_disagree_on_are_reported() {
    let found = extract(workflow("'a\u{2028}b'").as_bytes(), &ExtractOptions::default()).unwrap();
    assert_eq!((found.diagnostics.len(), found.diagnostics[0].line), (1, Some(1)));
    assert_eq!(found.prompts.len(), 1);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_give_a_reason_when_they_give_no_prompt(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        match extract(&bytes, &ExtractOptions::default()) {
            Ok(found) => prop_assert!(!found.prompts.is_empty() || !found.diagnostics.is_empty()),
            Err(error) => prop_assert!(error.to_string().starts_with(|c: char| c.is_lowercase())),
        }
    }

    #[test]
    fn a_damaged_document_gives_valid_prompts_or_an_error(
        cut in any::<prop::sample::Index>(),
        len in 0usize..20,
        patch in "[-:\\[\\]{}'\"|>&*!#%@`,? \n\ta<~é]{0,6}",
    ) {
        let source: Vec<char> = include_str!("../../tests/fixtures/dify/hostile.yml").chars().collect();
        let from = cut.index(source.len());
        let rest = source.iter().skip(from + len);
        let document: String = source[..from].iter().copied().chain(patch.chars()).chain(rest.copied()).collect();
        match extract(document.as_bytes(), &ExtractOptions::default()) {
            Ok(found) => {
                prop_assert_eq!(prompt_ids("w", &found.prompts).len(), found.prompts.len());
                let root = parse_document(document.as_bytes(), &Limits::default()).unwrap().root;
                for prompt in &found.prompts {
                    prop_assert_eq!(root.pointer(&prompt.pointer).and_then(|n| n.as_text()), Some(prompt.text.as_str()));
                }
            }
            Err(error) => prop_assert!(!error.to_string().is_empty()),
        }
    }
}
