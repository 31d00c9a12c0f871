//! Where the short form of a phrase would not fit its sentence, or would say something else.

use std::sync::LazyLock;

use regex::Regex;

use crate::optimizer::rewrite::pattern::pattern;

/// Tells whether a phrase (small letters, single spaces) may take its short form between what stands before and after it
/// in its line.
pub(super) fn fits(phrase: &str, before: &str, after: &str) -> bool {
    let last = last_word(before);
    match phrase {
        // "Put them in order to make it clear" speaks of an order.
        "in order to" => !ORDERING.is_match(sentence_end(before)),
        "so as to" => !matches!(last.as_str(), "do" | "does" | "did" | "doing" | "done"),
        // "There is a large number of files" has one number, and many files.
        "a large number of" | "a great number of" | "a number of different" => {
            !matches!(
                last.as_str(),
                "is" | "was" | "be" | "been" | "such" | "quite" | "what"
            ) && !last.ends_with("'s")
        }
        "end result" => !matches!(last.as_str(), "an" | "front" | "back" | "year" | "month" | "week"),
        "final outcome" => last != "a",
        "repeat again" => !after.trim_start().starts_with("and "),
        "kind of like" | "sort of like" => !after.starts_with('-') && !OF_WHAT.contains(&last.as_str()),
        _ if phrase.starts_with("a bit ") || phrase.starts_with("a little bit ") => {
            !matches!(last.as_str(), "quite" | "not" | "every")
        }
        _ if phrase.ends_with(" manner") => {
            let rest = after.trim_start();
            rest.is_empty() || rest.starts_with(['.', ',', ';', ':', '!', '?', ')'])
        }
        _ if phrase.ends_with(" of") && NOUNS.iter().any(|noun| phrase.contains(noun)) => {
            is_sole_object(after)
        }
        _ => true,
    }
}

/// Words before "kind of" that make it a noun.
const OF_WHAT: &[&str] = &[
    "a", "any", "every", "no", "of", "one", "some", "that", "the", "these", "this", "those", "what", "which",
];

/// What a phrase such as "provide a summary of" says with a noun, and its short form with a verb.
const NOUNS: &[&str] = &[
    " summary ",
    " explanation ",
    " description ",
    " analysis ",
    " list ",
    " comparison ",
    " translation ",
];

static ORDERING: LazyLock<Regex> = LazyLock::new(|| {
    pattern(r"(?i)\b(?:put|puts|place|places|placed|arrange|arranged|sort|sorted|rank|ranked)\b")
});

/// Tells whether what follows is one thing of which the noun says something, and nothing that depends on the noun: "a
/// summary of 100 words", "a summary of the text and a list", "a summary of the text that is short".
fn is_sole_object(after: &str) -> bool {
    static OBJECT: LazyLock<Regex> = LazyLock::new(|| {
        pattern(
            r"(?i)^ +(?:(?:the|this|that|these|those|each|every|all|your|their|its|his|her|our|both|what|how|why)\b|\{\{|\$\{|<)",
        )
    });
    static MORE: LazyLock<Regex> = LazyLock::new(|| {
        pattern(
            r"(?i),|\b(?:and|or|that is|that are|that has|which|whose|who|with|including|plus|followed|along|as well|for|to|following (?:form|format|kind|length|style|structure|type|size))\b",
        )
    });
    OBJECT.is_match(after) && !MORE.is_match(sentence_rest(after))
}

/// Returns the word that ends a text, in small letters; nothing when a mark stands last.
pub(super) fn last_word(before: &str) -> String {
    let before = before.trim_end_matches(' ');
    let word = before
        .rsplit(|c: char| !(c.is_alphanumeric() || matches!(c, '\'' | '’')))
        .next();
    word.unwrap_or_default().to_lowercase().replace('’', "'")
}

/// How many bytes around a place are looked at. More would make the time of a long line grow with the square of it.
const NEAR: usize = 300;

/// Returns the end of what stands before a place.
pub(super) fn just_before(before: &str) -> &str {
    let from = before.len().saturating_sub(NEAR);
    (from..=before.len())
        .find_map(|from| before.get(from..))
        .unwrap_or_default()
}

/// Returns the beginning of what stands after a place.
pub(super) fn just_after(after: &str) -> &str {
    (0..=NEAR.min(after.len()))
        .rev()
        .find_map(|to| after.get(..to))
        .unwrap_or_default()
}

/// Returns what a line says of its last sentence.
fn sentence_end(line: &str) -> &str {
    just_before(line)
        .rsplit(['.', '!', '?', ';', ':'])
        .next()
        .unwrap_or_default()
}

/// Returns what a line says until its sentence ends.
pub(super) fn sentence_rest(line: &str) -> &str {
    static END: LazyLock<Regex> = LazyLock::new(|| pattern(r"[.!?](?:\s|$)"));
    let near = just_after(line);
    let end = END.find(near).map_or(near.len(), |end| end.start());
    near.get(..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_word_before_ends_at_a_mark() {
        assert_eq!(
            (last_word("There's "), last_word("It’s").as_str()),
            ("there's".into(), "it's")
        );
        assert_eq!(
            (last_word("one, "), last_word("")),
            (String::new(), String::new())
        );
    }

    #[test]
    fn only_what_is_near_is_looked_at_and_no_character_is_cut() {
        let long = "日".repeat(1_000);
        assert_eq!(
            (just_before(&long), just_after(&long)),
            (&long[..300], &long[..300])
        );
        assert_eq!((just_before("é"), just_after("")), ("é", ""));
    }

    #[test]
    fn a_sentence_goes_to_its_end_mark_and_not_to_a_dot_in_a_number() {
        assert_eq!(sentence_rest(" 1.5 of it. And more"), " 1.5 of it");
        assert_eq!(sentence_end("One. Two and"), " Two and");
    }
}
