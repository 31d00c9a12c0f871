//! Giving a version file of another program its checksum, without touching any other byte of it.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde_json::value::RawValue;

use crate::model::Integrity;

use super::StoredVersion;

const METADATA: &str = "metadata";
const CHECKSUM: &str = "checksum";

/// Returns the bytes of a version file with its checksum in place. Layout, numbers and unknown keys stay as they are.
///
/// # Errors
/// A sentence when the file is no version, or cannot be sealed by changing nothing but `metadata.checksum`.
pub(crate) fn reseal(bytes: &Bytes) -> Result<Vec<u8>, String> {
    let (original, _) = StoredVersion::parse(bytes.clone()).map_err(|e| e.to_string())?;
    let text = std::str::from_utf8(bytes).map_err(|e| e.to_string())?;
    // A checksum covers an empty `metadata`, which must therefore be there before it is computed.
    let with_metadata = match place_of(text, METADATA)? {
        Some((start, end)) if text.get(start..end) == Some("null") => splice(text, start, "{}", end),
        Some(_) => text.to_owned(),
        None => with_key(text, METADATA, "{}")?,
    };
    let owned = Bytes::from(with_metadata.clone().into_bytes());
    let (before, _) = StoredVersion::parse(owned).map_err(|e| e.to_string())?;
    let (start, end) = place_of(&with_metadata, METADATA)?.ok_or("it has no metadata")?;
    let metadata = with_metadata.get(start..end).unwrap_or_default();
    let metadata = with_key(metadata, CHECKSUM, &format!("\"{}\"", before.checksum))?;
    let sealed = splice(&with_metadata, start, &metadata, end);
    let unsuitable = || "it cannot be sealed by changing metadata.checksum alone: save it anew".to_owned();
    let sealed = Bytes::from(sealed.into_bytes());
    let (after, _) = StoredVersion::parse(sealed.clone()).map_err(|_| unsuitable())?;
    let same = after.checksum == before.checksum && after.fingerprint == original.fingerprint;
    if after.integrity == Integrity::Sealed && same {
        Ok(sealed.to_vec())
    } else {
        Err(unsuitable())
    }
}

/// Returns where the value of a key of an object stands in its text.
fn place_of(object: &str, key: &str) -> Result<Option<(usize, usize)>, String> {
    let fields: BTreeMap<String, &RawValue> = serde_json::from_str(object).map_err(|e| e.to_string())?;
    Ok(fields.get(key).map(|value| {
        // A raw value is borrowed from the text that it stands in.
        let start = value.get().as_ptr().addr() - object.as_ptr().addr();
        (start, start + value.get().len())
    }))
}

/// Returns an object with a key set: in its place when it is there, else as the last one.
fn with_key(object: &str, key: &str, value: &str) -> Result<String, String> {
    if let Some((start, end)) = place_of(object, key)? {
        return Ok(splice(object, start, value, end));
    }
    let end = object.rfind('}').ok_or("not an object")?;
    let (body, rest) = object.split_at(end);
    let body_end = body.trim_end().len();
    let (body, space) = body.split_at(body_end);
    let is_empty = body.trim_end().ends_with('{');
    let comma = if is_empty { "" } else { "," };
    // The new key stands as the one before it does: on a line of its own, or not.
    let indent = match body.rfind('\n') {
        Some(line) if !is_empty => {
            let line = body.get(line..).unwrap_or_default();
            let width = line.len() - line.trim_start().len();
            line.get(..width).unwrap_or(" ").to_owned()
        }
        _ if is_empty => String::new(),
        _ => " ".to_owned(),
    };
    Ok(format!("{body}{comma}{indent}\"{key}\": {value}{space}{rest}"))
}

fn splice(text: &str, start: usize, middle: &str, end: usize) -> String {
    let (head, tail) = (
        text.get(..start).unwrap_or_default(),
        text.get(end..).unwrap_or_default(),
    );
    format!("{head}{middle}{tail}")
}

#[cfg(test)]
mod tests {
    use super::*;

    const CORE: &str = r#""prompt_id": "p", "version": "1.0.0", "later": {"x": [1, 2.50]},
 "prompt": {"id": "p", "workflow_id": "", "node_id": "", "node_type": "", "text": "Prüfe } das."},
    "analysis": {"prompt_id": "p", "overall_score": 65.0, "clarity_score": 1e1, "efficiency_score": 1}"#;

    fn check(rest: &str, expected_rest: &str) {
        let bytes = Bytes::from(format!("{{{CORE}{rest}}}\n"));
        let sealed = String::from_utf8(reseal(&bytes).unwrap()).unwrap();
        let (stored, _) = StoredVersion::parse(Bytes::from(sealed.clone())).unwrap();
        assert_eq!(stored.integrity, Integrity::Sealed);
        let expected_rest = expected_rest.replace("SUM", stored.checksum.to_string().as_str());
        assert_eq!(
            sealed,
            format!("{{{CORE}{expected_rest}}}\n"),
            "every other byte stays"
        );
    }

    #[test]
    fn nothing_but_the_checksum_changes() {
        check(
            r#", "metadata": {"a": 1}"#,
            r#", "metadata": {"a": 1, "checksum": "SUM"}"#,
        );
        check(r#", "metadata": {}"#, r#", "metadata": {"checksum": "SUM"}"#);
        check(
            r#", "metadata": {"checksum": null, "a": "}"}"#,
            r#", "metadata": {"checksum": "SUM", "a": "}"}"#,
        );
        check(
            r#", "metadata": {"checksum": "sha256:old"}"#,
            r#", "metadata": {"checksum": "SUM"}"#,
        );
        check(
            ",\n  \"metadata\": {\n    \"a\": 1\n  }\n",
            ",\n  \"metadata\": {\n    \"a\": 1,\n    \"checksum\": \"SUM\"\n  }\n",
        );
        check("", ",\n    \"metadata\": {\"checksum\": \"SUM\"}");
    }

    #[test]
    fn what_is_no_version_is_refused() {
        for bytes in ["", "[]", "{}", "{\"metadata\": {}}"] {
            assert!(reseal(&Bytes::from_static(bytes.as_bytes())).is_err(), "{bytes}");
        }
    }
}
