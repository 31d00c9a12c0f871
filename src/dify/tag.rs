//! Explicit tags: `!!str` and the others that a safe YAML 1.1 loader knows.

use std::borrow::Cow;
use std::sync::Arc;

use serde_saphyr::granit_parser::Tag;

use super::error::{DifyError, Position};
use super::scalar::{Resolved, resolve};
use super::tree::{NodeKind, ScalarType};

/// Returns what a scalar is. Quoted and block scalars are text unless a tag says otherwise.
pub(super) fn scalar_kind(
    text: &str,
    plain: bool,
    tag: Option<&Tag>,
    at: Position,
) -> Result<NodeKind, DifyError> {
    let resolved = match tag {
        None if plain => resolve(text),
        None => Resolved::Text,
        Some(tag) => tagged(tag, text, at)?,
    };
    Ok(match resolved {
        Resolved::Null => NodeKind::Null,
        Resolved::Text => NodeKind::Text(Arc::from(text)),
        Resolved::Other(scalar) => NodeKind::Scalar(scalar, Arc::from(text)),
    })
}

fn tagged(tag: &Tag, text: &str, at: Position) -> Result<Resolved, DifyError> {
    // To PyYAML this tag says no more than that a plain scalar follows, whatever its quotes are.
    if is_open(tag) {
        return Ok(resolve(text));
    }
    Ok(match yaml_type(tag).as_deref() {
        Some("str") => Resolved::Text,
        Some("null") => Resolved::Null,
        Some("bool") => Resolved::Other(ScalarType::Bool),
        Some("int") => Resolved::Other(ScalarType::Int),
        Some("float") => Resolved::Other(ScalarType::Float),
        Some("timestamp") => Resolved::Other(ScalarType::Date),
        Some("binary") => Resolved::Other(ScalarType::Binary),
        // An empty scalar under a collection tag is what a missing value looks like.
        Some("seq" | "map") if text.is_empty() => Resolved::Null,
        _ => return Err(DifyError::UnknownTag { at }),
    })
}

/// Refuses a list or mapping under a tag that the loader of Dify does not know.
pub(super) fn known_collection_tag(tag: Option<&Tag>, at: Position) -> Result<(), DifyError> {
    let known = |tag: &Tag| {
        let collections = ["seq", "map", "set", "omap", "pairs"];
        is_open(tag) || yaml_type(tag).is_some_and(|name| collections.contains(&&*name))
    };
    match tag {
        Some(tag) if !known(tag) => Err(DifyError::UnknownTag { at }),
        _ => Ok(()),
    }
}

/// Tells whether a tag is the lone `!`, which names no type.
pub(super) fn is_open(tag: &Tag) -> bool {
    tag.to_string() == "!"
}

/// Returns the name of a type of YAML 1.1 (<https://yaml.org/type/>).
fn yaml_type(tag: &Tag) -> Option<Cow<'_, str>> {
    tag.suffix_in_namespace("tag:yaml.org,2002:")
}
