use proptest::prelude::*;

use super::*;

fn score(text: &str) -> f64 {
    ScoringProfile::Balanced.analyze("p", text, 0).overall_score
}

/// Lines that say nothing about the task: frames, courtesy, listed verbs, keywords.
const BOILERPLATE: &[&str] = &[
    "# Task",
    "## Instructions",
    "## Task Instructions",
    "# Expected Output",
    "# Examples",
    "---",
    "Please.",
    "Please follow the instructions above carefully and provide a high quality answer.",
    "Provide a clear and comprehensive response.",
    "Analyze, summarize, extract, generate, write, create, list, identify, classify, compare.",
    "First, second, then, next, finally, therefore, however.",
    "For example, e.g. 1, such as 2.",
    "1. \n- \n* ",
    "请认真完成任务，给出高质量的回答。",
];

/// Prompts of whole lines, none of which leaves a brace, a quotation or a fence open.
const LINES: &[&str] = &[
    "Translate {{#1.text#}} into French.",
    "Your task is to carefully read the text, and maybe sum it up in order to help.",
    "- Use `code` and \"quotations\", etc.",
    "-broken item",
    "##Broken heading",
    "## Heading",
    "Do this: 1) read it, 2) sum it up, 3) stop.",
    "你是一个客服,请回答用户的问题。",
    "请务必一定要用简体中文回答用户的问题，等等。",
    "The the answer is is {name} .",
    "1、简单回复",
    "2、不要提问",
    "```\nvery very code in order to\n```",
    "Very  long  words and   aligned columns \t",
    "",
    "",
    "  ",
    "Answer in one short sentence of a few words.",
    "- Answer in one short sentence of a few words.",
    "  - Answer in one short sentence of a few words.",
    "• point one",
    "Be very clear and very brief, please.",
    "Clear it is.",
    "Provide a summary of the text.",
    "> quoted: 1) one 2) two",
    "{{#1.text#}} {% if a %} maybe {% endif %}",
];

fn prompts() -> impl Strategy<Value = String> {
    proptest::collection::vec(proptest::sample::select(LINES), 1..12).prop_map(|lines| lines.join("\n"))
}

proptest! {
    #[test]
    fn boilerplate_never_raises_the_score_wherever_it_stands(
        text in prompts(),
        frame in proptest::sample::select(BOILERPLATE),
        breaks in proptest::sample::select(&["\n", "\n\n"][..]),
    ) {
        prop_assume!(!text.trim().is_empty());
        let plain = score(&text);
        for framed in [
            format!("{frame}{breaks}{text}"),
            format!("{text}{breaks}{frame}"),
            format!("# Task{breaks}{text}{breaks}{frame}"),
        ] {
            prop_assert!(score(&framed) <= plain, "{:?}", framed);
        }
    }

    #[test]
    fn a_line_that_is_added_never_raises_the_score(text in prompts(), line in proptest::sample::select(LINES)) {
        prop_assume!(!text.trim().is_empty());
        let longer = [
            format!("{text}\n{line}"),
            format!("{text}\n\n{line}"),
            format!("{line}\n{text}"),
            format!("{line}\n\n{text}"),
        ];
        prop_assert!(longer.iter().all(|longer| score(longer) <= score(&text)));
    }

    #[test]
    fn a_text_that_is_repeated_does_not_score_higher(text in prompts(), times in 2_usize..5) {
        prop_assume!(!text.trim().is_empty());
        let repeated = vec![text.as_str(); times].join("\n\n");
        prop_assert!(score(&repeated) <= score(&text));
    }

    #[test]
    fn scores_are_finite_and_within_their_bounds(text in "(?s).{0,200}") {
        let analysis = ScoringProfile::Balanced.analyze("p", &text, 0);
        prop_assert_eq!(analysis.score_out_of_range(), None);
        let overall = 0.6 * analysis.clarity_score + 0.4 * analysis.efficiency_score;
        prop_assert!((analysis.overall_score - overall).abs() < 1e-9);
    }
}

#[test]
fn a_short_prompt_is_not_punished_for_being_short() {
    for text in [
        "Translate {{text}} into French.",
        "Summarize.",
        "请翻译。",
        "{{#1.text#}}",
        "Réponds en français.",
    ] {
        assert_eq!(score(text), 100.0, "{text}");
    }
    assert_eq!((score(""), score(" \n")), (0.0, 0.0));
}

#[test]
fn a_chinese_text_counts_as_what_it_is() {
    let analysis = ScoringProfile::Balanced.analyze("p", "你是一个客服。请回答用户的问题！好吗？", 0);
    assert_eq!(analysis.metadata["sentence_count"], 3);
    assert_eq!(analysis.metadata["word_count"], 8);
    let reference = ScoringProfile::Reference.analyze("p", "你是一个客服。请回答用户的问题！好吗？", 0);
    assert_eq!(
        (
            &reference.metadata["sentence_count"],
            &reference.metadata["word_count"]
        ),
        (&1.into(), &1.into())
    );
}

#[test]
fn a_frame_of_headings_raises_the_reference_score_and_not_the_balanced_one() {
    let text =
        "Read the customer's message and answer it in the tone of the company, using what the notes say.";
    let framed = format!("# Task\n\n{text}\n\n# Expected Output\n\nA clear and complete answer.");
    let gain = |profile: ScoringProfile| {
        profile.analyze("p", &framed, 0).overall_score - profile.analyze("p", text, 0).overall_score
    };
    assert!(gain(ScoringProfile::Reference) > 5.0);
    assert_eq!(gain(ScoringProfile::Balanced), 0.0);
}

#[test]
fn every_fault_is_named_with_its_words_its_line_and_what_to_do() {
    let analysis = ScoringProfile::Balanced.analyze("p", "Be kind.\nMaybe answer in order to help.", 0);
    let found: Vec<(&str, Option<&str>)> = analysis
        .issues
        .iter()
        .map(|issue| (issue.description.as_str(), issue.location.as_deref()))
        .collect();
    assert_eq!(
        found,
        [
            ("Vague wording: \"Maybe\".", Some("line 2")),
            (
                "Words that can go, or have a short form: \"in order to\".",
                Some("line 2")
            ),
        ]
    );
    assert_eq!(
        analysis.metadata["faults"],
        serde_json::json!({"vague_terms": 6.0, "wordy_phrases": 6.0})
    );
    assert_eq!(analysis.metadata["profile"], "balanced");
}

#[test]
fn long_sentences_long_lines_and_long_texts_are_faults() {
    let kinds = |text: &str| -> Vec<String> {
        let analysis = ScoringProfile::Balanced.analyze("p", text, 0);
        analysis.metadata["faults"]
            .as_object()
            .unwrap()
            .keys()
            .cloned()
            .collect()
    };
    let words = |count: usize| (0..count).map(|n| format!("w{n}")).collect::<Vec<_>>().join(" ");
    assert_eq!(kinds(&words(35)), [] as [&str; 0]);
    assert_eq!(kinds(&words(36)), ["long_sentences"]);
    assert_eq!(kinds(&words(121)), ["long_paragraphs", "long_sentences"]);
    let lines: Vec<String> = (0..400).map(|n| format!("line{n} says word{n} again.")).collect();
    assert_eq!(kinds(&lines.join("\n")), ["length"]);
}

#[test]
fn the_names_are_those_in_requests_and_metadata() {
    for profile in ScoringProfile::ALL {
        assert_eq!(serde_json::to_value(profile).unwrap(), profile.as_str());
        assert_eq!(
            profile.analyze("p", "text", 0).metadata["profile"],
            profile.as_str()
        );
    }
}
