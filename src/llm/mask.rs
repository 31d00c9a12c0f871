//! References as opaque placeholders, so that a model can move them and not change them.

use sha2::{Digest, Sha256};

use crate::optimizer::references::reference_ranges;

/// Hex digits of the mark in a placeholder.
const MARK_DIGITS: usize = 8;

/// A text whose references are placeholders such as `<<REF_1f0c9a3b_2>>`. The same reference is always the same one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Masked {
    /// The text as it is sent.
    pub(super) text: String,
    /// What the placeholders stand for; number 1 is the first.
    references: Vec<String>,
    /// What is in every placeholder and nowhere in the original.
    mark: String,
}

/// A placeholder that was changed, or that stands for nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mangled;

/// Masks every reference of a text.
pub(super) fn mask(original: &str) -> Masked {
    let mark = absent_mark("reference", original, MARK_DIGITS);
    let (mut text, mut references, mut end) = (String::with_capacity(original.len()), Vec::new(), 0);
    for range in reference_ranges(original) {
        text.push_str(original.get(end..range.start).unwrap_or_default());
        end = range.end;
        let reference = original.get(range).unwrap_or_default();
        let known = references.iter().position(|other| other == reference);
        let index = known.unwrap_or_else(|| {
            references.push(reference.to_owned());
            references.len() - 1
        });
        text.push_str(&placeholder(&mark, index + 1));
    }
    text.push_str(original.get(end..).unwrap_or_default());
    Masked {
        text,
        references,
        mark,
    }
}

fn placeholder(mark: &str, number: usize) -> String {
    format!("<<REF_{mark}_{number}>>")
}

impl Masked {
    /// Puts the references back into an answer, each wherever its placeholder now stands. Whether each is there as often
    /// as before is for the acceptance to say, which counts the references themselves.
    ///
    /// # Errors
    /// [`Mangled`] when anything in the answer looks like a placeholder and is none.
    pub(super) fn unmask(&self, answer: &str) -> Result<String, Mangled> {
        let opening = format!("<<REF_{}_", self.mark);
        let (mut text, mut rest) = (String::with_capacity(answer.len()), answer);
        while let Some((before, after)) = rest.split_once(&opening) {
            let (number, after) = after.split_once(">>").ok_or(Mangled)?;
            text.push_str(self.refuse_mark(before)?);
            text.push_str(self.reference(number).ok_or(Mangled)?);
            rest = after;
        }
        text.push_str(self.refuse_mark(rest)?);
        Ok(text)
    }

    fn reference(&self, number: &str) -> Option<&str> {
        let index = number.parse::<usize>().ok()?.checked_sub(1)?;
        let is_exact = (index + 1).to_string() == number;
        self.references
            .get(index)
            .filter(|_| is_exact)
            .map(String::as_str)
    }

    fn refuse_mark<'a>(&self, text: &'a str) -> Result<&'a str, Mangled> {
        if text.contains(&self.mark) {
            Err(Mangled)
        } else {
            Ok(text)
        }
    }
}

/// Returns hex digits that follow from a text and do not stand in it. Whoever writes the text cannot choose them: he would
/// have to find a text that holds a part of its own hash, and then the next one is taken.
pub(super) fn absent_mark(purpose: &str, text: &str, digits: usize) -> String {
    let mut attempt: u64 = 0;
    loop {
        let mut hash = Sha256::new();
        hash.update(format!("promptd {purpose} {attempt} "));
        hash.update(text);
        let hex: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        let mark: String = hex.chars().take(digits).collect();
        if !text.contains(&mark) {
            return mark;
        }
        attempt += 1;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::optimizer::{reference_differences, references_in};

    #[test]
    fn each_reference_becomes_a_placeholder_and_the_same_one_the_same() {
        let masked = mask("Ask {{#1.a#}}, then {{ b }}, then {{#1.a#}} {% if c %}${d}");
        let mark = &masked.mark;
        assert_eq!(
            masked.text,
            format!(
                "Ask <<REF_{mark}_1>>, then <<REF_{mark}_2>>, then <<REF_{mark}_1>> <<REF_{mark}_3>><<REF_{mark}_4>>"
            )
        );
        assert!(references_in(&masked.text).is_empty());
    }

    #[test]
    fn a_placeholder_that_was_changed_or_invented_is_told() {
        let masked = mask("{{a}} and {{b}}");
        let mark = &masked.mark;
        assert_eq!(masked.unmask(&format!("<<REF_{mark}_2>>")), Ok("{{b}}".into()));
        for answer in [
            format!("<<REF_{mark}_3>>"),
            format!("<<REF_{mark}_0>>"),
            format!("<<REF_{mark}_01>>"),
            format!("<<REF_{mark}_+1>>"),
            format!("<<REF_{mark}_1> >"),
            format!("<REF_{mark}_1>"),
            format!("<<ref_{mark}_1>>"),
            format!("<<REF_{mark}_1"),
            format!("<<REF_{mark}_1>> {mark}"),
        ] {
            assert_eq!(masked.unmask(&answer), Err(Mangled), "{answer}");
        }
    }

    #[test]
    fn the_mark_is_not_in_the_text_even_when_the_text_holds_the_first_choice() {
        let text = "x";
        let first = absent_mark("reference", text, 1);
        // A text with every digit but one leaves that one.
        let all: String = "0123456789abcdef".chars().filter(|c| *c != 'e').collect();
        assert_eq!(absent_mark("reference", &all, 1), "e");
        assert_eq!(first.len(), 1);
    }

    /// Texts with references of every kind, things that look like them, placeholders and all of Unicode.
    fn any_text() -> impl Strategy<Value = String> {
        let part = prop_oneof![
            Just("{{a}}".to_owned()),
            Just("{{#1.b#}}".to_owned()),
            Just("{{{c}}}".to_owned()),
            Just("${d}".to_owned()),
            Just("{% if e %}".to_owned()),
            Just("<<REF_".to_owned()),
            Just(">>".to_owned()),
            Just("{{".to_owned()),
            Just("}}".to_owned()),
            r"[{}#$%<>_0-9]{0,4}",
            r"\PC{0,6}",
            Just("日本 é 👩‍👩‍👧\r\n".to_owned()),
        ];
        prop::collection::vec(part, 0..24).prop_map(|parts| parts.concat())
    }

    proptest! {
        #[test]
        fn an_answer_that_repeats_the_text_is_the_original(text in any_text()) {
            let masked = mask(&text);
            prop_assert_eq!(masked.unmask(&masked.text), Ok(text));
        }

        #[test]
        fn a_text_with_the_placeholders_of_another_is_masked_all_the_same(text in any_text()) {
            let twice = mask(&text).text;
            let masked = mask(&twice);
            prop_assert_eq!(masked.unmask(&masked.text), Ok(twice));
        }

        #[test]
        fn placeholders_may_change_their_order_but_not_their_number(text in any_text(), turn in 0_usize..8, lost in any::<bool>()) {
            let masked = mask(&text);
            let opening = format!("<<REF_{}_", masked.mark);
            let mut placeholders: Vec<&str> = masked.text.match_indices(&opening)
                .map(|(at, _)| &masked.text[at..at + masked.text[at..].find(">>").unwrap() + 2])
                .collect();
            if placeholders.is_empty() {
                return Ok(());
            }
            let first = turn % placeholders.len();
            placeholders.rotate_left(first);
            let kept = placeholders.len() - usize::from(lost);
            let answer = placeholders[..kept].join(" ; ");
            let unmasked = masked.unmask(&answer).unwrap();
            prop_assert_eq!(reference_differences(&text, &unmasked).is_empty(), !lost, "{} -> {}", text, unmasked);
        }

        #[test]
        fn whatever_is_answered_only_references_of_the_original_come_back(text in any_text(), answer in any_text()) {
            let masked = mask(&text);
            let unmasked = masked.unmask(&answer).unwrap();
            prop_assert_eq!(unmasked, answer, "an answer without placeholders stays as it is");
        }
    }
}
