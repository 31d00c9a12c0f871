//! A diff for people: changed lines word by word.

use crate::cli::color::{Paint, Palette};
use crate::versions::compare::{WordChange, WordOp};

/// How many unchanged lines are shown around a change.
const CONTEXT_LINES: usize = 3;

/// A piece of the texts.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    /// In both.
    Same(String),
    /// What was removed, and what was added in its place.
    Changed(String, String),
}

/// A line as it is shown.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Line {
    shown: String,
    /// Its number in the new text, from 1; that of the line before for one that is gone.
    number: usize,
    is_changed: bool,
}

/// Renders the changed lines of two texts with some lines around them. With colour, removed words are red and added
/// ones green; without, they stand in `[-...-]` and `{+...+}`.
pub(in crate::cli::verbs) fn render(changes: &[WordChange], palette: Palette) -> String {
    let lines = lines(&pieces(changes), palette);
    let changed: Vec<usize> = (0..lines.len())
        .filter(|at| lines.get(*at).is_some_and(|line| line.is_changed))
        .collect();
    let mut text = String::new();
    let mut is_gap = true;
    for (at, line) in lines.iter().enumerate() {
        let near = changed.partition_point(|changed| *changed + CONTEXT_LINES < at);
        if changed
            .get(near)
            .is_none_or(|changed| *changed > at + CONTEXT_LINES)
        {
            is_gap = true;
            continue;
        }
        if is_gap {
            text.push_str(&palette.paint(Paint::Name, &format!("@@ line {} @@", line.number)));
            text.push('\n');
            is_gap = false;
        }
        text.push_str(&line.shown);
        text.push('\n');
    }
    text
}

/// Pairs what was removed with what was added there. Changes with less between them than they change themselves are one
/// piece: single words that happen to be in both texts would only make them hard to read.
fn pieces(changes: &[WordChange]) -> Vec<Piece> {
    let mut pieces: Vec<Piece> = Vec::new();
    for WordChange { op, text } in changes {
        if *op == WordOp::Equal {
            pieces.push(Piece::Same(text.clone()));
            continue;
        }
        if !matches!(pieces.last(), Some(Piece::Changed(..))) {
            pieces.push(Piece::Changed(String::new(), String::new()));
        }
        if let Some(Piece::Changed(old, new)) = pieces.last_mut() {
            if *op == WordOp::Delete {
                old.push_str(text);
            } else {
                new.push_str(text);
            }
        }
    }
    joined(pieces)
}

/// Joins changes over what lies between them, from the left to the right, as long as it is shorter than either.
fn joined(pieces: Vec<Piece>) -> Vec<Piece> {
    let mut joined: Vec<Piece> = Vec::with_capacity(pieces.len());
    for piece in pieces {
        let joins = match (joined.as_slice(), &piece) {
            ([.., before @ Piece::Changed(..), Piece::Same(between)], after @ Piece::Changed(..)) => {
                !between.contains('\n') && between.len() <= before.size().min(after.size())
            }
            _ => false,
        };
        match (joins, joined.pop(), piece) {
            (true, Some(Piece::Same(between)), Piece::Changed(last_old, last_new)) => {
                if let Some(Piece::Changed(old, new)) = joined.last_mut() {
                    old.push_str(&(between.clone() + &last_old));
                    new.push_str(&(between + &last_new));
                }
            }
            (_, last, piece) => {
                joined.extend(last);
                joined.push(piece);
            }
        }
    }
    joined
}

impl Piece {
    /// Returns how much it changes, in bytes.
    fn size(&self) -> usize {
        match self {
            Self::Same(_) => 0,
            Self::Changed(old, new) => old.len().max(new.len()),
        }
    }
}

fn lines(pieces: &[Piece], palette: Palette) -> Vec<Line> {
    let mut lines = Lines {
        done: Vec::new(),
        current: Line {
            number: 1,
            ..Line::default()
        },
    };
    for piece in pieces {
        match piece {
            Piece::Same(same) => lines.push(same, 1, str::to_owned),
            Piece::Changed(old, new) => {
                lines.push_changed(old, 0, palette, Paint::Bad, ("[-", "-]"));
                lines.push_changed(new, 1, palette, Paint::Good, ("{+", "+}"));
            }
        }
    }
    if lines.current.is_changed || !lines.current.shown.is_empty() {
        lines.done.push(lines.current);
    }
    lines.done
}

/// Lines that are being put together.
struct Lines {
    done: Vec<Line>,
    current: Line,
}

impl Lines {
    /// Adds text that may go over several lines; each line feed counts for `step` lines of the new text.
    fn push(&mut self, text: &str, step: usize, show: impl Fn(&str) -> String) {
        for part in text.split_inclusive('\n') {
            let (part, ends) = part.strip_suffix('\n').map_or((part, false), |part| (part, true));
            if !part.is_empty() {
                self.current.shown.push_str(&show(part));
            }
            if ends {
                let number = self.current.number + step;
                self.done.push(std::mem::take(&mut self.current));
                self.current.number = number;
            }
        }
    }

    /// Adds what was removed or added. Each line is painted for itself, since pagers forget colours at its end.
    fn push_changed(
        &mut self,
        text: &str,
        step: usize,
        palette: Palette,
        paint: Paint,
        (open, close): (&str, &str),
    ) {
        let shown = if text.trim().is_empty() {
            shown_blanks(text)
        } else {
            text.to_owned()
        };
        for part in shown.split_inclusive('\n') {
            self.current.is_changed = true;
            self.push(part, step, |part| {
                let marked = if palette.is_on {
                    part.to_owned()
                } else {
                    format!("{open}{part}{close}")
                };
                palette.paint(paint, &marked)
            });
        }
    }
}

/// Makes white space visible where it is all that has changed.
fn shown_blanks(blanks: &str) -> String {
    blanks.replace(' ', "·").replace('\t', "⇥").replace('\n', "⏎\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::verbs::diff::example;
    use crate::versions::compare::compare;

    fn shown(old: &str, new: &str, palette: Palette) -> String {
        let compared = compare(&example("1.0.0", old, 0.0), &example("1.0.1", new, 0.0));
        render(&compared.words, palette)
    }

    fn check(old: &str, new: &str, expected: &str) {
        assert_eq!(shown(old, new, Palette::PLAIN), expected);
    }

    #[test]
    fn changed_words_are_marked_within_their_line() {
        check(
            "Be kind.\nSay hello to the customer.\n",
            "Be kind.\nSay a warm hello to every customer.\n",
            "@@ line 1 @@\nBe kind.\nSay {+a warm +}hello to [-the-]{+every+} customer.\n",
        );
    }

    #[test]
    fn neighbouring_words_are_one_change() {
        check(
            "a short reply",
            "a long answer",
            "@@ line 1 @@\na [-short reply-]{+long answer+}\n",
        );
    }

    #[test]
    fn words_that_happen_to_be_in_both_texts_do_not_chop_a_change_up() {
        check(
            "Stay. Keep the answer somewhat short. If you do not know, say so. End.",
            "Stay. Never make one up. When it is not known, name a page. End.",
            "@@ line 1 @@\nStay. [-Keep the answer somewhat short. If you do not know, say so-]\
             {+Never make one up. When it is not known, name a page+}. End.\n",
        );
    }

    #[test]
    fn added_and_removed_lines_are_marked_line_by_line() {
        check("a\n", "a\nb\nc\n", "@@ line 1 @@\na\n{+b+}\n{+c+}\n");
        check("a\nb\nc\n", "b\nc\n", "@@ line 1 @@\n[-a-]\nb\nc\n");
    }

    #[test]
    fn a_change_of_white_space_can_be_seen() {
        check("a b\n", "a  b\n", "@@ line 1 @@\na[-·-]{+··+}b\n");
        check("text", "text\n", "@@ line 1 @@\ntext{+⏎+}\n");
        check("text\n", "text", "@@ line 1 @@\ntext[-⏎-]\n");
    }

    #[test]
    fn only_changes_and_their_neighbourhood_are_shown() {
        let text = |middle: &str| {
            let mut lines: Vec<String> = (1..=30).map(|number| format!("line {number}")).collect();
            lines[9] = middle.to_owned();
            lines[20] = middle.to_owned();
            lines.join("\n")
        };
        insta::assert_snapshot!(shown(&text("old"), &text("new"), Palette::PLAIN), @"
        @@ line 7 @@
        line 7
        line 8
        line 9
        [-old-]{+new+}
        line 11
        line 12
        line 13
        @@ line 18 @@
        line 18
        line 19
        line 20
        [-old-]{+new+}
        line 22
        line 23
        line 24
        ");
    }

    #[test]
    fn colours_begin_and_end_on_each_line() {
        let shown = shown("a\n", "a\nb\nc\n", Palette { is_on: true });
        assert!(
            shown.ends_with("a\n\x1b[32mb\x1b[0m\n\x1b[32mc\x1b[0m\n"),
            "{shown:?}"
        );
    }

    #[test]
    fn equal_texts_have_nothing_to_show() {
        check("a\nb", "a\nb", "");
    }
}
