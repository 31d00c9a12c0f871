//! The share of characters that two texts have in common: the ratio of Ratcliff and Obershelp, with a limit on the work.
//!
//! The longest common block is found, then the same is done before it and after it; of equally long blocks the first in
//! the old text counts, then the first in the new one. That costs the square of the length and more, so the steps are
//! counted. When characters take too many, blocks of whole words are found first, and characters only between them; when
//! words take too many too, the words that the alignment has found equal are counted.

use std::collections::HashMap;
use std::hash::Hash;
use std::ops::Range;

use super::{WordChange, WordOp};
use crate::optimizer::text::is_space;

/// How many pairs of equal characters may be looked at: some 40 ms of work. A number of steps and not a time, so that the
/// same texts always give the same result.
const CHARACTER_STEPS_MAX: usize = 20_000_000;

/// The same for whole words and for what lies between them.
const WORD_STEPS_MAX: usize = 10_000_000;

/// Returns twice the characters in common over the characters of both texts; 1 for equal texts.
///
/// `words` are the runs of the same two texts.
pub(super) fn similarity(old: &str, new: &str, words: &[WordChange]) -> f64 {
    if old == new {
        return 1.0;
    }
    let both = old.chars().count() + new.chars().count();
    let (mut character_steps, mut word_steps) = (CHARACTER_STEPS_MAX, WORD_STEPS_MAX);
    let common = common_characters(old, new, &mut character_steps).unwrap_or_else(|found| {
        let by_words = common_by_words(old, new, &mut word_steps);
        found.max(by_words.unwrap_or_else(|more| more.max(equal_characters(words))))
    });
    2.0 * common as f64 / both as f64
}

fn equal_characters(words: &[WordChange]) -> usize {
    let equal = words.iter().filter(|run| run.op == WordOp::Equal);
    equal.map(|run| run.text.chars().count()).sum()
}

/// Returns the characters in common.
///
/// # Errors
/// Those that were found, when the steps run out. What was used of them is subtracted.
fn common_characters(old: &str, new: &str, steps: &mut usize) -> Result<usize, usize> {
    let sum = |blocks: &[Block]| blocks.iter().map(|block| block.length).sum();
    match Search::of(old.chars(), new.chars()).blocks(steps) {
        Ok(blocks) => Ok(sum(&blocks)),
        Err(blocks) => Err(sum(&blocks)),
    }
}

/// Returns the characters in common blocks of words, and in common between such blocks while the steps last.
///
/// # Errors
/// Those that were found, when the steps run out among the words.
fn common_by_words(old: &str, new: &str, steps: &mut usize) -> Result<usize, usize> {
    let [old, new] = [old, new].map(|text| text.split_inclusive(is_space).collect::<Vec<_>>());
    match Search::of(old.iter(), new.iter()).blocks(steps) {
        Ok(blocks) => Ok(characters_in(blocks, &old, &new, steps)),
        Err(blocks) => Err(characters_in(blocks, &old, &new, steps)),
    }
}

fn characters_in(mut blocks: Vec<Block>, old: &[&str], new: &[&str], steps: &mut usize) -> usize {
    blocks.sort_unstable_by_key(|block| block.old_end);
    blocks.push(Block {
        old_end: old.len(),
        new_end: new.len(),
        length: 0,
    });
    let mut common = 0;
    let (mut old_at, mut new_at) = (0, 0);
    for block in blocks {
        let (old_start, new_start) = (block.old_end - block.length, block.new_end - block.length);
        let [old_gap, new_gap] = [old.get(old_at..old_start), new.get(new_at..new_start)]
            .map(|gap| gap.unwrap_or_default().concat());
        common += match common_characters(&old_gap, &new_gap, steps) {
            Ok(between) | Err(between) => between,
        };
        let words = old.get(old_start..block.old_end).unwrap_or_default();
        common += words.iter().map(|word| word.chars().count()).sum::<usize>();
        (old_at, new_at) = (block.old_end, block.new_end);
    }
    common
}

/// A block that both sides have; its ends are exclusive.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Block {
    old_end: usize,
    new_end: usize,
    length: usize,
}

/// A common run, and the row that wrote it.
#[derive(Clone, Copy, Default)]
struct Run {
    row: u32,
    length: u32,
}

/// Two sequences prepared for the search.
struct Search {
    /// For each item of the old one, which list of places is its own.
    old: Vec<usize>,
    /// Where each distinct item stands in the new one, ascending.
    places: Vec<Vec<usize>>,
    /// At `j + 1`: the run that ends with item `j` of the new one.
    runs: Vec<Run>,
    row: u32,
}

impl Search {
    fn of<T: Hash + Eq>(old: impl Iterator<Item = T>, new: impl Iterator<Item = T>) -> Self {
        let mut ids: HashMap<T, usize> = HashMap::new();
        let mut places: Vec<Vec<usize>> = Vec::new();
        let mut runs = vec![Run::default()];
        for (at, item) in new.enumerate() {
            let id = *ids.entry(item).or_insert(places.len());
            match places.get_mut(id) {
                Some(list) => list.push(at),
                None => places.push(vec![at]),
            }
            runs.push(Run::default());
        }
        Self {
            old: old
                .map(|item| ids.get(&item).copied().unwrap_or(usize::MAX))
                .collect(),
            places,
            runs,
            row: 0,
        }
    }

    /// Returns all blocks, in no order.
    ///
    /// # Errors
    /// The blocks that were found when the steps ran out: none, when the first search alone would take too many.
    fn blocks(mut self, steps: &mut usize) -> Result<Vec<Block>, Vec<Block>> {
        let mut blocks = Vec::new();
        if self.pairs() > *steps {
            return Err(blocks);
        }
        let mut open = vec![(0..self.old.len(), 0..self.runs.len().saturating_sub(1))];
        while let Some((old, new)) = open.pop() {
            let Some(block) = self.longest_block(&old, &new, steps) else {
                return Err(blocks);
            };
            if block.length > 0 {
                open.push((
                    old.start..block.old_end - block.length,
                    new.start..block.new_end - block.length,
                ));
                open.push((block.old_end..old.end, block.new_end..new.end));
                blocks.push(block);
            }
        }
        Ok(blocks)
    }

    /// Returns the pairs of equal items: what the first search has to look at.
    fn pairs(&self) -> usize {
        self.old
            .iter()
            .map(|id| self.places.get(*id).map_or(0, Vec::len))
            .sum()
    }

    /// Returns the longest block within two ranges, of length 0 when they have nothing in common; `None` when the steps
    /// run out.
    fn longest_block(&mut self, old: &Range<usize>, new: &Range<usize>, steps: &mut usize) -> Option<Block> {
        let mut best = Block::default();
        if new.is_empty() {
            return Some(best);
        }
        // Rows are numbered through, with a gap here, so that a run continues only what the row just before has written.
        self.row += 1;
        for at in old.clone() {
            self.row += 1;
            let id = self.old.get(at).copied().unwrap_or(usize::MAX);
            let places = within(self.places.get(id).map(Vec::as_slice).unwrap_or_default(), new);
            *steps = steps.checked_sub(places.len() + 1)?;
            // Backwards, so that the run before each place is still that of the row before.
            for place in places.iter().rev() {
                let Some([before, here]) = self.runs.get_mut(*place..*place + 2) else {
                    continue;
                };
                let continued = if before.row + 1 == self.row {
                    before.length
                } else {
                    0
                };
                here.row = self.row;
                here.length = continued + 1;
                let length = here.length as usize;
                if length > best.length || (length == best.length && best.old_end == at + 1) {
                    best = Block {
                        old_end: at + 1,
                        new_end: place + 1,
                        length,
                    };
                }
            }
        }
        Some(best)
    }
}

/// Returns the part of ascending places that lies within a range.
fn within<'a>(places: &'a [usize], range: &Range<usize>) -> &'a [usize] {
    let first = places.partition_point(|place| *place < range.start);
    let end = places.partition_point(|place| *place < range.end);
    places.get(first..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::super::alignment::Alignment;
    use super::*;
    use proptest::prelude::*;

    fn found(old: &str, new: &str) -> f64 {
        similarity(old, new, &Alignment::of(old, new).word_changes())
    }

    fn check(old: &str, new: &str, common: usize) {
        let both = old.chars().count() + new.chars().count();
        let expected = 2.0 * common as f64 / both as f64;
        assert_eq!(found(old, new), expected, "{old:.40?} to {new:.40?}");
    }

    #[test]
    fn the_longest_block_splits_the_texts() {
        check("abc", "xyz", 0);
        check("", "abc", 0);
        check("abcd", "bcde", 3);
        check("né 文档", "ne 文档", 4);
        check("private", "pirate", 5);
        // A longest common subsequence would find 4; but the block "ef" leaves nothing to the left of it.
        check("efabxcd", "abycdzefg", 2);
    }

    #[test]
    fn of_equal_blocks_the_first_counts() {
        check("ab", "ba", 1);
        check("xaybz", "bza", 2);
        check("abcabc", "abc", 3);
        assert_eq!(found("", ""), 1.0);
    }

    #[test]
    fn when_the_steps_run_out_what_was_found_is_given() {
        let common = |mut steps: usize| common_characters("red cat", "red car", &mut steps);
        assert_eq!(common(15), Ok(6));
        assert_eq!(common(14), Err(6));
        assert_eq!(common(13), Err(0));
        assert_eq!(common(6), Err(0));
    }

    #[test]
    fn words_count_whole_and_characters_between_them() {
        let common = |mut steps: usize| common_by_words("the red cat sat", "the red car sat", &mut steps);
        assert_eq!(common(22), Ok(14));
        assert_eq!(
            common(11),
            Ok(11),
            "no steps are left for the characters of one word"
        );
        assert_eq!(common(9), Err(8));
        assert_eq!(common(0), Err(0));
    }

    #[test]
    fn long_texts_are_compared_by_words() {
        let old: String = (0..20_000).map(|n| format!("w{n} ")).collect();
        let size = old.chars().count();
        check(
            &old,
            &old.replace("w7 ", "v7 ").replace("w19999 ", ""),
            size - 1 - 7,
        );
        let moved = format!("{}{}", &old[size / 2..], &old[..size / 2]);
        let share = found(&old, &moved);
        assert!((0.5..0.6).contains(&share), "{share}");
    }

    #[test]
    fn long_texts_of_few_different_words_are_compared_by_their_alignment() {
        let old = "so be it ".repeat(5000);
        check(&old, &format!("{old}now"), 45_000);
        check(&"ab".repeat(50_000), &"c".repeat(100_000), 0);
        assert!(
            found(&"a".repeat(3000), &"ab".repeat(1500)) > 0.0,
            "what characters gave is kept"
        );
    }

    proptest! {
        #[test]
        fn similarity_is_a_share_and_one_for_equal_texts_only(old in "[ab文 ]{0,30}", new in "[ab文 ]{0,30}") {
            let share = found(&old, &new);
            prop_assert!((0.0..=1.0).contains(&share));
            prop_assert_eq!(share == 1.0, old == new);
        }

        #[test]
        fn words_never_count_more_than_the_shorter_text(old in "[ab ]{0,30}", new in "[ab ]{0,30}", steps in 0_usize..200) {
            let shorter = old.chars().count().min(new.chars().count());
            let (Ok(common) | Err(common)) = common_by_words(&old, &new, &mut steps.clone());
            prop_assert!(common <= shorter);
        }
    }
}
