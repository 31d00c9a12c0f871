//! Two texts laid side by side, by lines and by words.

use std::time::{Duration, Instant};

use similar::{Algorithm, DiffOp, DiffTag, DiffableStr, capture_diff_slices_deadline};

use super::{WordChange, WordOp};

/// Up to this many pieces of both texts together the search takes what it takes: its time is linear in this number once
/// its heuristics set in, some 50 ms at most, and the result is always the same.
const UNTIMED_PIECES_MAX: usize = 20_000;

/// How long the search may take above that; then what it has found so far is used.
const SEARCH_TIMEOUT: Duration = Duration::from_millis(40);

/// The pieces of two texts and how they match.
#[derive(Debug)]
pub(super) struct Aligned<'t> {
    pub(super) old: Vec<&'t str>,
    pub(super) new: Vec<&'t str>,
    pub(super) ops: Vec<DiffOp>,
    common_characters: usize,
}

/// Two texts aligned in both ways.
#[derive(Debug)]
pub(super) struct Alignment<'t> {
    pub(super) lines: Aligned<'t>,
    words: Aligned<'t>,
}

impl<'t> Alignment<'t> {
    /// Aligns two texts; each way has its own time limit.
    pub(super) fn of(old: &'t str, new: &'t str) -> Self {
        Self {
            lines: Aligned::of(lines(old), lines(new)),
            words: Aligned::of(old.tokenize_unicode_words(), new.tokenize_unicode_words()),
        }
    }

    /// Returns the texts as runs of words; as runs of lines where the search among the words was cut short so early that
    /// lines match more.
    pub(super) fn word_changes(&self) -> Vec<WordChange> {
        let words = &self.words;
        let cut_short = words.old.len() + words.new.len() > UNTIMED_PIECES_MAX;
        if cut_short && self.lines.common_characters > words.common_characters {
            self.lines.runs()
        } else {
            words.runs()
        }
    }
}

impl<'t> Aligned<'t> {
    fn of(old: Vec<&'t str>, new: Vec<&'t str>) -> Self {
        let ops = align(&old, &new);
        let common_characters = ops
            .iter()
            .filter(|op| op.tag() == DiffTag::Equal)
            .filter_map(|op| old.get(op.old_range()))
            .flatten()
            .map(|piece| piece.chars().count())
            .sum();
        Self {
            old,
            new,
            ops,
            common_characters,
        }
    }

    /// Joins the pieces to runs: between two equal runs at most one deleted and then one inserted run.
    fn runs(&self) -> Vec<WordChange> {
        let mut runs = Vec::new();
        let (mut deleted, mut inserted) = (String::new(), String::new());
        for op in &self.ops {
            let old = self.old.get(op.old_range()).unwrap_or_default();
            let new = self.new.get(op.new_range()).unwrap_or_default();
            if op.tag() == DiffTag::Equal {
                push(&mut runs, WordOp::Delete, std::mem::take(&mut deleted));
                push(&mut runs, WordOp::Insert, std::mem::take(&mut inserted));
                push(&mut runs, WordOp::Equal, old.concat());
            } else {
                deleted.extend(old.iter().copied());
                inserted.extend(new.iter().copied());
            }
        }
        push(&mut runs, WordOp::Delete, deleted);
        push(&mut runs, WordOp::Insert, inserted);
        runs
    }
}

fn push(runs: &mut Vec<WordChange>, op: WordOp, text: String) {
    match runs.last_mut() {
        _ if text.is_empty() => {}
        Some(last) if last.op == op => last.text.push_str(&text),
        _ => runs.push(WordChange { op, text }),
    }
}

/// Splits a text after each line feed; a lone carriage return is part of its line, as it is for `patch`.
fn lines(text: &str) -> Vec<&str> {
    text.split_inclusive('\n').collect()
}

fn align(old: &[&str], new: &[&str]) -> Vec<DiffOp> {
    let long = old.len() + new.len() > UNTIMED_PIECES_MAX;
    let deadline = long.then(|| Instant::now() + SEARCH_TIMEOUT);
    capture_diff_slices_deadline(Algorithm::Myers, old, new, deadline)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(old: &str, new: &str, expected: &[(WordOp, &str)]) {
        let runs = Alignment::of(old, new).word_changes();
        let found: Vec<(WordOp, &str)> = runs.iter().map(|run| (run.op, run.text.as_str())).collect();
        assert_eq!(found, expected, "{old:?} to {new:?}");
    }

    /// Puts the runs of one side together.
    fn side(runs: &[WordChange], op: WordOp) -> String {
        let on_side = |run: &&WordChange| run.op == op || run.op == WordOp::Equal;
        runs.iter().filter(on_side).map(|run| run.text.as_str()).collect()
    }

    fn check_reassembles(old: &str, new: &str) {
        let runs = Alignment::of(old, new).word_changes();
        assert_eq!(side(&runs, WordOp::Delete), old);
        assert_eq!(side(&runs, WordOp::Insert), new);
        assert!(runs.iter().all(|run| !run.text.is_empty()));
        assert!(runs.windows(2).all(|pair| pair[0].op != pair[1].op));
    }

    #[test]
    fn runs_are_whole_words_of_any_script() {
        use WordOp::{Delete, Equal, Insert};
        check("", "", &[]);
        check("same\n", "same\n", &[(Equal, "same\n")]);
        check("", "new", &[(Insert, "new")]);
        check("old", "", &[(Delete, "old")]);
        check(
            "Write a note.",
            "Write a poem.",
            &[
                (Equal, "Write a "),
                (Delete, "note"),
                (Insert, "poem"),
                (Equal, "."),
            ],
        );
        check(
            "请总结文档",
            "请翻译文档",
            &[(Equal, "请"), (Delete, "总结"), (Insert, "翻译"), (Equal, "文档")],
        );
        check(
            "a\r\nb",
            "a\nb",
            &[(Equal, "a"), (Delete, "\r\n"), (Insert, "\n"), (Equal, "b")],
        );
    }

    #[test]
    fn long_texts_reassemble_even_when_the_search_is_cut_short() {
        let pieces = |seed: usize, word: &str| -> String {
            let mut state = seed;
            std::iter::repeat_with(|| {
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1_442_695_040_888_963_407);
                format!("{word}{} ", (state >> 33) % 50)
            })
            .take(20_000)
            .collect()
        };
        check_reassembles(&pieces(1, "w"), &pieces(2, "w"));
        check_reassembles(&pieces(3, "\n"), &pieces(4, "\n"));
        check_reassembles(&"\n".repeat(100_000), &"a\n".repeat(50_000));
        check_reassembles(&"a\u{301}".repeat(50_000), &"\u{301}".repeat(100_000));
    }

    #[test]
    fn a_long_text_with_few_changes_is_aligned_to_its_end() {
        let old: String = (0..20_000).map(|n| format!("w{n} ")).collect();
        let new = old.replace("w10 ", "").replace("w15000 ", "other ");
        let runs = Alignment::of(&old, &new).word_changes();
        let changed: Vec<&str> = runs
            .iter()
            .filter(|run| run.op != WordOp::Equal)
            .map(|run| run.text.as_str())
            .collect();
        assert_eq!(changed, ["w10 ", "w15000", "other"]);
    }

    fn any_text() -> impl Strategy<Value = String> {
        let piece = prop_oneof![
            Just("the ".to_owned()),
            Just("cat\n".to_owned()),
            Just("文档".to_owned()),
            Just("\r\n".to_owned()),
            Just("\u{301}".to_owned()),
            any::<char>().prop_map(String::from),
        ];
        prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn runs_reassemble_to_both_texts(old in any_text(), new in any_text()) {
            check_reassembles(&old, &new);
            check_reassembles(&old, &old);
        }
    }
}
