//! What holds for every rule, on texts that a generator makes.

use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::optimizer::references::references_in;

/// Pieces of prompts: each is something that a rule looks at, or that no rule may touch.
const PIECES: &[&str] = &[
    "In order to help",
    "please ",
    "Please answer",
    "very ",
    "very clear",
    "the the ",
    "is able to ",
    "I want you to act",
    "Your task is to {{#1.a#}}",
    "{{#171.text#}}",
    "{{ name }}",
    "${x}",
    "{{@u}}",
    "{% if a %}",
    "{% endif %}",
    "{# c  c #}",
    "`very  code`",
    "```\ncode  very\n```",
    "\"quoted  very text\"",
    "“引用  文字”",
    "https://a.b/c  ",
    "<tag>",
    "</tag>",
    "| a  | b |",
    "## Heading",
    "##Heading",
    "# Examples",
    "Example:",
    "- item",
    "-item",
    "* item",
    "• point",
    "1) one ",
    "2) two ",
    "3) three",
    "1. ",
    "2. ",
    "（1）一；",
    "（2）二。",
    "1、甲",
    "2、乙",
    "请回答用户的问题",
    "你好,世界",
    "，，",
    "。",
    "Be kind. ",
    "Answer in one short sentence of words. ",
    "请用简体中文回答用户的问题。",
    "涉及到",
    "，进行分析",
    "    code",
    "{\"a\": \"b  c\"}",
    " ,",
    "  ",
    "   ",
    "\t",
    "\n",
    "\n\n\n",
    "\r\n",
    "\u{301}",
    "é",
    "的",
    "😀",
    "\u{200d}",
    "'",
    "\"",
    "{%- raw %}the the  {{",
    "{%- endraw -%}",
    "{% set a = [\n1,  2] %}",
    "{{ {'a': 'the the'}['a'] }}{{b}}",
    "{{#1.a#}}{{#1.b#}}",
    "````\n```\n",
    "    ```\n",
    "> ```\nthe the\n",
    "- ```json\n",
    "~~~\n",
    "“über\nzwei  Zeilen”",
    "\"two\nlines\"",
    "{\n  a:  the the\n}",
    "[\n [1,  2]\n]",
    "مرحبا بالعالم ",
    "\u{202e}rtl\u{202c}",
    "👨\u{200d}👩\u{200d}👧",
    "e\u{301} the the ",
    "ü the the ",
    "日本語の the the ",
    "\t-tab\n",
    "- Answer in one short sentence.\n",
    "  - Answer in one short sentence.\n",
    "Provide a summary of the text",
    "very good, good",
    "> Do: 1) a 2) b\n",
];

fn prompts() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        8 => proptest::sample::select(PIECES).prop_map(str::to_owned),
        1 => "\\PC{0,6}",
        2 => Just(" ".to_owned()),
        2 => Just("\n".to_owned()),
    ];
    proptest::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

fn texts() -> impl Strategy<Value = String> {
    prop_oneof![3 => prompts(), 1 => "(?s).{0,120}"]
}

fn of_kinds(kinds: &[Kind]) -> Vec<&'static Rule> {
    rules::ALL
        .into_iter()
        .filter(|rule| kinds.contains(&rule.kind))
        .collect()
}

/// The non-blank characters of a text, in lower case.
fn letters(text: &str) -> Vec<char> {
    text.chars()
        .filter(|c| !c.is_whitespace())
        .flat_map(char::to_lowercase)
        .collect()
}

fn is_subsequence(short: &[char], long: &[char]) -> bool {
    let mut rest = long.iter();
    short.iter().all(|wanted| rest.any(|c| c == wanted))
}

/// Applies changes again, each where it says that it was made. The changes of one application of a rule count from the
/// same text.
fn replayed(text: &str, changes: &[Change]) -> String {
    let mut present: Vec<char> = text.chars().collect();
    let mut shift = 0isize;
    let mut last: Option<&Change> = None;
    for change in changes {
        if last.is_none_or(|last| last.rule != change.rule || change.position.0 < last.position.1) {
            shift = 0;
        }
        let place = |at: usize| usize::try_from(at as isize + shift).unwrap();
        let range = place(change.position.0)..place(change.position.1);
        assert_eq!(
            present[range.clone()].iter().collect::<String>(),
            change.before,
            "{change:?}"
        );
        present.splice(range, change.after.chars());
        shift += change.after.chars().count() as isize - change.before.chars().count() as isize;
        last = Some(change);
    }
    present.into_iter().collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn rewriting_twice_is_rewriting_once(text in texts()) {
        let once = rewrite(&text, &rules::ALL);
        let twice = rewrite(&once.text, &rules::ALL);
        prop_assert_eq!(&twice.text, &once.text);
        prop_assert!(twice.changes.is_empty());
    }

    #[test]
    fn each_rule_alone_comes_to_rest_too(text in texts()) {
        for rule in rules::ALL {
            let once = rule.apply(&text);
            prop_assert_eq!(rule.apply(&once), once, "{}", rule.id);
        }
    }

    #[test]
    fn every_reference_stays_as_often_and_in_its_order(text in texts()) {
        let result = rewrite(&text, &rules::ALL).text;
        prop_assert_eq!(references_in(&result), references_in(&text));
    }

    #[test]
    fn what_is_protected_stays_byte_for_byte_and_in_order(text in texts()) {
        let result = rewrite(&text, &rules::ALL).text;
        let mut at = 0;
        for range in Protected::of(&text).ranges() {
            let part = &text[range];
            let found = result[at..].find(part);
            prop_assert!(found.is_some(), "{part:?} is gone from {result:?}");
            at += found.unwrap() + part.len();
        }
    }

    #[test]
    fn layout_changes_white_space_only(text in texts()) {
        let result = rewrite(&text, &of_kinds(&[Kind::Layout])).text;
        let bare = |text: &str| text.chars().filter(|c| !c.is_whitespace()).collect::<String>();
        prop_assert_eq!(bare(&result), bare(&text));
    }

    #[test]
    fn deletions_leave_the_other_letters_in_their_order(text in texts()) {
        let result = rewrite(&text, &of_kinds(&[Kind::Layout, Kind::Deletion]));
        prop_assert!(is_subsequence(&letters(&result.text), &letters(&text)));
    }

    #[test]
    fn a_text_in_another_language_keeps_all_its_words(text in "[а-яё ,.\n]{0,80}|[ア-ン一-三の、。\n]{0,80}|[أ-ي ,.\n]{0,80}|[가-힣 ,.\n]{0,60}") {
        let is_of_words = |rule: &&'static Rule| ![&rules::REPEATED_SENTENCE, &rules::REPEATED_LINE].contains(rule);
        let all: Vec<_> = rules::ALL.into_iter().filter(is_of_words).collect();
        let result = rewrite(&text, &all).text;
        let words = |text: &str| -> Vec<String> {
            text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).map(str::to_owned).collect()
        };
        prop_assert_eq!(words(&result), words(&text));
    }

    #[test]
    fn the_changes_made_again_in_order_make_the_result(text in texts()) {
        let mut present = text;
        for rule in rules::ALL {
            let done = rewrite(&present, &[rule]);
            let edits = rule.edits(&Source::new(&present));
            if let Some(first) = done.changes.get(..edits.len()) {
                prop_assert_eq!(replayed(&present, first), applied(&present, &edits));
            }
            present = done.text;
        }
    }

    #[test]
    fn a_change_says_where_it_lies_in_the_first_text(text in texts()) {
        let length = text.chars().count();
        for change in rewrite(&text, &rules::ALL).changes {
            prop_assert!(change.original.0 <= change.original.1 && change.original.1 <= length);
        }
    }
}

#[test]
fn the_place_in_the_first_text_is_that_of_the_words() {
    let text = "Read it.  In order to be kind, answer.";
    let done = rewrite(text, &[&rules::DOUBLED_SPACE, &rules::WORDY_PHRASE]);
    let change = done
        .changes
        .iter()
        .find(|change| change.rule == &rules::WORDY_PHRASE)
        .unwrap();
    let chars: Vec<char> = text.chars().collect();
    let there: String = chars[change.original.0..change.original.1].iter().collect();
    assert_eq!((there.as_str(), change.position.0), ("In order to", 9));
}

/// Pieces of which a long text could make a rule, or what protects from rules, look at everything again and again.
const HOSTILE: &[&str] = &[
    "{{",
    "{{a}} ",
    "{% ",
    "{% a %} ",
    "{#",
    "{\"",
    "{",
    "[\"",
    "[1 ",
    "\"",
    "\"\"\"",
    "“",
    "‘",
    "'a ",
    "`",
    "```\n",
    "> ```\n",
    "<a",
    "<!--",
    "<example>",
    "http://a ",
    "a@",
    "/a",
    "$a ",
    "| a ",
    "(1) ",
    "1) ",
    "1. a ",
    "1.a\n",
    "1、甲\n",
    "• a\n",
    "- a\n",
    "##a\n",
    "- Answer in one short sentence.\n",
    "Answer in one short sentence. ",
    "Do: 1) a 2) b\n",
    "the ",
    "in order to ",
    "very clear ",
    "please ",
    "Please a. ",
    "Your task is to a, ",
    "Provide a summary of the a ",
    "Actually, ",
    "a bit more ",
    "# Examples\n",
    "Example:\n",
    "Input: a\n",
    "x ,",
    "a  b ",
    "你好,",
    "请帮我回答",
    "，，",
    "\n\n\n",
    "\r\n",
    "\t",
    " ",
    "e\u{301}",
    "👨\u{200d}👩\u{200d}👧 ",
    "\u{202e}abc ",
    "مرحبا ",
];

/// Returns how long this thread has been on a processor, whatever else the machine does.
pub(in crate::optimizer) fn processor_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    Duration::from_nanos(stat.split_whitespace().next().unwrap().parse().unwrap())
}

fn cost(unit: &str, length: usize) -> Duration {
    let text = unit.repeat(length / unit.chars().count());
    let began = processor_time();
    let done = rewrite(&text, &rules::ALL);
    let took = processor_time() - began;
    assert!(done.text.len() <= 2 * text.len() + 10, "{unit:?}");
    took
}

#[test]
fn the_time_grows_with_the_length_and_not_with_its_square() {
    cost("Please warm up in order to help. ", 100);
    for unit in HOSTILE {
        // Four times the length: four times the time, or sixteen times with the square. A short text may be unlucky once.
        let growth = |_| {
            let short = cost(unit, 4_000).max(Duration::from_millis(2));
            cost(unit, 16_000).div_duration_f64(short)
        };
        assert!((0..3).map(growth).any(|growth| growth < 8.0), "{unit:?}");
    }
}

#[test]
fn a_text_of_the_greatest_length_is_rewritten_in_seconds() {
    let text = "Please note that  the the user {{#1.a#}} waits, in order to be be very clear. 请帮我回答用户,谢谢。\n- item\n-item\n\n\n";
    let took = cost(text, crate::model::MAX_PROMPT_CHARS);
    assert!(took < Duration::from_secs(30), "{took:?}");
}
