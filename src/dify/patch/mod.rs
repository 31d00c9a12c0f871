//! Putting texts back into a document: only the bytes of the scalars change.
//!
//! A document is never written anew. Each scalar is found by the events of the parser, its bytes are replaced by the new
//! text in the same style (in double quotes where that style cannot say it), and every other byte stays. The result is
//! read again and must differ from the original in exactly the meant texts; otherwise there is no result.
//!
//! What cannot be replaced without touching something else is refused place by place, with the reason.

mod block;
mod characters;
mod error;
mod find;
mod prompts;
mod scalar;
mod splice;
mod verify;
mod write;

use std::collections::HashSet;

pub use error::{PatchError, Refusal};
pub use prompts::{PromptPatch, PromptReplacement, ReplacedPrompt, patch_prompts};
pub use scalar::ScalarStyle;

use super::document::{Document, parse_document, utf8};
use super::limits::Limits;
use super::scalar::{Resolved, resolve};
use find::{Found, find_scalars};
use scalar::Scalar;
use splice::{Edit, splice};
use verify::{Meant, verify};

/// A text to put at a place of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replacement {
    /// Where, as an RFC 6901 pointer.
    pub pointer: String,
    /// The text that has to be there now.
    pub expected: String,
    /// The text that shall be there.
    pub text: String,
}

/// A document with texts put back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Patched {
    /// The whole document, with every replacement that was not refused.
    pub bytes: Vec<u8>,
    /// What came of each replacement, in their order.
    pub places: Vec<Result<PatchedPlace, Refusal>>,
}

/// A place whose text is what it shall be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PatchedPlace {
    /// Where, as an RFC 6901 pointer.
    pub pointer: String,
    /// The line of the original on which the text begins, from 1.
    pub line: usize,
    /// How it was written.
    pub old_style: ScalarStyle,
    /// How it is written now.
    pub new_style: ScalarStyle,
    /// Whether the text is another one than before.
    pub is_changed: bool,
}

impl Patched {
    /// Tells whether nothing was refused.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.places.iter().all(Result::is_ok)
    }

    /// Tells whether any text is another one than before.
    #[must_use]
    pub fn is_changed(&self) -> bool {
        self.places.iter().flatten().any(|place| place.is_changed)
    }
}

/// Which styles may be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Styles {
    /// Each scalar keeps its own where it can.
    Kept,
    /// Double quotes everywhere.
    DoubleQuoted,
}

/// Replaces texts in a YAML or JSON document.
///
/// Places are independent of each other: one that is refused keeps its bytes, the others are replaced.
///
/// # Errors
/// [`PatchError`] when the document cannot be read, the result would break a limit, or the result does not read back as
/// meant. There is no partial result then.
pub fn patch_document(
    document: &[u8],
    replacements: &[Replacement],
    limits: &Limits,
) -> Result<Patched, PatchError> {
    match attempt(document, replacements, limits, Styles::Kept) {
        // No document is known to need this; one that a style would spoil is patched all the same.
        Err(PatchError::Unverified { .. }) => attempt(document, replacements, limits, Styles::DoubleQuoted),
        done => done,
    }
}

fn attempt(
    document: &[u8],
    replacements: &[Replacement],
    limits: &Limits,
    styles: Styles,
) -> Result<Patched, PatchError> {
    let original = parse_document(document, limits)?;
    let source = utf8(document)?;
    let wanted: Vec<&str> = replacements.iter().map(|r| r.pointer.as_str()).collect();
    let found = find_scalars(source, &original.root, &wanted, limits)?;
    let mut seen = HashSet::new();
    let accepted: Vec<Result<Scalar, Refusal>> = found
        .into_iter()
        .zip(replacements)
        .map(|(found, replacement)| accept(found, replacement, seen.insert(replacement.pointer.as_str())))
        .collect();
    rewrite(source, &original, replacements, &accepted, limits, styles)
}

fn accept(
    found: Result<Found, Refusal>,
    replacement: &Replacement,
    is_first: bool,
) -> Result<Scalar, Refusal> {
    let Found { scalar, shared } = found?;
    if !is_first {
        return Err(Refusal::Twice);
    }
    if scalar.text != replacement.expected {
        return Err(Refusal::Changed {
            found: scalar.text,
            expected: replacement.expected.clone(),
        });
    }
    if scalar.text == replacement.text {
        return Ok(scalar);
    }
    let is_retyped = scalar.has_open_tag && !is_text_to_loaders(&replacement.text);
    match shared {
        Some(line) => Err(Refusal::Shared { line }),
        None if is_retyped => Err(Refusal::Tagged),
        None if !scalar.is_replaceable() => Err(Refusal::Blank),
        None => Ok(scalar),
    }
}

/// Tells whether a loader takes a text without quotes for text.
fn is_text_to_loaders(text: &str) -> bool {
    resolve(text) == Resolved::Text && !matches!(text, "=" | "<<")
}

/// Writes the new texts and checks the result.
fn rewrite(
    source: &str,
    original: &Document,
    replacements: &[Replacement],
    accepted: &[Result<Scalar, Refusal>],
    limits: &Limits,
    styles: Styles,
) -> Result<Patched, PatchError> {
    let mut edits: Vec<Edit> = Vec::new();
    let mut meant = Meant::default();
    let mut places = Vec::with_capacity(accepted.len());
    for (scalar, replacement) in accepted.iter().zip(replacements) {
        let scalar = match scalar {
            Ok(scalar) => scalar,
            Err(refusal) => {
                places.push(Err(refusal.clone()));
                continue;
            }
        };
        let is_changed = scalar.text != replacement.text;
        let mut new_style = scalar.style;
        if is_changed {
            let written = write::write(source, scalar, &replacement.text, styles);
            new_style = written.style;
            edits.extend(written.edits);
            meant.insert(&replacement.pointer, &replacement.text);
        }
        places.push(Ok(PatchedPlace {
            pointer: replacement.pointer.clone(),
            line: scalar.line,
            old_style: scalar.style,
            new_style,
            is_changed,
        }));
    }
    edits.sort_by_key(|edit| edit.range.start);
    let bytes = splice(source, &edits)?;
    verify(original, source, &bytes, &edits, &meant, limits)?;
    Ok(Patched { bytes, places })
}

#[cfg(test)]
mod corpus_tests;
#[cfg(test)]
mod position_tests;
#[cfg(test)]
mod prompt_tests;
#[cfg(test)]
mod property_tests;
#[cfg(test)]
mod pyyaml;
#[cfg(test)]
mod style_tests;
