//! Where a place of a rewritten text lies in the text that the rewriting began with.

use std::ops::Range;

use super::Edit;

/// Pieces of the present text that were never edited, in order.
#[derive(Debug, Clone)]
pub(super) struct Offsets {
    kept: Vec<Piece>,
    /// The length of the first text.
    original: usize,
}

#[derive(Debug, Clone, Copy)]
struct Piece {
    present: usize,
    original: usize,
    len: usize,
}

impl Offsets {
    pub(super) fn of(text: &str) -> Self {
        let len = text.len();
        let kept = vec![Piece {
            present: 0,
            original: 0,
            len,
        }];
        Self { kept, original: len }
    }

    /// Returns the bytes of the first text that a range of the present one stands for.
    pub(super) fn original(&self, range: &Range<usize>) -> Range<usize> {
        let after = self
            .kept
            .partition_point(|piece| piece.present + piece.len <= range.start);
        let start = self.kept.get(after).map_or(self.original, |piece| {
            if piece.present <= range.start {
                piece.original + (range.start - piece.present)
            } else {
                self.end_before(after)
            }
        });
        let until = self.kept.partition_point(|piece| piece.present < range.end);
        let end = match until.checked_sub(1).and_then(|last| self.kept.get(last)) {
            Some(piece) if range.end <= piece.present + piece.len => {
                piece.original + (range.end - piece.present)
            }
            _ => self.kept.get(until).map_or(self.original, |piece| piece.original),
        };
        if range.is_empty() {
            start..start
        } else {
            start..end.max(start)
        }
    }

    fn end_before(&self, index: usize) -> usize {
        let before = index.checked_sub(1).and_then(|last| self.kept.get(last));
        before.map_or(0, |piece| piece.original + piece.len)
    }

    /// Follows edits, which are in order and do not overlap.
    pub(super) fn follow(&mut self, edits: &[Edit]) {
        let mut kept = Vec::new();
        let mut pieces = std::mem::take(&mut self.kept).into_iter().peekable();
        let mut grown: usize = 0;
        let mut shrunk: usize = 0;
        for edit in edits {
            while let Some(piece) = pieces.peek_mut() {
                let end = piece.present + piece.len;
                let whole = end <= edit.range.start;
                let len = end.min(edit.range.start).saturating_sub(piece.present);
                if len > 0 {
                    kept.push(Piece {
                        present: piece.present + grown - shrunk,
                        original: piece.original,
                        len,
                    });
                }
                if whole {
                    pieces.next();
                    continue;
                }
                let cut = end.min(edit.range.end).saturating_sub(piece.present).max(len);
                piece.present += cut;
                piece.original += cut;
                piece.len -= cut;
                if piece.len > 0 {
                    break;
                }
                pieces.next();
            }
            grown += edit.replacement.len();
            shrunk += edit.range.len();
        }
        kept.extend(pieces.map(|piece| Piece {
            present: piece.present + grown - shrunk,
            ..piece
        }));
        self.kept = kept;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edit(range: Range<usize>, replacement: &str) -> Edit {
        Edit::new(range, replacement)
    }

    #[test]
    fn places_are_followed_back_through_two_rounds() {
        // "aaa very big dog" -> "aaa big dog" -> "aaa large dog"
        let mut offsets = Offsets::of("aaa very big dog");
        offsets.follow(&[edit(4..9, "")]);
        assert_eq!(offsets.original(&(4..7)), 9..12);
        assert_eq!(offsets.original(&(0..3)), 0..3);
        offsets.follow(&[edit(4..7, "large")]);
        assert_eq!(offsets.original(&(4..9)), 4..12);
        assert_eq!(offsets.original(&(10..13)), 13..16);
    }

    #[test]
    fn insertions_and_the_ends_of_the_text_have_a_place() {
        let mut offsets = Offsets::of("ab");
        offsets.follow(&[edit(1..1, "xyz")]);
        assert_eq!(offsets.original(&(0..5)), 0..2);
        assert_eq!(offsets.original(&(4..5)), 1..2);
        assert_eq!(offsets.original(&(5..5)), 2..2);
        assert_eq!(offsets.original(&(2..3)), 1..1);
    }
}
