//! Variants of workflows.

use super::*;
use crate::dify::{Limits, parse_document};
use crate::variants::plan::{PromptVariant, parse_catalog};

const DOCUMENT: &str = r#"# kept
app: {mode: advanced-chat, name: Bot}
kind: app
workflow:
  graph:
    nodes:
      - id: start
        data: {type: start, variables: []}
      - id: "1"
        data:
          type: llm
          title: Draft Answer
          prompt_template:
            - role: system
              text: 'Answer {{#sys.query#}} with {{ height: 1 }}.'
            - {role: user, text: "Go on."}
      - id: "2"
        data: {type: question-classifier, title: Sort, instruction: Sort it., classes: []}
      - id: "3"
        data: {type: answer, title: Out, answer: "{{#1.text#}}"}
      - id: "4"
        data: {type: llm, title: Jinja, prompt_template: [{role: user, edition_type: jinja2, jinja2_text: "Hi {{ name }}", text: "Hi {{ name }}"}]}
"#;

fn workflow(catalog: Option<&str>) -> Workflow {
    let catalog = catalog.map(|nodes| {
        let text = format!("{{workflows: [{{id: bot, dsl_path: bot.yml, nodes: {nodes}}}]}}");
        parse_catalog(&text).unwrap().workflows.remove(0)
    });
    Workflow::read(DOCUMENT.into(), "bot.yml", None, catalog.as_ref()).unwrap()
}

fn variant(nodes: &str) -> PromptVariant {
    serde_saphyr::from_str(&format!("variant_id: v\nnodes:\n{nodes}")).unwrap()
}

fn patch(selector: &str, strategy: &str) -> String {
    format!("- selector: {selector}\n  strategy: {strategy}\n")
}

fn sources() -> Sources {
    let stored = |text: &str, is_jinja2| StoredText {
        text: text.to_owned(),
        is_jinja2,
    };
    Sources {
        versions: BTreeMap::from([
            ("p@1.1.0-opt.2".to_owned(), stored("Stored.", Some(false))),
            ("j@1.0.0".to_owned(), stored("Hello {{ name }}", Some(true))),
        ]),
        templates: BTreeMap::from([
            ("t.j2".to_owned(), Ok("[{{ dataset }}] {{ original }}".to_owned())),
            (
                "gone.j2".to_owned(),
                Err("the template gone.j2 cannot be read".to_owned()),
            ),
        ]),
        dataset: Some("smoke".to_owned()),
    }
}

/// Builds and returns what changed, as `pointer: new text`.
fn built(workflow: &Workflow, nodes: &str) -> Result<(Vec<String>, Built), String> {
    let built = build(workflow, &variant(nodes), &sources())?;
    let changes = built.changes.iter().map(|change| {
        let short = change
            .pointer
            .replace("/workflow/graph/nodes/", "")
            .replace("/prompt_template", "");
        format!("{short}: {}", change.after)
    });
    Ok((changes.collect(), built))
}

/// Checks what changed, and that the document reads back with exactly these texts.
fn check(workflow: &Workflow, nodes: &str, expected: &[&str]) -> Built {
    let (changes, built) = built(workflow, nodes).unwrap();
    assert_eq!(changes, expected, "{nodes}");
    let root = parse_document(&built.document, &Limits::default()).unwrap().root;
    for change in &built.changes {
        assert_eq!(
            root.pointer(&change.pointer).unwrap().as_text(),
            Some(change.after.as_str())
        );
    }
    assert!(built.document.starts_with(b"# kept\n"));
    built
}

fn check_error(workflow: &Workflow, nodes: &str, words: &str) {
    let reason = built(workflow, nodes).unwrap_err();
    assert!(reason.contains(words), "{nodes}: {reason}");
}

const ADD: &str = "{mode: append, content: Be kind.}";
const ANSWER: &str = "Answer {{#sys.query#}} with {{ height: 1 }}.";

#[test]
fn selectors_mean_what_satisfies_all_of_them() {
    let workflow = workflow(None);
    let answer = format!("1/data/0/text: {ANSWER}\n\nBe kind.");
    let goes_on = "1/data/1/text: Go on.\n\nBe kind.";
    let sorts = "2/data/instruction: Sort it.\n\nBe kind.";
    for (selector, expected) in [
        ("{by_id: '1'}", vec![answer.as_str(), goes_on]),
        ("{by_label: draft ANS}", vec![&answer, goes_on]),
        ("{by_type: question-classifier}", vec![sorts]),
        ("{by_prompt: bot_1_user_1}", vec![goes_on]),
        ("{by_path: /workflow/graph/nodes/1}", vec![&answer, goes_on]),
        ("{by_path: /graph/nodes/1}", vec![&answer, goes_on]),
        (
            "{by_path: /graph/nodes/1/data/prompt_template/1/text}",
            vec![goes_on],
        ),
        (
            "{by_id: '1', by_path: /graph/nodes/1/data/prompt_template/1}",
            vec![goes_on],
        ),
        (
            "{by_path: /graph/nodes/2, constraints: {workflow_type: chatflow}}",
            vec![sorts],
        ),
        (
            "{by_path: /graph/nodes/3/data/answer}",
            vec!["3/data/answer: {{#1.text#}}\n\nBe kind."],
        ),
    ] {
        check(&workflow, &patch(selector, ADD), &expected);
    }
}

#[test]
fn nothing_selected_is_skipped_with_a_note_or_an_error_as_the_patch_says() {
    let workflow = workflow(None);
    for selector in [
        "by_id: start",
        "by_id: '1', by_type: code",
        "by_label: nobody",
        "by_path: /graph/nodes/9",
        "by_path: /graph/nodes",
        "by_prompt: bot_9_user_0",
        "by_id: '1', constraints: {workflow_type: workflow}",
    ] {
        let is_found = selector == "by_path: /graph/nodes";
        let skipped = built(
            &workflow,
            &patch(
                &format!("{{{selector}}}"),
                "{mode: append, content: x, ref: null}",
            ),
        );
        let (changes, built) = skipped.unwrap();
        assert_eq!(changes.is_empty(), !is_found, "{selector}");
        if !is_found && !selector.contains("constraints") {
            assert_eq!(built.document, DOCUMENT.as_bytes());
            assert!(
                built.notes[0].contains("matches nothing in the workflow; skipped"),
                "{:?}",
                built.notes
            );
            let error = format!("{{{selector}, constraints: {{if_missing: error}}}}");
            check_error(
                &workflow,
                &patch(&error, ADD),
                "line 3: the selector matches nothing",
            );
        }
    }
}

#[test]
fn modes_put_the_text_where_they_say() {
    let workflow = workflow(None);
    let go = |strategy: &str| patch("{by_prompt: bot_1_user_1}", strategy);
    for (strategy, expected) in [
        ("{mode: replace, content: New.}", "New."),
        ("{mode: prepend, content: New.}", "New.\n\nGo on."),
        ("{mode: append, content: New.}", "Go on.\n\nNew."),
        ("{mode: replace, ref: p@1.1.0-opt.2}", "Stored."),
        ("{mode: append, ref: p@1.1.0-opt.2}", "Go on.\n\nStored."),
        ("{mode: template, template: {file: t.j2}}", "[smoke] Go on."),
        (
            "{mode: template, template: {inline: '{{ original|upper }} {{ x.y }}', variables: {x: {y: 1}}}}",
            "GO ON. 1",
        ),
        (
            "{mode: template, template: {file: gone.j2}, fallback_value: Fall back.}",
            "Fall back.",
        ),
        (
            "{mode: template, template: {inline: '{{ unknown }}'}, fallback_value: Fall back.}",
            "Fall back.",
        ),
    ] {
        let built = check(&workflow, &go(strategy), &[&format!("1/data/1/text: {expected}")]);
        assert_eq!(
            built.notes.is_empty(),
            !strategy.contains("fallback"),
            "{:?}",
            built.notes
        );
        assert_eq!(built.texts[1], expected);
    }
    check_error(
        &workflow,
        &go("{mode: template, template: {inline: '{{ unknown }}'}}"),
        "not defined",
    );
    check_error(
        &workflow,
        &go("{mode: template, template: {file: gone.j2}}"),
        "cannot be read",
    );
    check_error(
        &workflow,
        &go("{mode: replace, ref: x@9.0.0}"),
        "there is no version x@9.0.0",
    );
    for name in ["original", "dataset"] {
        let clash = format!(
            "{{mode: template, template: {{inline: x, variables: {{{name}: 1}}}}, fallback_value: y}}"
        );
        check_error(&workflow, &go(&clash), "is taken");
    }
}

#[test]
fn references_are_kept_unless_the_patch_allows_otherwise() {
    let workflow = workflow(None);
    let (keep, allow) = (
        "{by_prompt: bot_1_system_0}",
        "{by_prompt: bot_1_system_0, constraints: {references: allow}}",
    );
    for (content, words) in [
        ("Say it.", "loses {{ height: 1 }}, {{#sys.query#}}"),
        (
            "{{#sys.query#}} {{ height: 1 }} {{#sys.files#}}",
            "adds {{#sys.files#}}",
        ),
        (
            "{{#sys.query#}} {{ height: 2 }}",
            "loses {{ height: 1 }} and adds {{ height: 2 }}",
        ),
    ] {
        let replace = format!("{{mode: replace, content: '{content}'}}");
        check_error(&workflow, &patch(keep, &replace), words);
        check(
            &workflow,
            &patch(allow, &replace),
            &[&format!("1/data/0/text: {content}")],
        );
    }
    // How often does not count, and a node that is not there is never referred to.
    check(
        &workflow,
        &patch(keep, "{mode: append, content: 'Think of {{#sys.query#}}.'}"),
        &[&format!(
            "1/data/0/text: {ANSWER}\n\nThink of {{{{#sys.query#}}}}."
        )],
    );
    check_error(
        &workflow,
        &patch(allow, "{mode: append, content: 'See {{#99.text#}}.'}"),
        "the node '99'",
    );
}

#[test]
fn patches_build_on_each_other_and_the_original_is_data() {
    let workflow = workflow(None);
    let nodes = patch("{by_prompt: bot_1_system_0}", "{mode: prepend, content: One.}")
        + &patch(
            "{by_id: '1', by_path: /graph/nodes/1/data/prompt_template/0}",
            "{mode: template, template: {inline: '<{{ original }}>'}}",
        );
    check(
        &workflow,
        &nodes,
        &[&format!("1/data/0/text: <One.\n\n{ANSWER}>")],
    );
    let back = patch("{by_prompt: bot_1_user_1}", "{mode: replace, content: X}")
        + &patch("{by_prompt: bot_1_user_1}", "{mode: replace, content: Go on.}");
    let built = check(&workflow, &back, &[]);
    assert_eq!(
        (built.notes, built.document),
        (
            vec!["it is the same as the default".to_owned()],
            DOCUMENT.as_bytes().to_vec()
        )
    );
}

#[test]
fn templates_of_the_workflow_and_stored_ones_are_not_mixed_up() {
    let workflow = workflow(None);
    let jinja = "{by_id: '4'}";
    let built = check(
        &workflow,
        &patch(jinja, "{mode: replace, ref: j@1.0.0}"),
        &["4/data/0/jinja2_text: Hello {{ name }}"],
    );
    // The basic text was the same, so it follows.
    assert!(
        String::from_utf8(built.document)
            .unwrap()
            .matches("Hello {{ name }}")
            .count()
            == 2
    );
    check_error(
        &workflow,
        &patch(jinja, "{mode: append, ref: p@1.1.0-opt.2}"),
        "is basic text",
    );
    check_error(
        &workflow,
        &patch("{by_prompt: bot_1_user_1}", "{mode: append, ref: j@1.0.0}"),
        "is a Jinja2 template",
    );
}

#[test]
fn a_catalogue_says_what_the_fields_are_and_a_node_that_has_moved_is_found() {
    let nodes = "[{node_id: '1', label: Chat, type: model, path: /graph/nodes/7, prompt_fields: [data.prompt_template.1.text]}, \
                 {node_id: '2', type: llm, path: /workflow/graph/nodes/0}, \
                 {node_id: '3', type: answer, path: /graph/nodes/3/data, prompt_fields: [answer]}, \
                 {node_id: '9', label: Gone, type: llm, path: /graph/nodes/9}, \
                 {node_id: '4', type: whole, path: /graph/nodes/4, prompt_fields: [data.prompt_template]}, \
                 {node_id: start, type: none, path: /graph/nodes/0, prompt_fields: [data.variables, data.nothing]}]";
    let workflow = workflow(Some(nodes));
    for (selector, expected) in [
        ("{by_label: chat}", vec!["1/data/1/text: Go on.\n\nBe kind."]),
        (
            "{by_id: '1', by_type: model}",
            vec!["1/data/1/text: Go on.\n\nBe kind."],
        ),
        ("{by_id: '2'}", vec!["2/data/instruction: Sort it.\n\nBe kind."]),
        (
            "{by_label: Sort}",
            vec!["2/data/instruction: Sort it.\n\nBe kind."],
        ),
        (
            "{by_type: answer}",
            vec!["3/data/answer: {{#1.text#}}\n\nBe kind."],
        ),
        (
            "{by_type: whole}",
            vec!["4/data/0/jinja2_text: Hi {{ name }}\n\nBe kind."],
        ),
        ("{by_prompt: bot_1_system_0}", vec![]),
    ] {
        check(&workflow, &patch(selector, ADD), &expected);
    }
    // What the catalogue has and the document has not: an error when the patch says so, also beside others.
    check_error(
        &workflow,
        &patch("{by_id: '9', constraints: {if_missing: error}}", ADD),
        "no node '9'",
    );
    check_error(
        &workflow,
        &patch("{by_type: llm, constraints: {if_missing: error}}", ADD),
        "no node '9'",
    );
    check_error(
        &workflow,
        &patch("{by_type: none, constraints: {if_missing: error}}", ADD),
        "a list stands there",
    );
    let skipped = check(
        &workflow,
        &patch("{by_type: llm}", ADD),
        &["2/data/instruction: Sort it.\n\nBe kind."],
    );
    assert!(
        skipped.notes[0].contains("no node '9'; skipped"),
        "{:?}",
        skipped.notes
    );
}

#[test]
fn what_the_document_cannot_hold_is_refused() {
    let workflow = workflow(None);
    let long = format!("{{mode: append, content: {}}}", "x".repeat(100_001));
    check_error(
        &workflow,
        &patch("{by_prompt: bot_1_user_1}", &long),
        "the limit is 100000",
    );
    let blank = "{mode: template, template: {inline: ' '}}";
    check_error(&workflow, &patch("{by_prompt: bot_1_user_1}", blank), "blank");
}
