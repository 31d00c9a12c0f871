//! Checking a patched document against what was meant.

use std::collections::HashMap;

use super::error::PatchError;
use super::splice::{Edit, check_outside};
use crate::dify::document::{Document, parse_document};
use crate::dify::limits::Limits;
use crate::dify::pointer::escape;
use crate::dify::tree::{Node, NodeKind};

/// The texts that are meant to be new, by their pointers.
#[derive(Debug, Default)]
pub(super) struct Meant<'r> {
    texts: HashMap<&'r str, &'r str>,
}

impl<'r> Meant<'r> {
    /// Adds one.
    pub(super) fn insert(&mut self, pointer: &'r str, text: &'r str) {
        self.texts.insert(pointer, text);
    }
}

/// Reads the patched document again: it must differ from the original in exactly the meant texts, and in no byte outside
/// the edits.
pub(super) fn verify(
    original: &Document,
    source: &str,
    patched: &[u8],
    edits: &[Edit],
    meant: &Meant<'_>,
    limits: &Limits,
) -> Result<(), PatchError> {
    check_outside(source, patched, edits)?;
    let patched = parse_document(patched, limits).map_err(|error| match error.reason() {
        "too-large" | "too-many-nodes" | "too-much-text" => PatchError::Document(error),
        _ => PatchError::unverified(error.to_string()),
    })?;
    let mut comparison = Comparison {
        meant,
        path: String::new(),
        met: 0,
    };
    comparison.compare(&original.root, &patched.root)?;
    if comparison.met == meant.texts.len() {
        Ok(())
    } else {
        Err(PatchError::unverified("a new text is not reached from the root"))
    }
}

/// A walk over both trees at once. Its depth is that of a tree within its limits.
struct Comparison<'m, 'r> {
    meant: &'m Meant<'r>,
    path: String,
    met: usize,
}

impl Comparison<'_, '_> {
    fn compare(&mut self, old: &Node, new: &Node) -> Result<(), PatchError> {
        match (&old.kind, &new.kind) {
            (NodeKind::Sequence(old), NodeKind::Sequence(new)) if old.len() == new.len() => {
                for (index, (old, new)) in old.iter().zip(new.iter()).enumerate() {
                    self.below(&index.to_string(), old, new)?;
                }
                Ok(())
            }
            (NodeKind::Mapping(old), NodeKind::Mapping(new)) if old.iter().count() == new.iter().count() => {
                for ((old_key, old), (new_key, new)) in old.iter().zip(new.iter()) {
                    if old_key != new_key {
                        return Err(self.differs());
                    }
                    self.below(&escape(old_key), old, new)?;
                }
                Ok(())
            }
            (NodeKind::Text(_), NodeKind::Text(new)) if self.meant.texts.contains_key(self.path.as_str()) => {
                self.met += 1;
                match self.meant.texts.get(self.path.as_str()) {
                    Some(text) if **text == **new => Ok(()),
                    _ => Err(self.differs()),
                }
            }
            (old, new) if old == new => Ok(()),
            _ => Err(self.differs()),
        }
    }

    fn below(&mut self, token: &str, old: &Node, new: &Node) -> Result<(), PatchError> {
        let length = self.path.len();
        self.path.push('/');
        self.path.push_str(token);
        self.compare(old, new)?;
        self.path.truncate(length);
        Ok(())
    }

    fn differs(&self) -> PatchError {
        PatchError::unverified(format!("it differs at '{}'", self.path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(original: &str, patched: &str, meant: &[(&str, &str)], expected: Option<&str>) {
        let limits = Limits::default();
        let document = parse_document(original.as_bytes(), &limits).unwrap();
        let mut texts = Meant::default();
        meant
            .iter()
            .for_each(|(pointer, text)| texts.insert(pointer, text));
        let whole = Edit {
            range: 0..original.len(),
            text: patched.to_owned(),
        };
        let verified = verify(&document, original, patched.as_bytes(), &[whole], &texts, &limits);
        let reason = verified.err().map(|error| match error {
            PatchError::Unverified { reason } => reason,
            other => panic!("{other}"),
        });
        assert_eq!(reason.as_deref(), expected, "{patched}");
    }

    #[test]
    fn only_the_meant_texts_may_differ() {
        let original = "a: [x, 1]\nb: {c/d: y}\n";
        let meant = [("/b/c~1d", "z")];
        check(original, "a: [x, 1]\nb: {c/d: z}\n", &meant, None);
        check(
            original,
            "a: [x, 1]\nb: {c/d: w}\n",
            &meant,
            Some("it differs at '/b/c~1d'"),
        );
        check(
            original,
            "a: [x, 2]\nb: {c/d: z}\n",
            &meant,
            Some("it differs at '/a/1'"),
        );
        check(
            original,
            "a: [x, '1']\nb: {c/d: z}\n",
            &meant,
            Some("it differs at '/a/1'"),
        );
        check(
            original,
            "a: [x]\nb: {c/d: z}\n",
            &meant,
            Some("it differs at '/a'"),
        );
        check(
            original,
            "a: [x, 1]\ne: {c/d: z}\n",
            &meant,
            Some("it differs at ''"),
        );
        check(
            original,
            "a: [x, 1]\nb: {c/d: 5}\n",
            &meant,
            Some("it differs at '/b/c~1d'"),
        );
        check(
            original,
            original,
            &[("/nowhere", "z")],
            Some("a new text is not reached from the root"),
        );
    }
}
