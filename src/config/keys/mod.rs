//! Every key that the configuration accepts: its path, bounds and manual text, in the order of the file.
//!
//! Reading, the environment, validation, `--print-config` and the shipped `config/promptd.yaml` are all driven by this
//! one table; a test pins it to the fields of [`Config`].

mod daemon;
mod evidence;
mod kind;
mod llm;
mod optimization;
mod storage;

pub use kind::KeyKind;
pub(super) use kind::{Problem, is_account};

use serde_json::Value;

use super::{Config, suggest};

/// One key, for manuals and completions.
#[derive(Debug, Clone, PartialEq)]
pub struct KeyInfo {
    /// The dotted path, such as `daemon.logging.level`.
    pub path: &'static str,
    /// The type of its value, with bounds.
    pub kind: KeyKind,
    /// The default, as it is written in the file.
    pub default: String,
    /// What it does, and when to change it.
    pub description: &'static str,
}

/// One section, for manuals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SectionInfo {
    /// The dotted path, such as `daemon.logging`.
    pub path: &'static str,
    /// What its keys are about.
    pub description: &'static str,
}

/// One row of the table.
#[derive(Debug, Clone, Copy)]
pub(super) struct Key {
    pub(super) path: &'static str,
    pub(super) kind: KeyKind,
    pub(super) about: &'static str,
}

/// Returns every key in the order of the file.
#[must_use]
pub fn keys() -> Vec<KeyInfo> {
    let defaults = values_of(&Config::default());
    table()
        .map(|key| KeyInfo {
            path: key.path,
            kind: key.kind,
            default: key.kind.show(value_at(&defaults, key.path)),
            description: key.about,
        })
        .collect()
}

/// Returns every section in the order of the file.
#[must_use]
pub fn sections() -> Vec<SectionInfo> {
    section_table().copied().collect()
}

/// Returns the keys whose values differ between two configurations, in the order of the file.
#[must_use]
pub fn changed_keys(one: &Config, other: &Config) -> Vec<&'static str> {
    let (one, other) = (values_of(one), values_of(other));
    let paths = table().map(|key| key.path);
    paths
        .filter(|path| value_at(&one, path) != value_at(&other, path))
        .collect()
}

/// Returns the environment variable that sets a key: `PROMPTD__DAEMON__LOGGING__LEVEL` for `daemon.logging.level`.
#[must_use]
pub fn environment_name(path: &str) -> String {
    format!("{ENV_PREFIX}{}", path.to_ascii_uppercase().replace('.', "__"))
}

/// What the name of every variable that sets a key begins with.
pub(super) const ENV_PREFIX: &str = "PROMPTD__";

pub(super) fn table() -> impl Iterator<Item = &'static Key> {
    let optimizer = storage::KEYS.iter().chain(optimization::KEYS).chain(llm::KEYS);
    optimizer.chain(evidence::KEYS).chain(daemon::KEYS)
}

fn section_table() -> impl Iterator<Item = &'static SectionInfo> {
    let optimizer = storage::SECTIONS
        .iter()
        .chain(optimization::SECTIONS)
        .chain(llm::SECTIONS);
    optimizer.chain(evidence::SECTIONS).chain(daemon::SECTIONS)
}

pub(super) fn find(path: &str) -> Option<&'static Key> {
    table().find(|key| key.path == path)
}

pub(super) fn is_section(path: &str) -> bool {
    section_table().any(|section| section.path == path)
}

/// Returns the name that was probably meant by an unknown key `name` in `section` ("" for the top level): a name in
/// the same section, or the full path of a key or section of exactly this name elsewhere.
pub(super) fn suggest(section: &str, name: &str) -> Option<String> {
    let paths: Vec<&str> = section_table()
        .map(|s| s.path)
        .chain(table().map(|key| key.path))
        .collect();
    let here = paths.iter().filter_map(|path| match path.rsplit_once('.') {
        Some((parent, child)) => (parent == section).then_some(child),
        None => section.is_empty().then_some(*path),
    });
    if let Some(near) = suggest::nearest(name, here) {
        return Some(near.to_owned());
    }
    let elsewhere = paths.iter().find(|path| path.rsplit('.').next() == Some(name));
    elsewhere.map(|path| (*path).to_owned())
}

/// Returns a configuration as a tree of values, for access by path.
pub(super) fn values_of(config: &Config) -> Value {
    serde_json::to_value(config).unwrap_or(Value::Null)
}

/// Returns the value at a dotted path, null where there is none.
pub(super) fn value_at<'a>(tree: &'a Value, path: &str) -> &'a Value {
    path.split('.')
        .fold(tree, |node, name| node.get(name).unwrap_or(&Value::Null))
}

/// Sets the value at a dotted path, making the sections on the way.
pub(super) fn set_value(tree: &mut Value, path: &str, value: Value) {
    let mut node = tree;
    for name in path.split('.') {
        if !node.is_object() {
            *node = Value::Object(serde_json::Map::new());
        }
        let Value::Object(map) = node else { return };
        node = map.entry(name).or_insert(Value::Null);
    }
    *node = value;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaves(prefix: &str, value: &Value, out: &mut Vec<String>) {
        match value {
            Value::Object(map) => {
                for (name, child) in map {
                    let path = if prefix.is_empty() {
                        name.clone()
                    } else {
                        format!("{prefix}.{name}")
                    };
                    leaves(&path, child, out);
                }
            }
            _ => out.push(prefix.to_owned()),
        }
    }

    #[test]
    fn the_table_lists_exactly_the_fields_of_the_configuration_in_their_order() {
        let mut fields = Vec::new();
        leaves("", &values_of(&Config::default()), &mut fields);
        let paths: Vec<&str> = table().map(|key| key.path).collect();
        assert_eq!(paths, fields);
    }

    #[test]
    fn every_key_lies_in_a_described_section_and_every_section_has_a_key() {
        for key in table() {
            let mut path = key.path;
            while let Some((parent, _)) = path.rsplit_once('.') {
                assert!(is_section(parent), "{parent}");
                path = parent;
            }
        }
        for section in sections() {
            assert!(
                table().any(|key| key.path.starts_with(&format!("{}.", section.path))),
                "{}",
                section.path
            );
        }
    }

    #[test]
    fn every_default_lies_within_its_bounds() {
        let defaults = values_of(&Config::default());
        for key in table() {
            let value = value_at(&defaults, key.path);
            assert_eq!(key.kind.check_value(value), Ok(()), "{}", key.path);
        }
    }

    #[test]
    fn every_text_is_a_sentence_and_every_number_names_its_unit() {
        for key in keys() {
            assert!(key.description.ends_with('.'), "{}", key.path);
            assert!(key.description.len() > 40, "{}", key.path);
        }
        for section in sections() {
            assert!(section.description.ends_with('.'), "{}", section.path);
        }
    }

    #[test]
    fn suggestions_prefer_the_same_section_and_then_look_elsewhere() {
        let check = |section: &str, name: &str, expected: Option<&str>| {
            assert_eq!(suggest(section, name).as_deref(), expected, "{section} {name}");
        };
        check("", "optimiser", Some("optimizer"));
        check("daemon.limits", "max_body_byte", Some("max_body_bytes"));
        check(
            "optimizer.storage",
            "storage_dir",
            Some("optimizer.storage.config.storage_dir"),
        );
        check("", "storage", Some("optimizer.storage"));
        check("daemon", "colour_of_the_shed", None);
    }

    #[test]
    fn environment_names_are_the_path_in_capitals() {
        assert_eq!(
            environment_name("daemon.socket_mode"),
            "PROMPTD__DAEMON__SOCKET_MODE"
        );
    }
}
