//! Everything that is measured in a text, once, so that scores and issues cannot disagree about it.

use std::collections::HashMap;
use std::sync::LazyLock;

use regex::{Regex, RegexSet};

use super::lexicon::{self, Contained};
use super::text::{self, SPACE_CLASS};

/// How many of the phrases that repeat are kept for the description of the issue.
const REPEATED_PHRASES_SHOWN: usize = 3;

/// What a text is made of.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct TextFacts {
    pub(super) characters: usize,
    pub(super) newlines: usize,
    pub(super) words: usize,
    /// Characters that belong to a word.
    pub(super) word_characters: usize,
    pub(super) sentences: Sentences,
    pub(super) lines: LineKinds,
    /// A number that stands alone, such as `5` but not `v5`.
    pub(super) has_integer: bool,
    pub(super) contained: Contained,
    pub(super) vague: Vec<VagueHit>,
    pub(super) filler_hits: usize,
    pub(super) vocabulary: Vocabulary,
}

/// How the words are spread over sentences.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Sentences {
    pub(super) count: usize,
    /// Words in all sentences together: more than there are words where a mark stands inside a word, as in `1.5`.
    pub(super) words: usize,
    /// Sentences of more than 35 words.
    pub(super) long: usize,
}

/// Which kinds of line a text has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct LineKinds {
    /// `# `: a heading.
    pub(super) heading: bool,
    /// One of `-*+.` or a single digit, then a space: what the score takes for a bullet.
    pub(super) scored_bullet: bool,
    /// `1. `: a numbered line.
    pub(super) numbered: bool,
    /// `- ` or `* `: what the issue takes for a bullet.
    pub(super) plain_bullet: bool,
}

/// One vague term and the line, from 1, that it begins on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct VagueHit {
    pub(super) term: &'static str,
    pub(super) line: usize,
}

/// How varied the words are, in lower case.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Vocabulary {
    /// All words; letter case does not change their number.
    pub(super) words: usize,
    pub(super) distinct: usize,
    /// Words that are stopwords.
    pub(super) stopwords: usize,
    /// Distinct phrases of three words that occur more than once.
    pub(super) repeated_trigrams: usize,
    /// The first few of them, in order of first occurrence.
    pub(super) repeated_phrases: Vec<String>,
}

#[expect(
    clippy::expect_used,
    reason = "the patterns are constants; a test compiles them"
)]
static LINE_KINDS: LazyLock<RegexSet> = LazyLock::new(|| {
    let starts = ["#+", r"[-*+.\d]", r"\d+\.", "[-*]"];
    RegexSet::new(starts.map(|start| format!("(?m)^{start}{SPACE_CLASS}"))).expect("the patterns are valid")
});

#[expect(clippy::expect_used, reason = "the pattern is a constant; a test compiles it")]
static DIGITS: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"\d+").expect("the pattern is valid"));

impl TextFacts {
    /// Measures a text, in time linear in its length.
    pub(super) fn of(text: &str) -> Self {
        let lowered = text.to_lowercase();
        let folded = text::fold_ascii_words(text);
        let vocabulary = Vocabulary::of_lowered(&lowered);
        Self {
            characters: text.chars().count(),
            newlines: text.bytes().filter(|b| *b == b'\n').count(),
            words: vocabulary.words,
            word_characters: text.chars().filter(|c| !text::is_space(*c)).count(),
            sentences: Sentences::of(text),
            lines: LineKinds::of(text),
            has_integer: has_standalone_integer(text),
            contained: Contained::in_lowered(&lowered),
            vague: vague_hits(&folded),
            filler_hits: lexicon::whole_words(&folded, &lexicon::FILLERS).len(),
            vocabulary,
        }
    }
}

impl Sentences {
    fn of(text: &str) -> Self {
        text::words_per_sentence(text).fold(Self::default(), |all, words| Self {
            count: all.count + 1,
            words: all.words + words,
            long: all.long + usize::from(words > 35),
        })
    }
}

impl LineKinds {
    fn of(text: &str) -> Self {
        let found = LINE_KINDS.matches(text);
        Self {
            heading: found.matched(0),
            scored_bullet: found.matched(1),
            numbered: found.matched(2),
            plain_bullet: found.matched(3),
        }
    }
}

impl Vocabulary {
    fn of_lowered(lowered: &str) -> Self {
        let mut ids: HashMap<&str, u32> = HashMap::new();
        let mut sequence = Vec::new();
        let mut stopwords = 0;
        for word in text::words(lowered) {
            let next_id = u32::try_from(ids.len()).unwrap_or(u32::MAX);
            sequence.push(*ids.entry(word).or_insert(next_id));
            stopwords += usize::from(lexicon::is_stopword(word));
        }
        let repeated = repeated_trigrams(&sequence);
        Self {
            words: sequence.len(),
            distinct: ids.len(),
            stopwords,
            repeated_trigrams: repeated.len(),
            repeated_phrases: repeated
                .iter()
                .take(REPEATED_PHRASES_SHOWN)
                .map(|first_word| {
                    text::words(lowered)
                        .skip(*first_word)
                        .take(3)
                        .collect::<Vec<_>>()
                        .join(" ")
                })
                .collect(),
        }
    }
}

/// Returns the index of the first word of each trigram that occurs more than once, in ascending order.
fn repeated_trigrams(sequence: &[u32]) -> Vec<usize> {
    // Packed into one number each, they sort several times faster than as lists.
    let pack = |window: &[u32]| {
        window
            .iter()
            .fold(0_u128, |packed, id| packed << 32 | u128::from(*id))
    };
    let mut trigrams: Vec<(u128, usize)> = sequence.windows(3).map(pack).zip(0..).collect();
    trigrams.sort_unstable();
    let mut firsts: Vec<usize> = trigrams
        .chunk_by(|(a, _), (b, _)| a == b)
        .filter(|same| same.len() > 1)
        .filter_map(|same| same.first().map(|(_, first_word)| *first_word))
        .collect();
    firsts.sort_unstable();
    firsts
}

fn has_standalone_integer(text: &str) -> bool {
    DIGITS.find_iter(text).any(|digits| {
        let before = text
            .get(..digits.start())
            .and_then(|part| part.chars().next_back());
        let after = text.get(digits.end()..).and_then(|part| part.chars().next());
        ![before, after].into_iter().flatten().any(text::is_word_character)
    })
}

fn vague_hits(folded: &str) -> Vec<VagueHit> {
    let mut line = 1;
    let mut counted_to = 0;
    lexicon::whole_words(folded, &lexicon::VAGUE_TERMS)
        .into_iter()
        .map(|(at, term)| {
            let passed = folded.as_bytes().get(counted_to..at).unwrap_or_default();
            line += passed.iter().filter(|b| **b == b'\n').count();
            counted_to = at;
            VagueHit { term, line }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_lines(text: &str, expected: [bool; 4]) {
        let kinds = LineKinds::of(text);
        assert_eq!(
            [
                kinds.heading,
                kinds.scored_bullet,
                kinds.numbered,
                kinds.plain_bullet
            ],
            expected,
            "{text:?}"
        );
    }

    fn check_integer(text: &str, expected: bool) {
        assert_eq!(has_standalone_integer(text), expected, "{text:?}");
    }

    #[test]
    fn a_line_kind_needs_its_marker_at_the_very_start_and_a_space_after_it() {
        check_lines("", [false; 4]);
        check_lines("# a", [true, false, false, false]);
        check_lines("x\n###\ny", [true, false, false, false]);
        check_lines("#a\n # b", [false; 4]);
        check_lines("- a", [false, true, false, true]);
        check_lines("+ a", [false, true, false, false]);
        check_lines("1 a", [false, true, false, false]);
        check_lines("٣ a\n٣. a", [false, true, true, false]);
        check_lines("12. a", [false, false, true, false]);
        check_lines("1.a\n-b\r- c\u{2028}- d", [false; 4]);
        check_lines("*\u{1C}a", [false, true, false, true]);
    }

    #[test]
    fn an_integer_stands_alone_when_no_word_character_touches_it() {
        check_integer("in 5 lines", true);
        check_integer("1.5", true);
        check_integer("5\u{301}", true);
        check_integer("٣", true);
        check_integer("v5 5x 5_ é5 第5章 ½5", false);
        check_integer("", false);
    }

    #[test]
    fn vague_terms_know_their_line() {
        let hits = vague_hits("some\n\nfoo etc, etc\nmaybe");
        let lines: Vec<(usize, &str)> = hits.iter().map(|hit| (hit.line, hit.term)).collect();
        assert_eq!(lines, [(1, "some"), (3, "etc"), (3, "etc"), (4, "maybe")]);
    }

    #[test]
    fn phrases_repeat_when_three_words_come_again_in_any_case() {
        let vocabulary = Vocabulary::of_lowered("the red fox and the red fox and you");
        assert_eq!(vocabulary.repeated_trigrams, 2);
        assert_eq!(vocabulary.repeated_phrases, ["the red fox", "red fox and"]);
        assert_eq!((vocabulary.distinct, vocabulary.stopwords), (5, 4));
        assert_eq!(Vocabulary::of_lowered("a a a a").repeated_trigrams, 1);
        assert_eq!(Vocabulary::of_lowered(""), Vocabulary::default());
    }

    #[test]
    fn characters_are_scalar_values_and_lines_end_at_line_feeds() {
        let facts = TextFacts::of("é😀 a\r\nb.\u{2028}c");
        assert_eq!(
            (
                facts.characters,
                facts.newlines,
                facts.words,
                facts.word_characters
            ),
            (10, 1, 4, 6)
        );
        assert_eq!(
            facts.sentences,
            Sentences {
                count: 2,
                words: 4,
                long: 0
            }
        );
    }
}
