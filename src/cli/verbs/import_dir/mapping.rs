//! Names and numbers of elsewhere as names and numbers of ours. Pure.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use crate::dify::workflow_slug;
use crate::model::{Bump, Checksum, PromptId, Version};

/// The key in `metadata` that keeps the original name and number.
pub(super) const IMPORTED_FROM: &str = "imported_from";

/// What the store holds of a prompt already.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Known {
    /// Numbers that are taken: versions and trash.
    pub(super) used: BTreeSet<Version>,
    /// Numbers that an earlier import gave to originals that are no numbers of ours.
    pub(super) imported: BTreeMap<String, Version>,
}

/// Returns the name of a prompt: itself where it can be, else what is usable of it and a hash of the whole.
pub(super) fn map_name(original: &str) -> Option<PromptId> {
    PromptId::new(original)
        .or_else(|_| PromptId::new(&workflow_slug(original, None)))
        .ok()
}

/// Tells whether a number has to be changed.
pub(super) fn is_odd(stem: &str) -> bool {
    Version::new(stem).is_err()
}

/// Gives every version of a prompt its number: itself where it can be; else the one that an earlier import gave it; else
/// the next one that is free, in the order of the numbers in the names.
///
/// `None` stands for a number beyond the range.
pub(super) fn map_versions<'s>(stems: &[&'s str], known: &Known) -> BTreeMap<&'s str, Option<Version>> {
    let mut mapped: BTreeMap<&str, Option<Version>> = BTreeMap::new();
    let mut taken: BTreeSet<Version> = known.used.clone();
    let mut odd: Vec<&str> = Vec::new();
    for stem in stems {
        match Version::new(stem)
            .ok()
            .or_else(|| known.imported.get(*stem).cloned())
        {
            Some(version) => {
                taken.insert(version.clone());
                mapped.insert(stem, Some(version));
            }
            None => odd.push(stem),
        }
    }
    odd.sort_by_key(|stem| (numbers_in(stem), *stem));
    for stem in odd {
        let next = match taken.last() {
            Some(highest) => highest.bumped(Bump::Patch),
            None => Some(Version::FIRST),
        };
        taken.extend(next.clone());
        mapped.insert(stem, next);
    }
    mapped
}

fn numbers_in(stem: &str) -> Vec<u64> {
    stem.split(|c: char| !c.is_ascii_digit())
        .filter_map(|digits| digits.parse().ok())
        .collect()
}

/// One version on its way: where it came from and where it goes.
#[derive(Debug)]
pub(super) struct Route<'a> {
    /// The name of its directory.
    pub(super) from_name: &'a str,
    /// The name of its file, without the ending.
    pub(super) from_version: &'a str,
    /// The name that it gets.
    pub(super) name: &'a PromptId,
    /// The number that it gets.
    pub(super) version: &'a Version,
    /// The numbers of all versions of the prompt, for the parent.
    pub(super) siblings: &'a BTreeMap<&'a str, Option<Version>>,
}

/// Gives a document its name and number and drops a checksum that is not right any more.
///
/// # Errors
/// A sentence, when the document is none or disagrees with the place where it lies.
pub(super) fn rewrite(mut document: Value, route: &Route<'_>) -> Result<Value, String> {
    let Value::Object(fields) = &mut document else {
        return Err("it is no JSON object".to_owned());
    };
    agree(fields, "prompt_id", route.from_name)?;
    agree(fields, "version", route.from_version)?;
    let mut original = Map::new();
    if route.from_name != route.name.as_str() {
        fields.insert("prompt_id".to_owned(), json!(route.name));
        original.insert("prompt_id".to_owned(), json!(route.from_name));
    }
    if is_odd(route.from_version) {
        fields.insert("version".to_owned(), json!(route.version));
        original.insert("version".to_owned(), json!(route.from_version));
    }
    if let Some(parent) = fields
        .get("parent_version")
        .and_then(Value::as_str)
        .filter(|parent| is_odd(parent))
    {
        let mapped = route.siblings.get(parent).cloned().flatten();
        original.insert("parent_version".to_owned(), json!(parent));
        fields.insert("parent_version".to_owned(), json!(mapped));
    }
    if !original.is_empty() {
        let metadata = fields.entry("metadata").or_insert_with(|| json!({}));
        if let Value::Object(metadata) = metadata {
            metadata.insert(IMPORTED_FROM.to_owned(), Value::Object(original));
        }
    }
    drop_stale_checksum(&mut document);
    Ok(document)
}

fn agree(fields: &Map<String, Value>, field: &str, place: &str) -> Result<(), String> {
    match fields.get(field) {
        Some(Value::String(said)) if said == place => Ok(()),
        Some(said) => Err(format!("its {field} is {said}, but it lies at {place:?}")),
        None => Err(format!("it has no {field}")),
    }
}

fn drop_stale_checksum(document: &mut Value) {
    let actual = Checksum::of(document).ok();
    if let Some(metadata) = document.get_mut("metadata").and_then(Value::as_object_mut)
        && let Some(claimed) = metadata.get("checksum")
        && claimed.as_str() != actual.as_ref().map(Checksum::as_str)
    {
        metadata.shift_remove("checksum");
    }
}

/// Returns the original number that a document says it was imported from.
pub(super) fn imported_from(document: &Value) -> Option<&str> {
    document
        .get("metadata")?
        .get(IMPORTED_FROM)?
        .get("version")?
        .as_str()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn versions(numbers: &[&str]) -> BTreeSet<Version> {
        numbers
            .iter()
            .map(|number| Version::new(number).unwrap())
            .collect()
    }

    fn check_map(stems: &[&str], known: &Known, expected: &[(&str, &str)]) {
        let mapped = map_versions(stems, known);
        let shown: Vec<(&str, String)> = mapped
            .iter()
            .map(|(stem, version)| {
                (
                    *stem,
                    version
                        .as_ref()
                        .map_or_else(|| "-".to_owned(), ToString::to_string),
                )
            })
            .collect();
        let expected: Vec<(&str, String)> = expected
            .iter()
            .map(|(stem, to)| (*stem, (*to).to_owned()))
            .collect();
        assert_eq!(shown, expected);
    }

    #[test]
    fn names_that_can_stay_stay_and_others_are_told_apart_by_a_hash() {
        let name = |original: &str| map_name(original).unwrap().to_string();
        assert_eq!(name("wf_001_llm_1"), "wf_001_llm_1");
        assert!(name("日本").starts_with("workflow-"), "{}", name("日本"));
        assert!(
            name("my prompt").starts_with("my-prompt-"),
            "{}",
            name("my prompt")
        );
        assert_ne!(name("my prompt"), name("my  prompt"));
        assert_eq!(name("日本"), name("日本"));
    }

    #[test]
    fn odd_numbers_follow_the_highest_one_in_their_own_order() {
        check_map(
            &["v10", "1.0.0", "v2", "1.1.0"],
            &Known::default(),
            &[
                ("1.0.0", "1.0.0"),
                ("1.1.0", "1.1.0"),
                ("v10", "1.1.2"),
                ("v2", "1.1.1"),
            ],
        );
        check_map(&["draft"], &Known::default(), &[("draft", "1.0.0")]);
        check_map(&["01.0.0"], &Known::default(), &[("01.0.0", "1.0.0")]);
    }

    #[test]
    fn importing_again_gives_the_same_numbers() {
        let known = Known {
            used: versions(&["1.0.0", "1.0.1", "1.0.2", "1.5.0"]),
            imported: [("v2".to_owned(), Version::release(1, 0, 1))].into(),
        };
        check_map(
            &["1.0.0", "v2", "v3"],
            &known,
            &[("1.0.0", "1.0.0"), ("v2", "1.0.1"), ("v3", "1.5.1")],
        );
    }

    fn rewritten(document: Value, from: (&str, &str), to: (&str, &str)) -> Result<Value, String> {
        let (name, version) = (PromptId::new(to.0).unwrap(), Version::new(to.1).unwrap());
        let siblings = [("v1", Some(Version::FIRST))].into();
        let route = Route {
            from_name: from.0,
            from_version: from.1,
            name: &name,
            version: &version,
            siblings: &siblings,
        };
        rewrite(document, &route)
    }

    #[test]
    fn a_document_that_needs_no_change_gets_none() {
        let document = json!({"prompt_id": "a", "version": "1.0.0", "extra": 1, "metadata": {"author": "x"}});
        assert_eq!(
            rewritten(document.clone(), ("a", "1.0.0"), ("a", "1.0.0")),
            Ok(document)
        );
    }

    #[test]
    fn what_is_changed_is_kept_in_the_metadata() {
        let document = json!({"prompt_id": "日本", "version": "v2", "parent_version": "v1"});
        let expected = json!({"prompt_id": "x-1", "version": "1.0.1", "parent_version": "1.0.0",
            "metadata": {"imported_from": {"prompt_id": "日本", "version": "v2", "parent_version": "v1"}}});
        let found = rewritten(document, ("日本", "v2"), ("x-1", "1.0.1")).unwrap();
        assert_eq!(found, expected);
        assert_eq!(imported_from(&found), Some("v2"));
    }

    #[test]
    fn a_parent_that_is_nowhere_is_dropped_but_remembered() {
        let document = json!({"prompt_id": "a", "version": "1.0.0", "parent_version": "v9"});
        let found = rewritten(document, ("a", "1.0.0"), ("a", "1.0.0")).unwrap();
        assert_eq!(found["parent_version"], Value::Null);
        assert_eq!(found["metadata"]["imported_from"]["parent_version"], "v9");
    }

    #[test]
    fn only_a_checksum_that_is_wrong_is_dropped() {
        let mut document = json!({"prompt_id": "a", "version": "1.0.0", "metadata": {}});
        let right = Checksum::of(&document).unwrap();
        document["metadata"]["checksum"] = json!(right);
        let kept = rewritten(document.clone(), ("a", "1.0.0"), ("a", "1.0.0")).unwrap();
        assert_eq!(kept, document);
        document["metadata"]["author"] = json!("somebody else");
        let found = rewritten(document, ("a", "1.0.0"), ("a", "1.0.0")).unwrap();
        assert_eq!(found["metadata"], json!({"author": "somebody else"}));
    }

    #[test]
    fn a_document_in_the_wrong_place_is_refused() {
        let refused = |document: Value| rewritten(document, ("a", "1.0.0"), ("a", "1.0.0")).unwrap_err();
        assert_eq!(refused(json!([])), "it is no JSON object");
        assert_eq!(refused(json!({"version": "1.0.0"})), "it has no prompt_id");
        assert_eq!(
            refused(json!({"prompt_id": "b", "version": "1.0.0"})),
            "its prompt_id is \"b\", but it lies at \"a\""
        );
        assert_eq!(
            refused(json!({"prompt_id": "a", "version": 1})),
            "its version is 1, but it lies at \"1.0.0\""
        );
    }
}
