//! From the four layers to one checked configuration.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::keys::{self, ENV_PREFIX, Key, KeyKind, Problem};
use super::yaml::{self, Content, Node, Scalar};
use super::{Config, ConfigError, MAX_CONFIG_BYTES, Origin, migrate, validate};

/// What a configuration is made of, lowest layer first; the defaults lie below all of them.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// The file; it must exist. [`paths::config_file`](super::paths::config_file) finds it.
    pub file: Option<PathBuf>,
    /// The environment. Variables that do not begin with `PROMPTD__` are passed over.
    pub env: Vec<(String, String)>,
    /// The store directory from the command line.
    pub store: Option<PathBuf>,
    /// The socket from the command line.
    pub socket: Option<PathBuf>,
}

/// The values of all layers with their origins, by path.
pub(super) type Layers = BTreeMap<&'static str, (Value, Origin)>;

/// Puts the layers together and checks the result.
///
/// # Errors
/// Everything that [`ConfigError`] lists for a configuration; the first problem is reported, with its place.
pub fn load(sources: &Sources) -> Result<Config, ConfigError> {
    let text = match &sources.file {
        Some(path) => Some((path.as_path(), read(path)?)),
        None => None,
    };
    let file = text.as_ref().map(|(path, text)| (*path, text.as_str()));
    assemble(file, sources)
}

/// Puts the layers together with the text of the file at hand.
pub(super) fn assemble(file: Option<(&Path, &str)>, sources: &Sources) -> Result<Config, ConfigError> {
    let mut layers = Layers::new();
    if let Some((path, text)) = file {
        add_file(&mut layers, path, text)?;
    }
    add_environment(&mut layers, &sources.env)?;
    add_argument(
        &mut layers,
        "optimizer.storage.config.storage_dir",
        "--store",
        sources.store.as_deref(),
    )?;
    add_argument(
        &mut layers,
        "daemon.socket",
        "--socket",
        sources.socket.as_deref(),
    )?;

    let mut values = keys::values_of(&Config::default());
    for (path, (value, _)) in &layers {
        keys::set_value(&mut values, path, value.clone());
    }
    let config: Config = serde_json::from_value(values).map_err(|error| ConfigError::Syntax {
        at: None,
        message: error.to_string(),
    })?;
    validate::together(&config, &layers)?;
    Ok(config)
}

fn add_file(layers: &mut Layers, path: &Path, text: &str) -> Result<(), ConfigError> {
    let root = yaml::parse(text, path)?;
    if let Some(change) = migrate::first_old_name(text) {
        let at = Origin::File {
            path: path.to_owned(),
            line: change.line,
        };
        return Err(ConfigError::OldName {
            at,
            old: change.from,
            new: change.to,
        });
    }
    add_section(layers, path, "", &root)
}

/// Adds the keys of one section of the file; an empty section adds none.
fn add_section(layers: &mut Layers, file: &Path, section: &str, node: &Node) -> Result<(), ConfigError> {
    let members = match &node.content {
        Content::Scalar(Scalar::Null) => return Ok(()),
        Content::Map(members) => members,
        other => {
            let key = if section.is_empty() {
                "(the whole file)"
            } else {
                section
            };
            let at = Origin::File {
                path: file.to_owned(),
                line: node.line,
            };
            return Err(wrong_type(at, key, &"a section with keys", describe(other)));
        }
    };
    for member in members {
        let at = Origin::File {
            path: file.to_owned(),
            line: member.line,
        };
        let path = if section.is_empty() {
            member.name.clone()
        } else {
            format!("{section}.{}", member.name)
        };
        if let Some(key) = keys::find(&path) {
            let value = match &member.value.content {
                Content::Scalar(scalar) => accept(key, scalar, &at)?,
                Content::List(items)
                    if matches!(key.kind, KeyKind::Choices(_) | KeyKind::Names | KeyKind::Rules) =>
                {
                    accept_list(key, items, &at)?
                }
                other => return Err(wrong_type(at, &path, &key.kind, describe(other))),
            };
            layers.insert(key.path, (value, at));
        } else if keys::is_section(&path) {
            add_section(layers, file, &path, &member.value)?;
        } else {
            return Err(unknown_key(at, section, &member.name, path));
        }
    }
    Ok(())
}

fn unknown_key(at: Origin, section: &str, name: &str, key: String) -> ConfigError {
    if is_secret(&key) {
        return ConfigError::Secret { at, key };
    }
    if migrate::is_unsupported_key(&key) {
        return ConfigError::Unsupported { at, key };
    }
    let suggestion = keys::suggest(section, name);
    ConfigError::UnknownKey { at, key, suggestion }
}

/// Adds the variables that name keys, in any case of letters.
fn add_environment(layers: &mut Layers, env: &[(String, String)]) -> Result<(), ConfigError> {
    let mut seen: BTreeMap<&'static str, &str> = BTreeMap::new();
    for (name, text) in env {
        let Some(path) = key_path(name) else { continue };
        let at = Origin::Variable(name.clone());
        let Some(key) = keys::find(&path) else {
            return Err(unknown_variable(name, &path));
        };
        if let Some(first) = seen.insert(key.path, name) {
            return Err(ConfigError::RepeatedVariable {
                first: first.to_owned(),
                second: name.clone(),
            });
        }
        let value = accept(key, &key.kind.scalar_of(text), &at)?;
        layers.insert(key.path, (value, at));
    }
    Ok(())
}

/// Returns the dotted path that a variable names, or `None` for a variable that is not ours.
fn key_path(name: &str) -> Option<String> {
    let (prefix, rest) = name.split_at_checked(ENV_PREFIX.len())?;
    prefix
        .eq_ignore_ascii_case(ENV_PREFIX)
        .then(|| rest.to_ascii_lowercase().replace("__", "."))
}

/// Whether a key of the language model is one that other programs keep a secret in.
fn is_secret(key: &str) -> bool {
    const SECRETS: [&str; 6] = ["api_key", "api_key_env", "key", "token", "password", "secret"];
    let name = key
        .strip_prefix("optimizer.llm.")
        .or_else(|| key.strip_prefix("llm."))
        .or_else(|| key.strip_prefix("daemon.tcp."));
    name.is_some_and(|name| SECRETS.contains(&name))
}

fn unknown_variable(name: &str, path: &str) -> ConfigError {
    if is_secret(path) {
        return ConfigError::Secret {
            at: Origin::Variable(name.to_owned()),
            key: path.to_owned(),
        };
    }
    if migrate::is_unsupported_key(path) {
        return ConfigError::Unsupported {
            at: Origin::Variable(name.to_owned()),
            key: path.to_owned(),
        };
    }
    let leaf = path.rsplit('.').next();
    let nearest = super::suggest::nearest(path, keys::table().map(|key| key.path)).or_else(|| {
        keys::table()
            .map(|key| key.path)
            .find(|known| known.rsplit('.').next() == leaf)
    });
    ConfigError::UnknownVariable {
        name: name.to_owned(),
        suggestion: nearest.map(keys::environment_name),
    }
}

fn add_argument(
    layers: &mut Layers,
    path: &'static str,
    argument: &'static str,
    value: Option<&Path>,
) -> Result<(), ConfigError> {
    let Some(value) = value else { return Ok(()) };
    let at = Origin::Argument(argument);
    let Some(text) = value.to_str() else {
        let found = format!("{} (not UTF-8)", value.display());
        return Err(wrong_type(at, path, &keys::KeyKind::Path, found));
    };
    let value = keys::KeyKind::Path
        .check(&Scalar::Text(text.to_owned()))
        .map_err(|problem| refuse(path, keys::KeyKind::Path, &at, problem))?;
    layers.insert(path, (value, at));
    Ok(())
}

fn accept(key: &Key, scalar: &Scalar, at: &Origin) -> Result<Value, ConfigError> {
    key.kind
        .check(scalar)
        .map_err(|problem| refuse(key.path, key.kind, at, problem))
}

fn accept_list(key: &Key, items: &[Node], at: &Origin) -> Result<Value, ConfigError> {
    key.kind
        .check_items(items)
        .map_err(|problem| refuse(key.path, key.kind, at, problem))
}

fn refuse(key: &str, kind: KeyKind, at: &Origin, problem: Problem) -> ConfigError {
    match problem {
        Problem::WrongType(found) => wrong_type(at.clone(), key, &kind, found),
        Problem::OutOfBounds(value) => ConfigError::OutOfBounds {
            at: at.clone(),
            key: key.to_owned(),
            value,
            bounds: kind.to_string(),
        },
    }
}

fn wrong_type(at: Origin, key: &str, expected: &impl ToString, found: String) -> ConfigError {
    ConfigError::WrongType {
        at,
        key: key.to_owned(),
        expected: expected.to_string(),
        found,
    }
}

fn describe(content: &Content) -> String {
    match content {
        Content::Scalar(scalar) => scalar.to_string(),
        Content::List(_) => "a list".to_owned(),
        Content::Map(_) => "a section".to_owned(),
    }
}

/// Reads a configuration file, never more than [`MAX_CONFIG_BYTES`] of it.
///
/// # Errors
/// [`ConfigError::Read`] also for a directory; [`ConfigError::TooLarge`]; [`ConfigError::Syntax`] for bytes
/// that are no UTF-8.
#[expect(
    clippy::disallowed_methods,
    reason = "the configuration file; it may be a link, and is read up to a limit"
)]
pub(super) fn read(path: &Path) -> Result<String, ConfigError> {
    let failed = |source| ConfigError::Read {
        path: path.to_owned(),
        source,
    };
    let file = File::open(path).map_err(failed)?;
    if file.metadata().map_err(failed)?.is_dir() {
        return Err(failed(io::Error::from(io::ErrorKind::IsADirectory)));
    }
    let mut bytes = Vec::new();
    let limit = u64::try_from(MAX_CONFIG_BYTES)
        .unwrap_or(u64::MAX)
        .saturating_add(1);
    file.take(limit).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() > MAX_CONFIG_BYTES {
        return Err(ConfigError::TooLarge {
            path: path.to_owned(),
        });
    }
    String::from_utf8(bytes).map_err(|error| {
        let good = error.as_bytes().iter().take(error.utf8_error().valid_up_to());
        let line = 1 + good.filter(|byte| **byte == b'\n').count();
        let at = Some(Origin::File {
            path: path.to_owned(),
            line,
        });
        ConfigError::Syntax {
            at,
            message: "the file is not UTF-8".to_owned(),
        }
    })
}

#[cfg(test)]
mod tests;
