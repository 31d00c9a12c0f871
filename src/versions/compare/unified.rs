//! The unified diff of two texts, in the form that `patch` takes.

use std::fmt::Write;
use std::ops::Range;

use similar::{DiffOp, DiffTag, group_diff_ops};

use super::alignment::Aligned;

const CONTEXT_LINES: usize = 3;

/// Renders aligned lines as a unified diff, or as nothing when they are equal.
pub(super) fn render(lines: &Aligned<'_>, old_name: &str, new_name: &str) -> String {
    let mut out = String::new();
    for hunk in group_diff_ops(lines.ops.clone(), CONTEXT_LINES) {
        if out.is_empty() {
            out = format!("--- {old_name}\n+++ {new_name}\n");
        }
        push_hunk(&mut out, lines, &hunk);
    }
    out
}

fn push_hunk(out: &mut String, lines: &Aligned<'_>, hunk: &[DiffOp]) {
    let (Some(first), Some(last)) = (hunk.first(), hunk.last()) else {
        return;
    };
    let old = first.old_range().start..last.old_range().end;
    let new = first.new_range().start..last.new_range().end;
    // Writing to a string cannot fail.
    let _ = writeln!(out, "@@ -{} +{} @@", position(&old), position(&new));
    for op in hunk {
        if op.tag() == DiffTag::Equal {
            push_lines(out, ' ', lines.old.get(op.old_range()));
        } else {
            push_lines(out, '-', lines.old.get(op.old_range()));
            push_lines(out, '+', lines.new.get(op.new_range()));
        }
    }
}

/// Returns a range as `first line,number of lines`; an empty one stands after the line it names.
fn position(range: &Range<usize>) -> String {
    match range.len() {
        0 => format!("{},0", range.start),
        1 => (range.start + 1).to_string(),
        count => format!("{},{count}", range.start + 1),
    }
}

fn push_lines(out: &mut String, sign: char, lines: Option<&[&str]>) {
    for line in lines.unwrap_or_default() {
        out.push(sign);
        out.push_str(line);
        if !line.ends_with('\n') {
            out.push_str("\n\\ No newline at end of file\n");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::alignment::Alignment;
    use super::*;
    use proptest::prelude::*;

    fn unified(old: &str, new: &str) -> String {
        render(&Alignment::of(old, new).lines, "a/p@1.0.0", "b/p@1.0.1")
    }

    fn check(old: &str, new: &str, expected: &str) {
        let body = unified(old, new);
        let hunks = body
            .strip_prefix("--- a/p@1.0.0\n+++ b/p@1.0.1\n")
            .unwrap_or(&body);
        assert_eq!(hunks, expected, "{old:?} to {new:?}");
        assert_eq!(apply(old, &body), new);
    }

    /// Applies a unified diff as `patch` would: counts, context and positions must agree with the text.
    fn apply(old: &str, diff: &str) -> String {
        let old_lines: Vec<&str> = old.split_inclusive('\n').collect();
        let mut result = String::new();
        let mut at = 0;
        let mut lines = diff.split_inclusive('\n').skip(2).peekable();
        while let Some(header) = lines.next() {
            let ranges: Vec<&str> = header.split(' ').collect();
            let (start, mut old_left) = numbers(ranges[1]);
            let (_, mut new_left) = numbers(ranges[2]);
            let begin = if old_left == 0 { start } else { start - 1 };
            result.extend(old_lines[at..begin].iter().copied());
            at = begin;
            while old_left + new_left > 0 {
                let (sign, whole) = lines.next().unwrap().split_at(1);
                let bare = lines.next_if(|next| next.starts_with('\\')).is_some();
                let line = if bare {
                    whole.strip_suffix('\n').unwrap()
                } else {
                    whole
                };
                if sign != "+" {
                    assert_eq!(old_lines[at], line);
                    at += 1;
                    old_left -= 1;
                }
                if sign != "-" {
                    result.push_str(line);
                    new_left -= 1;
                }
            }
        }
        result.extend(old_lines[at..].iter().copied());
        result
    }

    fn numbers(range: &str) -> (usize, usize) {
        let (start, count) = range[1..].split_once(',').unwrap_or((&range[1..], "1"));
        (start.parse().unwrap(), count.parse().unwrap())
    }

    #[test]
    fn equal_texts_have_an_empty_diff() {
        check("", "", "");
        check("a\nb", "a\nb", "");
        assert_eq!(unified("a\n", "a\n"), "");
    }

    #[test]
    fn hunks_carry_three_lines_of_context_and_their_positions() {
        check("a\n", "b\n", "@@ -1 +1 @@\n-a\n+b\n");
        check("", "b\n", "@@ -0,0 +1 @@\n+b\n");
        check("a\nb\n", "", "@@ -1,2 +0,0 @@\n-a\n-b\n");
        check(
            "1\n2\n3\n4\n5\n6\n7\n8\n9\n",
            "1\n2\n3\n4\nfive\n6\n7\n8\n9\n",
            "@@ -2,7 +2,7 @@\n 2\n 3\n 4\n-5\n+five\n 6\n 7\n 8\n",
        );
    }

    #[test]
    fn a_missing_final_newline_is_said() {
        check("a", "a\n", "@@ -1 +1 @@\n-a\n\\ No newline at end of file\n+a\n");
        check(
            "a\rb",
            "a\rc",
            "@@ -1 +1 @@\n-a\rb\n\\ No newline at end of file\n+a\rc\n\\ No newline at end of file\n",
        );
    }

    proptest! {
        #[test]
        fn applying_the_diff_gives_the_new_text(
            old in prop::collection::vec("[ab]?\r?\n?", 0..30),
            new in prop::collection::vec("[ab]?\r?\n?", 0..30),
        ) {
            let (old, new) = (old.concat(), new.concat());
            prop_assert_eq!(apply(&old, &unified(&old, &new)), new);
        }
    }
}
