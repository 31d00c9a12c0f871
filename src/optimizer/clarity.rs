//! The clarity score: how well a text is built, how precise it is, how its sentences hang together.

use super::facts::TextFacts;

/// Returns the clarity of a text, 0 to 100.
pub(super) fn score(facts: &TextFacts) -> f64 {
    let weighted = 0.4 * structure(facts) + 0.3 * specificity(facts) + 0.3 * coherence(facts);
    weighted.clamp(0.0, 100.0)
}

/// Headings, lists, line breaks; very long lines count against it. 30 to 100.
pub(super) fn structure(facts: &TextFacts) -> f64 {
    let mut score = 50.0;
    if facts.lines.heading {
        score += 15.0;
    }
    if facts.lines.scored_bullet {
        score += 15.0;
    }
    score += match facts.newlines {
        0 => 0.0,
        1..=2 => 5.0,
        _ => 10.0,
    };
    if facts.lines.numbered {
        score += 10.0;
    }
    if mean_line_length(facts) > 200.0 {
        score -= 20.0;
    }
    score
}

/// Verbs, numbers and examples; vague terms count against it. 30 to 100.
pub(super) fn specificity(facts: &TextFacts) -> f64 {
    let mut score = 60.0;
    score += (5.0 * facts.contained.verbs as f64).min(20.0);
    score -= (5.0 * facts.vague.len() as f64).min(30.0);
    if facts.has_integer {
        score += 10.0;
    }
    if facts.contained.example_marker {
        score += 10.0;
    }
    score
}

/// Sentences of a good length, tied together. 35 to 100; 50 for a text without a sentence.
pub(super) fn coherence(facts: &TextFacts) -> f64 {
    let sentences = &facts.sentences;
    if sentences.count == 0 {
        return 50.0;
    }
    let mean = sentences.words as f64 / sentences.count as f64;
    let mut score = 70.0;
    if (10.0..=25.0).contains(&mean) {
        score += 15.0;
    } else if !(5.0..=40.0).contains(&mean) {
        score -= 15.0;
    }
    score -= (10.0 * sentences.long as f64).min(20.0);
    score += (5.0 * facts.contained.transitions as f64).min(15.0);
    score
}

fn mean_line_length(facts: &TextFacts) -> f64 {
    (facts.characters - facts.newlines) as f64 / (facts.newlines + 1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: [f64; 3]) {
        let facts = TextFacts::of(text);
        let found = [structure(&facts), specificity(&facts), coherence(&facts)];
        assert_eq!(found, expected, "structure, specificity, coherence of {text:?}");
    }

    #[test]
    fn an_empty_text_keeps_the_starting_points() {
        check("", [50.0, 60.0, 50.0]);
        check("?!...", [50.0, 60.0, 50.0]);
    }

    #[test]
    fn headings_lists_and_breaks_add_and_long_lines_take_away() {
        check("# Job\n- one\n2. two\nend", [100.0, 70.0, 55.0]);
        check("one\ntwo", [55.0, 60.0, 55.0]);
        check(&"x".repeat(200), [50.0, 60.0, 55.0]);
        check(&"x".repeat(201), [30.0, 60.0, 55.0]);
        check(&"é".repeat(200), [50.0, 60.0, 55.0]);
    }

    #[test]
    fn precise_words_add_and_vague_words_take_away_up_to_their_caps() {
        check("list compare explain describe provide", [50.0, 80.0, 70.0]);
        check("some some some some some some some", [50.0, 30.0, 70.0]);
        check("write 3 haiku, such as this one", [50.0, 85.0, 70.0]);
    }

    #[test]
    fn sentences_are_best_between_ten_and_twenty_five_words() {
        check(&"cow ".repeat(9), [50.0, 60.0, 70.0]);
        check(&"cow ".repeat(10), [50.0, 60.0, 85.0]);
        check(&"cow ".repeat(25), [50.0, 60.0, 85.0]);
        check(&"cow ".repeat(26), [50.0, 60.0, 70.0]);
        check(&"cow ".repeat(36), [50.0, 60.0, 60.0]);
        check(&"cow ".repeat(41), [50.0, 60.0, 45.0]);
        check("cow first, then next; finally, however", [50.0, 60.0, 85.0]);
    }
}
