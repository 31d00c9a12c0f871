use serde_json::json;

use super::*;
use crate::optimizer::analyze;
use crate::optimizer::golden::{items, read, text as text_of};

fn version(number: &str, prompt: &str) -> PromptVersion {
    let analysis = analyze("greet", prompt, 0);
    serde_json::from_value(json!({
        "prompt_id": "greet", "version": number,
        "prompt": {"id": "greet", "workflow_id": "", "node_id": "", "node_type": "", "text": prompt},
        "analysis": analysis
    }))
    .unwrap()
}

fn compared(old: &str, new: &str) -> Comparison {
    compare(&version("1.0.0", old), &version("1.1.0", new))
}

fn check_text(old: &str, new: &str, character_diff: i64, word_diff: i64, similarity: f64, length_ratio: f64) {
    let expected = TextDifference {
        character_diff,
        word_diff,
        similarity,
        length_ratio,
    };
    assert_eq!(compared(old, new).text_diff, expected, "{old:?} to {new:?}");
}

#[test]
fn scores_and_issues_are_told_from_the_first_to_the_second() {
    let found = compared("Maybe do some stuff.", "# Task\nSummarize 3 reports.\n");
    assert_eq!(found.prompt_id.as_str(), "greet");
    assert_eq!(
        (found.from, found.to),
        (Version::FIRST, Version::release(1, 1, 0))
    );
    assert_eq!(
        found.score_deltas.overall,
        found.to_scores.overall_score - found.from_scores.overall_score
    );
    assert!(found.score_deltas.clarity > 0.0 && found.score_deltas.efficiency >= 0.0);
    assert_eq!(found.from_scores.issues_count, 2);
    assert_eq!(
        found.issues_resolved,
        [IssueType::VagueLanguage, IssueType::AmbiguousInstructions]
    );
    assert_eq!(found.issues_introduced, []);
    let back = compared("# Task\nSummarize 3 reports.\n", "Maybe do some stuff.");
    assert_eq!(back.issues_introduced, found.issues_resolved);
    assert_eq!(back.score_deltas.clarity, -found.score_deltas.clarity);
}

#[test]
fn texts_are_measured_in_characters_and_words() {
    check_text("Write a note.", "Write a note.", 0, 0, 1.0, 1.0);
    check_text("abc", "xyz", 0, 0, 0.0, 1.0);
    check_text("né", "né 😀", 2, 1, 2.0 * 2.0 / 6.0, 2.0);
    check_text("one two three", "one", -10, -2, 2.0 * 3.0 / 16.0, 3.0 / 13.0);
}

#[test]
fn the_whole_reads_back_from_its_json() {
    let found = compared("Say hello.\n", "Say hello to {{name}}.\n");
    assert_eq!(
        found.unified,
        "--- a/greet@1.0.0\n+++ b/greet@1.1.0\n@@ -1 +1 @@\n-Say hello.\n+Say hello to {{name}}.\n"
    );
    let value = serde_json::to_value(&found).unwrap();
    assert_eq!(value["words"][0], json!({"op": "equal", "text": "Say hello"}));
    assert_eq!(serde_json::from_value::<Comparison>(value).unwrap(), found);
}

#[test]
fn equal_texts_have_no_changes() {
    let found = compared("Say hello.", "Say hello.");
    assert_eq!(found.unified, "");
    assert!(found.words.iter().all(|run| run.op == WordOp::Equal));
    assert_eq!(found.score_deltas.overall, 0.0);
}

#[test]
fn the_figures_are_those_of_the_python_system() {
    let Some(golden) = read("versions.json") else {
        return;
    };
    for case in items(&golden["compare"]) {
        let found = compared(text_of(&case["text1"]), text_of(&case["text2"]));
        assert_eq!(json!(found.text_diff), case["text_diff"], "{case}");
    }
}
