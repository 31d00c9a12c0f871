//! The faults that the balanced profile looks for, and what each costs.

use std::collections::HashMap;
use std::sync::LazyLock;

use regex::Regex;

use super::measure::{sentences, tokens, words};
use crate::model::{IssueSeverity, IssueType};
use crate::optimizer::rewrite::Edit;
use crate::optimizer::rewrite::language::Language;
use crate::optimizer::rewrite::rules::{self, Rule};
use crate::optimizer::rewrite::source::Source;

/// Which of the two scores a fault lowers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Clarity,
    Efficiency,
}

/// A kind of fault.
#[derive(Debug)]
pub(super) struct FaultKind {
    /// Its name in the metadata of an analysis.
    pub(super) name: &'static str,
    pub(super) part: Part,
    pub(super) issue: IssueType,
    pub(super) severity: IssueSeverity,
    /// What is wrong, before the count.
    pub(super) what: &'static str,
    pub(super) advice: &'static str,
}

/// One fault: what it costs, and where.
#[derive(Debug, Clone)]
pub(super) struct Fault {
    pub(super) kind: &'static FaultKind,
    pub(super) points: f64,
    /// From 1; 0 for the whole text.
    pub(super) line: usize,
    /// The words, where they are short enough to show.
    pub(super) words: String,
}

macro_rules! kinds {
    ($($id:ident = $name:literal $part:ident $issue:ident $severity:ident $what:literal $advice:literal;)*) => {
        $(static $id: FaultKind = FaultKind {
            name: $name, part: Part::$part, issue: IssueType::$issue, severity: IssueSeverity::$severity,
            what: $what, advice: $advice,
        };)*
        /// Every kind, in the order in which issues are listed.
        pub(super) static KINDS: &[&FaultKind] = &[$(&$id),*];
    };
}

kinds! {
    VAGUE = "vague_terms" Clarity VagueLanguage Warning
        "Vague wording" "Name the exact things, amounts or conditions that are meant.";
    INDIRECT = "indirect_instructions" Clarity AmbiguousInstructions Info
        "Instructions that are told instead of given" "Begin with the verb: \"Read the text\" for \"Your task is to read the text\".";
    LONG_SENTENCE = "long_sentences" Clarity AmbiguousInstructions Warning
        "Sentences of more than 35 words" "Divide them, one instruction each.";
    WALL = "long_paragraphs" Clarity MissingStructure Info
        "Lines of more than 120 words" "Divide them into paragraphs or a list.";
    HIDDEN_LIST = "hidden_lists" Clarity MissingStructure Info
        "Enumerations within a line" "Put each item on a line of its own.";
    BROKEN_MARKUP = "broken_markup" Clarity PoorFormatting Info
        "Lists or headings that Markdown does not read as such" "Write \"- \", \"1. \" and \"## \", each with its space, headings after a blank line.";
    SLIP = "slips" Clarity PoorFormatting Info
        "Doubled words or wrong punctuation" "Correct them.";
    WORDY = "wordy_phrases" Efficiency Redundancy Warning
        "Words that can go, or have a short form" "Use the short form.";
    REPEATED = "repetitions" Efficiency Redundancy Warning
        "Sentences, lines or phrases of six words that come again" "Say each thing once.";
    WASTE = "wasted_space" Efficiency PoorFormatting Info
        "White space that carries nothing" "Remove it.";
    TOO_LONG = "length" Efficiency TooLong Warning
        "More than 1,000 estimated tokens" "Remove what the task does not need, or divide it into steps.";
}

/// What a place where a rule would change something costs. The rules see sections of examples too (docs/scoring.md).
static BY_RULE: [(&Rule, &FaultKind, f64); 17] = [
    (&rules::VAGUE_WORDING, &VAGUE, 4.0),
    (&rules::EMPTY_OPENING, &INDIRECT, 5.0),
    (&rules::DIRECT_INSTRUCTION, &INDIRECT, 5.0),
    (&rules::INLINE_ENUMERATION, &HIDDEN_LIST, 3.0),
    (&rules::LIST_MARKER_SPACE, &BROKEN_MARKUP, 2.0),
    (&rules::HEADING_SPACE, &BROKEN_MARKUP, 2.0),
    (&rules::HEADING_BLANK_LINE, &BROKEN_MARKUP, 1.0),
    (&rules::BULLET_MARKER, &BROKEN_MARKUP, 0.5),
    (&rules::IDEOGRAPHIC_NUMBERING, &BROKEN_MARKUP, 0.5),
    (&rules::DOUBLED_WORD, &SLIP, 5.0),
    (&rules::SPACE_BEFORE_PUNCTUATION, &SLIP, 2.0),
    (&rules::DOUBLED_PUNCTUATION, &SLIP, 2.0),
    (&rules::FULL_WIDTH_PUNCTUATION, &SLIP, 1.0),
    (&rules::WORDY_PHRASE, &WORDY, 6.0),
    (&rules::CHINESE_WORDY, &WORDY, 6.0),
    (&rules::INTENSIFIER, &WORDY, 4.0),
    (&rules::COURTESY, &WORDY, 3.0),
];

/// The longest sentence that is easy to follow, in words.
const LONGEST_SENTENCE: usize = 35;
/// The longest line of prose that is easy to follow, in words.
const LONGEST_LINE: usize = 120;
/// How many tokens a text may have before its length counts against it.
const MAX_TOKENS: f64 = 1000.0;
/// How many words make a phrase whose repetition counts.
const PHRASE: usize = 6;

#[expect(
    clippy::expect_used,
    reason = "the patterns are constants; a test compiles them"
)]
static VAGUE_TERMS: LazyLock<[(Language, Regex); 2]> = LazyLock::new(|| {
    let english = r"(?i)\b(?:maybe|possibly|perhaps|somehow|somewhat|kind of|sort of|a bit|stuff|etc|and so on|whatever)\b";
    let chinese = "等等|之类的?|某些|大概|也许|或许|差不多|随便";
    [(Language::English, english), (Language::Chinese, chinese)]
        .map(|(language, text)| (language, Regex::new(text).expect("the pattern is valid")))
});

/// Finds every fault of a text.
///
/// Each is found in its own line, but for repetitions, which look back, and marks of lists and headings, which look at
/// their neighbours. No fault is judged by a share of the text. So a line that is added takes no fault away.
pub(super) fn find(text: &str) -> Vec<Fault> {
    let source = Source::for_scoring(text);
    let mut faults = Vec::new();
    by_rule(&source, &mut faults);
    by_line(&source, &mut faults);
    repetitions(&source, &mut faults);
    let excess = tokens(text) - MAX_TOKENS;
    if excess > 0.0 {
        let words = format!("{:.0}", tokens(text));
        faults.push(Fault {
            kind: &TOO_LONG,
            points: excess * 0.01,
            line: 0,
            words,
        });
    }
    faults
}

fn by_rule(source: &Source<'_>, faults: &mut Vec<Fault>) {
    for (rule, kind, points) in BY_RULE {
        for edit in rule.edits(source) {
            let line = source
                .lines()
                .partition_point(|line| line.end <= edit.range.start)
                + 1;
            let words = source.slice(&edit.range).trim().to_owned();
            faults.push(Fault {
                kind,
                points,
                line,
                words,
            });
        }
    }
}

fn by_line(source: &Source<'_>, faults: &mut Vec<Fault>) {
    let mut blank_run = 0;
    let mut has_begun = false;
    for (index, line) in source.lines().iter().enumerate() {
        let mut add = |kind, points, words: &str| {
            faults.push(Fault {
                kind,
                points,
                line: index + 1,
                words: words.to_owned(),
            });
        };
        let whole = source.slice(&line.range);
        if whole.trim().is_empty() {
            blank_run += 1;
            continue;
        }
        if has_begun && blank_run > 1 {
            add(&WASTE, f64::from(blank_run - 1), "");
        }
        (blank_run, has_begun) = (0, true);
        let trailing = whole
            .get(whole.trim_end_matches([' ', '\t']).len()..)
            .unwrap_or_default();
        if trailing.len() == 1 || trailing.contains('\t') {
            add(&WASTE, 0.5, "");
        }
        let prose = source.protected().masked(source.text(), &line.range, "X");
        for (_, terms) in VAGUE_TERMS
            .iter()
            .filter(|(language, _)| *language == line.language)
        {
            for found in terms.find_iter(&prose) {
                add(&VAGUE, 6.0, found.as_str());
            }
        }
        for excess in
            sentences(&prose).filter_map(|sentence| words(sentence).checked_sub(LONGEST_SENTENCE + 1))
        {
            add(&LONG_SENTENCE, 5.0 + (excess + 1) as f64 * 0.25, "");
        }
        if let Some(excess) = words(&prose).checked_sub(LONGEST_LINE + 1) {
            add(&WALL, (excess + 1) as f64 * 0.1, "");
        }
    }
    for edit in rules::DOUBLED_SPACE.edits(source) {
        let line = source
            .lines()
            .partition_point(|line| line.end <= edit.range.start)
            + 1;
        faults.push(Fault {
            kind: &WASTE,
            points: 0.5,
            line,
            words: String::new(),
        });
    }
}

/// Finds sentences and lines that come again, and phrases of six words (twelve Chinese characters) that do.
fn repetitions(source: &Source<'_>, faults: &mut Vec<Fault>) {
    let line_of = |edit: &Edit| {
        let lines = source.lines();
        lines.partition_point(|line| line.end <= edit.range.start)
    };
    let sentences = rules::REPEATED_SENTENCE.edits(source);
    // A line counts wherever it stands again: a rule that looks at its neighbours would let added lines hide it.
    let lines = rules::repeated_lines(source);
    for line in sentences.iter().map(line_of).chain(lines) {
        faults.push(Fault {
            kind: &REPEATED,
            points: 8.0,
            line: line + 1,
            words: String::new(),
        });
    }
    let mut seen: HashMap<Vec<String>, usize> = HashMap::new();
    for (index, line) in source.lines().iter().enumerate() {
        let prose = source.protected().masked(source.text(), &line.range, " ");
        let pieces = pieces(&prose);
        for phrase in pieces.windows(PHRASE) {
            let count = seen.entry(phrase.to_vec()).or_insert(0);
            *count += 1;
            if *count > 1 {
                faults.push(Fault {
                    kind: &REPEATED,
                    points: 0.5,
                    line: index + 1,
                    words: String::new(),
                });
            }
        }
    }
}

/// Returns the words of a line in lower case; two Chinese characters are one, each pair counted from its first.
fn pieces(line: &str) -> Vec<String> {
    let mut pieces: Vec<String> = Vec::new();
    let (mut word, mut dense) = (String::new(), String::new());
    for c in line.chars().chain([' ']) {
        let is_dense = crate::optimizer::rewrite::language::is_han(c);
        if c.is_alphanumeric() && !is_dense {
            word.extend(c.to_lowercase());
        } else if !word.is_empty() {
            pieces.push(std::mem::take(&mut word));
        }
        if is_dense {
            dense.push(c);
        }
        if !dense.is_empty() && (!is_dense || dense.chars().count() == 2) {
            pieces.push(std::mem::take(&mut dense));
        }
    }
    pieces
}
