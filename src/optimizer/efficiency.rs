//! The efficiency score: whether a text is of a good length and every word in it works.

use super::facts::TextFacts;

/// Returns the efficiency of a text, 0 to 90: the formulas cannot give more.
pub(super) fn score(facts: &TextFacts) -> f64 {
    let weighted = 0.5 * token_efficiency(facts) + 0.5 * information_density(facts);
    weighted.clamp(0.0, 100.0)
}

/// Returns how many tokens a text roughly is: a quarter of its characters.
pub(super) fn estimated_tokens(facts: &TextFacts) -> f64 {
    facts.characters as f64 / 4.0
}

/// Best between 50 and 500 tokens; words that come again and again count against it. 20 to 90.
pub(super) fn token_efficiency(facts: &TextFacts) -> f64 {
    let tokens = estimated_tokens(facts);
    let by_length = if tokens < 20.0 {
        40.0
    } else if tokens < 50.0 {
        70.0
    } else if tokens <= 500.0 {
        90.0
    } else if tokens <= 1000.0 {
        70.0
    } else {
        50.0
    };
    if facts.words == 0 {
        return by_length;
    }
    let unique = facts.vocabulary.distinct as f64 / facts.words as f64;
    if unique < 0.5 {
        by_length - 20.0
    } else if unique < 0.7 {
        by_length - 10.0
    } else {
        by_length
    }
}

/// Words with content add, fillers take away. 40 to 90; 50 for a text without words.
pub(super) fn information_density(facts: &TextFacts) -> f64 {
    if facts.words == 0 {
        return 50.0;
    }
    let words = facts.words as f64;
    let fillers = facts.filler_hits as f64 / words;
    let content = (facts.words - facts.vocabulary.stopwords) as f64 / words;
    70.0 - (100.0 * fillers).min(30.0) + (30.0 * content).min(20.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: [f64; 2]) {
        let facts = TextFacts::of(text);
        let found = [token_efficiency(&facts), information_density(&facts)];
        assert_eq!(found, expected, "token efficiency, density of {text:?}");
    }

    #[test]
    fn length_has_its_steps_at_twenty_fifty_five_hundred_and_a_thousand_tokens() {
        for (characters, expected) in [
            (79, 40.0),
            (80, 70.0),
            (199, 70.0),
            (200, 90.0),
            (2000, 90.0),
            (2001, 70.0),
            (4000, 70.0),
            (4001, 50.0),
        ] {
            check(&"é".repeat(characters), [expected, 90.0]);
        }
    }

    #[test]
    fn a_text_without_words_has_a_fixed_density() {
        check("", [40.0, 50.0]);
        check(" \n ", [40.0, 50.0]);
    }

    #[test]
    fn repeated_words_take_away_in_two_steps() {
        check("a1 a2 a3 a4 a5 a6 a7 a1 a2 A3", [40.0, 90.0]);
        check("a1 a2 a3 a4 a5 a6 a1 a2 a3 A4", [30.0, 90.0]);
        check("a1 a2 a3 a4 a5 a1 a2 a3 a4 A5", [30.0, 90.0]);
        check("a1 a2 a3 a4 a1 a2 a3 a4 a1 A2", [20.0, 90.0]);
    }

    #[test]
    fn fillers_take_away_and_stopwords_do_not_count_as_content() {
        check("Very, REALLY nice {{just}} everything", [40.0, 60.0]);
        check("the of and", [40.0, 70.0]);
        check("it is very big", [40.0, 60.0]);
    }
}
