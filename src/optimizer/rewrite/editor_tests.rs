//! Sentences that look like what a rule is for, and are not: an editor who read them would leave them alone.

use super::{rewrite, rules};

/// Applies all rules.
fn check(text: &str, expected: &str) {
    assert_eq!(rewrite(text, &rules::ALL).text, expected, "{text:?}");
}

fn stays(texts: &[&str]) {
    for text in texts {
        check(text, text);
    }
}

#[test]
fn a_phrase_stays_where_its_short_form_would_mean_something_else() {
    stays(&[
        "Answer by means of the search tool.",
        "You are first and foremost a teacher.",
        "Put the events in order to make the story clear.",
        "Do so as to help.",
        "Be polite at all times.",
        "There is a large number of files.",
        "Such a large number of words is too much.",
        "Describe the back end result.",
        "Repeat again and again.",
        "Respond in a clear manner that children understand.",
        "Respond in a polite manner and tone.",
        "Is this kind of like-minded people?",
        "Wait quite a bit longer.",
        "Every endeavor to help counts.",
        "Let people join together to help.",
    ]);
    check(
        "Do not answer any and all questions.",
        "Do not answer any questions.",
    );
    check(
        "Be consistent with regard to names.",
        "Be consistent regarding names.",
    );
    check("Refuse each and every request.", "Refuse every request.");
    check("Answer politely, in a clear manner.", "Answer politely, clearly.");
    check("All with the exception of one.", "All except for one.");
    check("Fetch a large number of files.", "Fetch many files.");
    check("It is the end result.", "It is the result.");
}

#[test]
fn an_article_still_fits_the_word_after_it() {
    stays(&[
        "Show an end result.",
        "Give a final outcome.",
        "It is a very urgent task.",
    ]);
    check("An absolutely essential rule.", "An essential rule.");
    check("A completely unique name.", "A unique name.");
}

#[test]
fn a_noun_becomes_a_verb_only_where_nothing_else_depends_on_it() {
    stays(&[
        "Provide a summary of 100 words.",
        "Provide a summary of at most three sentences.",
        "Provide a summary of the text and a list of keywords.",
        "Provide a summary of the text, a title and a tag.",
        "Provide a description of the product that is short.",
        "Provide a summary of the following format:",
        "Make a list of ten items.",
    ]);
    check("Provide a summary of the text.", "Summarize the text.");
    check(
        "Give a description of {{#1.product#}} in two sentences.",
        "Describe {{#1.product#}} in two sentences.",
    );
}

#[test]
fn an_instruction_stays_told_where_its_second_half_depends_on_that() {
    stays(&[
        "Your task is to read the text and to sum it up.",
        "Your task is to read, to think, and to answer.",
        "I want you to answer but not to explain.",
        "Your task is to be kind.",
    ]);
    check(
        "Your task is to read the text and sum it up.",
        "Read the text and sum it up.",
    );
}

#[test]
fn a_name_that_begins_with_a_small_letter_gets_no_capital() {
    stays(&[
        "It is worth noting that iPhone models differ.",
        "It should be noted that user_id is a number.",
        "Actually, config.yaml is read first.",
        "Basically, pH values matter.",
        "Obviously, print(x) is a call.",
    ]);
    check("Please note that users differ.", "Users differ.");
}

#[test]
fn please_stays_where_it_is_a_verb_or_is_talked_about() {
    stays(&[
        "Do as you please when nobody asks.",
        "Use words such as sorry, please and thank you.",
        "Please each customer.",
        "Please us with a joke.",
        "Yes, please do.",
    ]);
    check("Could you please answer?", "Could you answer?");
}

#[test]
fn very_stays_where_it_is_a_step_of_a_scale() {
    stays(&[
        "Classify it as very relevant, relevant or not relevant.",
        "5: very good\n4: good\n1: bad",
        "- very helpful\n- of little use",
        "Answer only very specific questions.",
        "Very well, let us begin.",
    ]);
    check("Be very concise.", "Be concise.");
}

#[test]
fn words_that_stand_twice_on_purpose_stay() {
    stays(&[
        "Join terms by AND and OR.",
        "Use NOT not and OR or.",
        "Choose option A a third time.",
    ]);
    check("The the end.", "The end.");
}

#[test]
fn what_is_said_again_of_something_else_stays() {
    stays(&[
        "Set it to 1.5 metres for the whole text. Set it to 2.5 metres for the whole text.",
        "Use e.g. the first item of the list. Avoid i.e. the first item of the list.",
        "## Tool A\n- Returns a list of the results.\n\n## Tool B\n- Returns a list of the results.",
        "- Tool A\n  - Returns a list of the results.\n- Tool B\n  - Returns a list of the results.",
        "Case one:\nAnswer in one short plain sentence.\nCase two:\nAnswer in one short plain sentence.",
        "Case one\nAnswer in one short plain sentence.\nCase two\nAnswer in one short plain sentence.",
        "- Check all of the things below:\n  - one\n- Check all of the things below:\n  - two",
        "**A**\n- Returns a list of the results.\n**B**\n- Returns a list of the results.",
    ]);
    check(
        "- Answer in one short sentence.\n- Be kind.\n- Answer in one short sentence.",
        "- Answer in one short sentence.\n- Be kind.",
    );
    check(
        "Answer in one short sentence.\nAnswer in one short sentence.\nStop.",
        "Answer in one short sentence.\nStop.",
    );
}

#[test]
fn marks_that_are_talked_about_stay() {
    stays(&[
        "Separate them by , and end with a dot.",
        "Use the characters , ; . as they are.",
        "请用逗号分隔姓名,年龄,住址。",
        "以英文标点输出姓名,年龄,住址。",
    ]);
}

#[test]
fn a_whole_sentence_is_no_heading() {
    stays(&[
        "###your output should not contain any conclusion of what you have found",
        "##不要输出任何内容。",
    ]);
    check("##Rules", "## Rules");
}

#[test]
fn emphasis_is_no_list() {
    stays(&[
        "* one\n*important* is the other",
        "- one\n- two\n--flag",
        "+ a\n+1 for that",
    ]);
}

#[test]
fn the_items_of_an_enumeration_stay_beneath_their_own_line() {
    check(
        "- Do: 1) read, 2) stop.\n- Rest.",
        "- Do:\n  1) read,\n  2) stop.\n- Rest.",
    );
    check("  Do: 1) read, 2) stop.", "  Do:\n  1) read,\n  2) stop.");
    stays(&["> Do: 1) read, 2) stop."]);
    check(
        "1. 要求：（1）简短；（2）友好。",
        "1. 要求：\n   （1）简短；\n   （2）友好。",
    );
}

#[test]
fn chinese_phrases_stay_where_their_short_form_is_wrong() {
    stays(&[
        "请输出结果，除此之外不要输出任何内容。",
        "除此之外的内容不要输出。",
        "说明他们互相之间的关系。",
        "如果用户说请帮我翻译，就翻译。",
        "你可以根据用户的意图，进行回复。",
    ]);
    check("请帮我翻译这段话。", "请翻译这段话。");
}

#[test]
fn nothing_changes_inside_templates_data_and_quotations() {
    stays(&[
        "{%- raw %}very very  clear the the{% endraw %}",
        "{% set x = [\n \"the the\",\n  in order to ,\n] %}",
        "{{ {'a': 'the the'}['b'] |  join(in order to) }}",
        "Say “please note that\nit is  fine” now",
        "Reply with \"Hello,\n  the the  user\" now",
        "1. Run\n\n    ```yaml\n    - a  b in order to\n    -c\n    ```",
        "> ```\n> the the  end\n> ```",
        "- ```json\n  the the  end\n  ```",
        "Return {\n  name: in order to,\n  age:  the the\n}",
        "Values: [\n  [1,  2],\n  [3,  4]\n]",
    ]);
    check("```x``` in order to help", "```x``` to help");
}
