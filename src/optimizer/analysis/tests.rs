use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::optimizer::golden::{items, number, read, text};

/// Compares overall, clarity and efficiency to the last bit.
fn check(prompt: &str, overall: f64, clarity: f64, efficiency: f64) {
    let analysis = analyze("p", prompt, 0);
    assert_eq!(
        [
            analysis.overall_score,
            analysis.clarity_score,
            analysis.efficiency_score
        ]
        .map(f64::to_bits),
        [overall, clarity, efficiency].map(f64::to_bits),
        "{prompt:?}"
    );
}

#[test]
fn scores_are_exact_to_the_last_digit() {
    check("", 49.8, 53.0, 45.0);
    check("Sing.", 58.699_999_999_999_996, 54.5, 65.0);
    check(
        "List 3 uses of a brick, for example as a hammer.",
        67.872_727_272_727_27,
        71.0,
        63.181_818_181_818_18,
    );
    check(
        "# Role\nYou review code.\n\n# Steps\n1. List each defect.\n2. Explain it, e.g. with the line.\n",
        78.5,
        77.5,
        80.0,
    );
}

#[test]
fn the_metadata_has_its_keys_in_order_and_names_the_profile() {
    let analysis = analyze("greet", "Say hi. Now!", 2);
    assert_eq!(analysis.prompt_id, "greet");
    assert_eq!(
        serde_json::to_string(&analysis.metadata).unwrap(),
        json!({
            "character_count": 12, "word_count": 3, "sentence_count": 2, "estimated_tokens": 3.0,
            "avg_word_length": 10.0 / 3.0, "avg_sentence_length": 1.5, "variable_count": 2, "profile": "reference"
        })
        .to_string()
    );
}

#[test]
fn hostile_texts_are_analysed_like_any_other() {
    let hostile = [
        "x",
        "\n",
        "\0",
        "a\u{301}",
        "\u{301}",
        "👨\u{200D}👩\u{200D}👧",
        "{{",
        "#",
        "1",
        "1 ",
        "é1",
        ". ",
        "some ",
        "İ",
        "Σ",
        "word\u{1C}",
        "中",
        "\u{FEFF}",
        "- ",
        "{{#a.b#}} ",
    ];
    for unit in hostile {
        let prompt: String = unit.chars().cycle().take(100_000).collect();
        let analysis = analyze("p", &prompt, 0);
        assert_eq!(analysis.score_out_of_range(), None, "{unit:?}");
        assert_eq!(
            analysis.metadata.get("character_count"),
            Some(&json!(100_000)),
            "{unit:?}"
        );
        let said: usize = analysis.issues.iter().map(|issue| issue.description.len()).sum();
        assert!(said < 2000, "{unit:?}: the descriptions have {said} bytes");
    }
}

#[test]
fn the_scores_are_those_of_the_python_system() {
    let Some(cases) = read("analysis_scores.json") else {
        return;
    };
    assert!(!items(&cases).is_empty());
    for case in items(&cases) {
        let name = text(&case["name"]);
        let prompt = match case.get("text") {
            Some(whole) => text(whole).to_owned(),
            None => {
                let count = usize::try_from(case["text_repeat"]["count"].as_u64().unwrap()).unwrap();
                text(&case["text_repeat"]["unit"]).repeat(count)
            }
        };
        check_case(name, &prompt, case);
    }
}

fn check_case(name: &str, prompt: &str, case: &Value) {
    let facts = TextFacts::of(prompt);
    for (component, found) in [
        ("structure", clarity::structure(&facts)),
        ("specificity", clarity::specificity(&facts)),
        ("coherence", clarity::coherence(&facts)),
        ("token_efficiency", efficiency::token_efficiency(&facts)),
        ("information_density", efficiency::information_density(&facts)),
    ] {
        let expected = number(&case["components"][component]);
        assert_eq!(found.to_bits(), expected.to_bits(), "{component} of {name}");
    }
    check(
        prompt,
        number(&case["overall"]),
        number(&case["clarity"]),
        number(&case["efficiency"]),
    );

    let variables = usize::try_from(case["metadata"]["variable_count"].as_u64().unwrap()).unwrap();
    let mut analysis = analyze("p", prompt, variables);
    let kinds: Vec<Value> = analysis
        .issues
        .iter()
        .map(|i| json!([i.kind, i.severity]))
        .collect();
    assert_eq!(json!(kinds), case["issues"], "issues of {name}");
    let priorities: Vec<Value> = analysis
        .suggestions
        .iter()
        .map(|s| json!([s.kind, s.priority]))
        .collect();
    assert_eq!(json!(priorities), case["suggestions"], "suggestions of {name}");
    assert_eq!(
        analysis.metadata.shift_remove("profile"),
        Some(json!("reference"))
    );
    assert_eq!(
        Value::Object(analysis.metadata),
        case["metadata"],
        "metadata of {name}"
    );
    let terms = issues::vague_terms(&facts);
    let expected_terms: Vec<&str> = items(&case["vague_terms"])
        .iter()
        .flat_map(items)
        .map(text)
        .collect();
    assert_eq!(terms, expected_terms, "vague terms of {name}");
}

/// Texts in which the words, marks and characters that the rules look for are likely.
fn likely_text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("\n".to_owned()),
        Just(" ".to_owned()),
        Just(". ".to_owned()),
        Just("# ".to_owned()),
        Just("1. ".to_owned()),
        Just("- ".to_owned()),
        Just("maybe".to_owned()),
        Just("very ".to_owned()),
        Just("summarize the list ".to_owned()),
        Just("e.g.".to_owned()),
        "[a-zA-Z]{1,12} ",
        any::<char>().prop_map(String::from),
    ];
    prop::collection::vec(piece, 0..120).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn every_text_has_scores_within_range(prompt in prop_oneof![any::<String>(), likely_text()]) {
        let analysis = analyze("p", &prompt, 0);
        prop_assert_eq!(analysis.score_out_of_range(), None);
        prop_assert!(analysis.efficiency_score <= 90.0 && analysis.overall_score <= 96.0);
        let again = analyze("p", &prompt, 0);
        prop_assert_eq!(&analysis.issues, &again.issues);
        prop_assert_eq!(&analysis.suggestions, &again.suggestions);
        prop_assert_eq!(&analysis.metadata, &again.metadata);
    }
}
