//! Replacing bytes.

use std::ops::Range;

use super::error::PatchError;

/// Bytes to replace, and what takes their place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Edit {
    /// The bytes of the original.
    pub(super) range: Range<usize>,
    /// What stands there instead.
    pub(super) text: String,
}

/// Applies edits in the order of their ranges.
pub(super) fn splice(source: &str, edits: &[Edit]) -> Result<Vec<u8>, PatchError> {
    let growth: usize = edits.iter().map(|edit| edit.text.len()).sum();
    let mut spliced = Vec::with_capacity(source.len() + growth);
    let mut done = 0;
    for edit in edits {
        spliced.extend_from_slice(between(source, done, edit.range.start)?.as_bytes());
        spliced.extend_from_slice(edit.text.as_bytes());
        done = edit.range.end;
    }
    spliced.extend_from_slice(between(source, done, source.len())?.as_bytes());
    Ok(spliced)
}

/// Checks that everything outside the edits is the same, byte for byte.
pub(super) fn check_outside(source: &str, spliced: &[u8], edits: &[Edit]) -> Result<(), PatchError> {
    let mut rest = spliced;
    let mut done = 0;
    let ends = edits.iter().map(|edit| (edit.range.clone(), edit.text.len()));
    for (range, replaced) in ends.chain([(source.len()..source.len(), 0)]) {
        let kept = between(source, done, range.start)?.as_bytes();
        rest = rest
            .strip_prefix(kept)
            .and_then(|rest| rest.get(replaced..))
            .ok_or_else(|| PatchError::unverified(format!("bytes before byte {} changed", range.start)))?;
        done = range.end;
    }
    if rest.is_empty() {
        Ok(())
    } else {
        Err(PatchError::unverified("bytes follow the end of the document"))
    }
}

fn between(source: &str, from: usize, to: usize) -> Result<&str, PatchError> {
    source
        .get(from..to)
        .ok_or_else(|| PatchError::unverified(format!("the places to write overlap at byte {from}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edit(range: Range<usize>, text: &str) -> Edit {
        let text = text.to_owned();
        Edit { range, text }
    }

    #[test]
    fn what_is_between_the_edits_stays() {
        let edits = [edit(1..2, "BB"), edit(3..3, "!"), edit(4..5, "")];
        let spliced = splice("abcde", &edits).unwrap();
        assert_eq!(spliced, b"aBBc!d");
        assert_eq!(check_outside("abcde", &spliced, &edits), Ok(()));
        for wrong in ["aBBc!d!", "aBBc!x", "xBBc!d", "aBBc", ""] {
            assert!(
                check_outside("abcde", wrong.as_bytes(), &edits).is_err(),
                "{wrong}"
            );
        }
    }

    #[test]
    fn edits_that_overlap_or_cut_a_character_are_refused() {
        assert!(splice("abc", &[edit(0..2, "x"), edit(1..3, "y")]).is_err());
        assert!(splice("é", &[edit(1..2, "x")]).is_err());
        assert!(splice("abc", &[edit(2..9, "x")]).is_err());
    }
}
