//! Finding the end of the log at a start, and what was intended and has no end.

use std::collections::BTreeMap;
use std::io;

use super::chain::{Hash, Head};
use super::entry::{Entry, Outcome};
use super::files::Files;

/// What was found of a log.
#[derive(Debug)]
pub(super) struct Found {
    /// Whether this is what there is; else the files could not be read.
    pub(super) is_known: bool,
    /// The last segment and its size; `None` when there is none.
    pub(super) segment: Option<(u32, u64)>,
    pub(super) head: Head,
    /// What was intended, and nobody knows what came of it.
    pub(super) open: Vec<Entry>,
    /// Bytes of a line that was cut off, and is put aside.
    pub(super) torn_bytes: usize,
    /// What is wrong with the last lines.
    pub(super) damage: Option<String>,
}

/// The end of the chain, as the last segment that has a line says.
struct End {
    head: Head,
    open: u64,
    damage: Option<String>,
}

impl Found {
    pub(super) fn nothing(is_known: bool) -> Self {
        Self {
            is_known,
            segment: None,
            head: Head::none(),
            open: Vec::new(),
            torn_bytes: 0,
            damage: None,
        }
    }
}

/// Finds the end of the log. A line that was cut off is put aside.
pub(super) fn recover(files: &Files) -> io::Result<Found> {
    let numbers = files.numbers()?;
    let mut found = Found::nothing(true);
    let Some(last) = numbers.last() else {
        return Ok(found);
    };
    let whole = whole_lines(files, *last, &mut found)?;
    found.segment = Some((*last, whole.len() as u64));
    let mut open_from = None;
    let mut intended = BTreeMap::new();
    let mut ended = Vec::new();
    for (position, number) in numbers.iter().rev().enumerate() {
        let bytes = if position == 0 {
            whole.clone()
        } else {
            files.read(*number)?
        };
        if open_from.is_none()
            && let Some(end) = end_of(&bytes)
        {
            open_from = Some(end.open);
            found.head = end.head;
            found.damage = end.damage;
        }
        let Some(from) = open_from else { continue };
        let entries = lines(&bytes).filter_map(|line| Entry::parse(line).ok());
        let mut first = None;
        for entry in entries {
            first.get_or_insert(entry.seq);
            ended.extend(entry.draft.of);
            if entry.draft.outcome == Outcome::Intended && entry.seq >= from {
                intended.insert(entry.seq, entry);
            }
        }
        if first.is_some_and(|first| first <= from) {
            break;
        }
    }
    for seq in ended {
        intended.remove(&seq);
    }
    found.open = intended.into_values().collect();
    Ok(found)
}

fn whole_lines(files: &Files, number: u32, found: &mut Found) -> io::Result<Vec<u8>> {
    let mut bytes = files.read(number)?;
    let whole = bytes
        .iter()
        .rposition(|byte| *byte == b'\n')
        .map_or(0, |end| end + 1);
    let torn = bytes.split_off(whole);
    if !torn.is_empty() {
        let seq = end_of(&bytes).map_or(0, |end| end.head.seq) + 1;
        found.torn_bytes = torn.len();
        if let Err(error) = files.cut(number, &bytes, &torn, seq) {
            // On a read-only file system, say. Whoever writes next cuts it off first.
            tracing::warn!(%error, "the last line of the audit log was cut off and cannot be put aside now");
        }
    }
    Ok(bytes)
}

fn lines(bytes: &[u8]) -> impl DoubleEndedIterator<Item = &[u8]> {
    bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty())
}

/// The chain goes on from the bytes that are there: what is wrong with them is for a verification to find.
fn end_of(bytes: &[u8]) -> Option<End> {
    let mut lines = lines(bytes).rev();
    let last = lines.next()?;
    let mut damage = None;
    let mut after = 0;
    let mut line = last;
    let entry = loop {
        match Entry::parse(line) {
            Ok(entry) => break Some(entry),
            Err(reason) => {
                damage.get_or_insert(reason);
                after += 1;
            }
        }
        match lines.next() {
            Some(before) => line = before,
            None => break None,
        }
    };
    let (seq, open) = entry.map_or((0, 0), |entry| (entry.seq, entry.open));
    let head = Head {
        seq: seq + after,
        hash: Hash::of(last),
    };
    Some(End { head, open, damage })
}
