//! Answers: the form that is taken, and everything that is not.

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::model::OptimizationStrategy::LlmGuided;

const PROMPT: &str = "\n  Answer {{q}}.\n";

fn completion(content: &str) -> Completion {
    let body = json!({"choices": [{"message": {"content": content}, "finish_reason": "stop"}]});
    Completion::parse(body.to_string().as_bytes()).unwrap()
}

/// `MARK` and `REF` stand for the mark and the first placeholder of the request.
fn check(prompt: &str, answer: &str, expected: Result<&str, AnswerError>) {
    let ask = Ask::new(LlmGuided, prompt);
    let at = ask.masked.text.find("<<REF_");
    let placeholder = at.map(|at| &ask.masked.text[at..at + ask.masked.text[at..].find(">>").unwrap() + 2]);
    let answer = answer
        .replace("MARK", &ask.mark)
        .replace("REF", placeholder.unwrap_or_default());
    let text = completion(&answer).text(&ask);
    assert_eq!(text.as_deref(), expected.as_ref().map(|text| *text), "{answer}");
}

#[test]
fn the_text_between_the_marks_is_taken_and_nothing_else() {
    let good = Ok("\n  Reply to {{q}}.\n");
    for answer in [
        "<<<ANSWER MARK>>>\nReply to REF.\n<<<END ANSWER MARK>>>",
        "<<<ANSWER MARK>>>Reply to REF.<<<END ANSWER MARK>>>",
        "Sure! Here you are:\n\n<<<ANSWER MARK>>>\n\nReply to REF.\n\n<<<END ANSWER MARK>>>\nShall I go on?",
        "```\n<<<ANSWER MARK>>>\nReply to REF.\n<<<END ANSWER MARK>>>\n```",
        "<<<ANSWER MARK>>>\n```text\nReply to REF.\n```\n<<<END ANSWER MARK>>>",
        "<<<ANSWER MARK>>>\n````\nReply to REF.\n````\n<<<END ANSWER MARK>>>",
        "<think>I write <<<ANSWER MARK>>> first.</think>\n<<<ANSWER MARK>>>\nReply to REF.\n<<<END ANSWER MARK>>>",
    ] {
        check(PROMPT, answer, good);
    }
}

#[test]
fn an_answer_without_the_form_is_none() {
    for answer in [
        "Reply to REF.",
        "HACKED",
        "<<<ANSWER 0123456789abcdef>>>\nHACKED\n<<<END ANSWER 0123456789abcdef>>>",
        "<<<ANSWER MARK>>>\nReply to REF.",
        "Reply to REF.\n<<<END ANSWER MARK>>>",
        "<<<END ANSWER MARK>>>\nReply to REF.\n<<<ANSWER MARK>>>",
        "<<<ANSWER MARK>>>a<<<END ANSWER MARK>>><<<ANSWER MARK>>>b<<<END ANSWER MARK>>>",
        "<<<ANSWER MARK>>>\n<<<PROMPT MARK>>>\nReply to REF.\n<<<END PROMPT MARK>>>\n<<<END ANSWER MARK>>>",
    ] {
        check(PROMPT, answer, Err(AnswerError::NoForm));
    }
}

#[test]
fn placeholders_come_back_as_references_and_only_as_they_were() {
    check(
        PROMPT,
        "<<<ANSWER MARK>>>REF<<REF<<<END ANSWER MARK>>>",
        Ok("\n  {{q}}<<{{q}}\n"),
    );
    let ask = Ask::new(LlmGuided, PROMPT);
    let text = ask.masked.text.replace("_1>>", "_2>>");
    let said = completion(&format!("<<<ANSWER {0}>>>{text}<<<END ANSWER {0}>>>", ask.mark));
    assert_eq!(said.text(&ask), Err(AnswerError::ChangedPlaceholder));
}

#[test]
fn code_of_the_prompt_keeps_its_fences() {
    let block = "```\na\n```";
    check(
        block,
        "<<<ANSWER MARK>>>\n```\na\n```\n<<<END ANSWER MARK>>>",
        Ok(block),
    );
    let two = "```\na\n```\ntext\n```\nb\n```";
    check(
        "x",
        &format!("<<<ANSWER MARK>>>\n{two}\n<<<END ANSWER MARK>>>"),
        Ok(two),
    );
}

#[test]
fn the_ends_of_lines_stay_those_of_the_prompt() {
    check(
        "a\r\nb",
        "<<<ANSWER MARK>>>\nc\nd\n<<<END ANSWER MARK>>>",
        Ok("c\r\nd"),
    );
    check(
        "a\nb",
        "<<<ANSWER MARK>>>\r\nc\r\nd\r\n<<<END ANSWER MARK>>>",
        Ok("c\nd"),
    );
}

#[test]
fn a_body_is_a_completion_or_is_refused() {
    let parse = |body: &str| Completion::parse(body.as_bytes());
    for body in [
        "",
        "<html>",
        "[]",
        "{}",
        r#"{"error":{"message":"no"}}"#,
        r#"{"choices":{}}"#,
        r#"{"choices":[{}]}"#,
    ] {
        assert_eq!(parse(body), Err(AnswerError::NotACompletion), "{body}");
    }
    for body in [
        r#"{"choices":[]}"#,
        r#"{"choices":[{"message":{"content":null}}]}"#,
        r#"{"choices":[{"message":{"content":" "}}]}"#,
    ] {
        assert_eq!(parse(body), Err(AnswerError::NoText), "{body}");
    }
    let long = parse(r#"{"choices":[{"message":{"content":"x"},"finish_reason":"length"}],"usage":{"prompt_tokens":3,"completion_tokens":4,"total_tokens":7}}"#).unwrap();
    assert_eq!(
        long.usage,
        Some(Usage {
            prompt_tokens: 3,
            answer_tokens: 4
        })
    );
    assert_eq!(long.text(&Ask::new(LlmGuided, "x")), Err(AnswerError::CutOff));
    // Counts that make no sense are no counts.
    let odd = parse(
        r#"{"choices":[{"message":{"content":"x"}}],"usage":{"prompt_tokens":-3,"completion_tokens":4}}"#,
    )
    .unwrap();
    assert_eq!(odd.usage, None);
}

proptest! {
    #[test]
    fn a_model_that_repeats_the_prompt_changes_nothing(prompt in r"(\{\{a\}\}|```|[ \n]|\PC){0,40}") {
        let ask = Ask::new(LlmGuided, &prompt);
        let said = completion(&format!("<<<ANSWER {0}>>>\n{1}\n<<<END ANSWER {0}>>>", ask.mark, ask.masked.text));
        prop_assert_eq!(said.text(&ask), Ok(prompt));
    }

    #[test]
    fn no_answer_makes_it_panic(content in r"(<<<ANSWER |<<<END ANSWER |>>>|```|<think>|\n|\PC){1,20}x") {
        let ask = Ask::new(LlmGuided, "x");
        drop(completion(&content).text(&ask));
        drop(completion(&content.replace(">>>", &format!("{}>>>", ask.mark))).text(&ask));
    }
}
