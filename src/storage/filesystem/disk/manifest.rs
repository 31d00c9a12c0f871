//! `.manifest.json`: what is true of a prompt beyond its versions (docs/format.md).

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::model::{Author, Label, PromptId, Timestamp, Version, render, strict_json};
use crate::storage::{HighestUsed, LabelEntry, LabelMove, PromptEntry};

/// The most label moves that a manifest keeps; the oldest are dropped beyond that.
const MAX_LABEL_HISTORY: usize = 10_000;

/// Where a label points, as the manifest has it.
pub type LabelRecord = LabelEntry;

/// The content of a manifest. Keys that this version of promptd does not know are kept.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Manifest {
    /// The highest numbers known to have been used.
    pub highest_used: HighestUsed,
    /// What the prompt is for.
    pub description: Option<String>,
    /// Free tags.
    pub tags: Vec<String>,
    /// Where the labels point.
    pub labels: BTreeMap<Label, LabelRecord>,
    /// Every move of every label, the oldest first.
    pub label_history: Vec<LabelMove>,
    rest: Map<String, Value>,
}

impl Manifest {
    /// Reads a manifest.
    ///
    /// # Errors
    /// A sentence that says what is wrong with it.
    pub fn parse(bytes: &[u8], id: &PromptId) -> Result<Self, String> {
        let mut rest = match strict_json::parse(bytes) {
            Ok(Value::Object(rest)) => rest,
            Ok(_) => return Err("not a JSON object".into()),
            Err(reason) => return Err(format!("not a JSON object: {reason}")),
        };
        if let Some(named) = rest.shift_remove("prompt_id")
            && named.as_str() != Some(id.as_str())
        {
            return Err(format!("it belongs to prompt {named}"));
        }
        Ok(Self {
            highest_used: HighestUsed {
                release: take(&mut rest, "highest_version")?,
                prerelease: take(&mut rest, "highest_prerelease")?,
            },
            description: take(&mut rest, "description")?,
            tags: take(&mut rest, "tags")?,
            labels: take(&mut rest, "labels")?,
            label_history: take(&mut rest, "label_history")?,
            rest,
        })
    }

    /// Returns the bytes of the manifest's file.
    ///
    /// # Errors
    /// A sentence when a value cannot be written as JSON.
    pub fn render(&self, id: &PromptId) -> Result<Vec<u8>, String> {
        let mut document = json!({
            "prompt_id": id,
            "highest_version": self.highest_used.release,
            "highest_prerelease": self.highest_used.prerelease,
            "description": self.description,
            "tags": self.tags,
            "labels": self.labels,
            "label_history": self.label_history,
        });
        if let Some(object) = document.as_object_mut() {
            object.extend(self.rest.clone());
        }
        render(&document).map_err(|e| e.to_string())
    }

    /// Points a label at a version and records the move.
    pub fn set_label(&mut self, label: &Label, version: &Version, author: &Author) -> LabelRecord {
        let record = LabelEntry {
            version: version.clone(),
            set_at: Timestamp::now(),
            set_by: author.clone(),
        };
        let from = self
            .labels
            .insert(label.clone(), record.clone())
            .map(|old| old.version);
        self.record(label, from, Some(version.clone()), author, record.set_at.clone());
        record
    }

    /// Removes a label and records the removal; does nothing when it is not set.
    pub fn remove_label(&mut self, label: &Label, author: &Author) {
        if let Some(old) = self.labels.remove(label) {
            self.record(label, Some(old.version), None, author, Timestamp::now());
        }
    }

    fn record(
        &mut self,
        label: &Label,
        from: Option<Version>,
        to: Option<Version>,
        author: &Author,
        at: Timestamp,
    ) {
        self.label_history.push(LabelMove {
            label: label.clone(),
            from,
            to,
            at,
            by: author.clone(),
        });
        let surplus = self.label_history.len().saturating_sub(MAX_LABEL_HISTORY);
        self.label_history.drain(..surplus);
    }

    /// Copies what the manifest says into the entry of the prompt.
    pub fn apply_to(&self, entry: &mut PromptEntry) {
        entry.labels.clone_from(&self.labels);
        entry.description.clone_from(&self.description);
        entry.tags.clone_from(&self.tags);
        entry.highest_used.clone_from(&self.highest_used);
    }
}

fn take<T: serde::de::DeserializeOwned + Default>(
    object: &mut Map<String, Value>,
    key: &str,
) -> Result<T, String> {
    match object.shift_remove(key) {
        None | Some(Value::Null) => Ok(T::default()),
        Some(value) => serde_json::from_value(value).map_err(|e| format!("{key}: {e}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id() -> PromptId {
        PromptId::new("p").unwrap()
    }

    #[test]
    fn unknown_keys_survive_a_rewrite() {
        let bytes = br#"{"prompt_id":"p","highest_version":"1.2.0","tags":["a"],"later":{"x":[1]}}"#;
        let manifest = Manifest::parse(bytes, &id()).unwrap();
        let again = Manifest::parse(&manifest.render(&id()).unwrap(), &id()).unwrap();
        assert_eq!(again, manifest);
        assert_eq!(again.rest["later"], json!({"x": [1]}));
    }

    #[test]
    fn label_moves_are_recorded() {
        let (mut manifest, label) = (Manifest::default(), Label::new("production").unwrap());
        manifest.set_label(&label, &Version::release(1, 0, 0), &Author::daemon());
        manifest.set_label(&label, &Version::release(1, 0, 1), &Author::daemon());
        manifest.remove_label(&label, &Author::daemon());
        manifest.remove_label(&label, &Author::daemon());
        let moves: Vec<_> = manifest
            .label_history
            .iter()
            .map(|m| (m.from.clone(), m.to.clone()))
            .collect();
        let (one, two) = (Some(Version::release(1, 0, 0)), Some(Version::release(1, 0, 1)));
        assert_eq!(moves, [(None, one.clone()), (one, two.clone()), (two, None)]);
    }

    #[test]
    fn damage_is_named() {
        for (bytes, message) in [
            (&b"{"[..], "not a JSON object"),
            (b"[]", "not a JSON object"),
            (br#"{"tags":["a"],"tags":["b"]}"#, "duplicate key"),
            (br#"{"prompt_id":"q"}"#, "it belongs to prompt \"q\""),
            (br#"{"labels":{"latest":{}}}"#, "labels:"),
            (br#"{"highest_version":"1"}"#, "highest_version:"),
        ] {
            let error = Manifest::parse(bytes, &id()).unwrap_err();
            assert!(error.contains(message), "{error}");
        }
    }
}
