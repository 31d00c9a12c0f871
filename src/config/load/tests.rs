//! Tests of the layers: what is accepted, and the words in which the rest is refused.

mod access;
mod environment;
mod names;
mod optimizer;
mod values;

use super::super::{ByteSize, StorageBackend, WatchMode};
use super::*;

fn env(variables: &[(&str, &str)]) -> Sources {
    let env = variables
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    Sources {
        env,
        ..Sources::default()
    }
}

fn load_text(text: &str) -> Result<Config, ConfigError> {
    assemble(Some((Path::new("p.yaml"), text)), &Sources::default())
}

/// Checks that a file is refused with exactly these words.
fn check_refused(text: &str, expected: &str) {
    assert_eq!(load_text(text).unwrap_err().to_string(), expected, "{text}");
}

fn check_variable_refused(name: &str, value: &str, expected: &str) {
    assert_eq!(
        assemble(None, &env(&[(name, value)])).unwrap_err().to_string(),
        expected
    );
}

/// A file that sets one key.
fn file_with(path: &str, value: &str) -> String {
    let names: Vec<&str> = path.split('.').collect();
    let last = names.len() - 1;
    let lines = names.iter().enumerate().map(|(depth, name)| {
        let value = if depth == last { value } else { "" };
        format!("{}{name}: {value}\n", "  ".repeat(depth))
    });
    lines.collect()
}

#[test]
fn an_empty_file_means_the_defaults() {
    for text in [
        "",
        "# nothing\n",
        "---\n",
        "optimizer:\ndaemon:\n  limits:\n",
        "{}",
    ] {
        assert_eq!(load_text(text).unwrap(), Config::default(), "{text:?}");
    }
}

#[test]
fn a_file_sets_what_it_names_and_leaves_the_rest() {
    let config = load_text(
        "optimizer:\n  storage:\n    backend: memory\n    config:\n      max_cache_bytes: 4 MB\n      watch: {mode: off}\n\
         daemon: {socket: /s, socket_mode: 0600}\n",
    )
    .unwrap();
    let mut expected = Config::default();
    expected.optimizer.storage.backend = StorageBackend::Memory;
    expected.optimizer.storage.config.max_cache_bytes = ByteSize::new(4_000_000);
    expected.optimizer.storage.config.watch.mode = WatchMode::Off;
    expected.daemon.socket = Some("/s".into());
    expected.daemon.socket_mode = "0600".parse().unwrap();
    assert_eq!(config, expected);
}

#[test]
fn files_that_are_missing_unreadable_or_no_text_are_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let check = |path: &Path, words: &str| {
        let error = load(&Sources {
            file: Some(path.to_owned()),
            ..Sources::default()
        })
        .unwrap_err()
        .to_string();
        assert!(
            error.contains(words) && error.contains(&path.display().to_string()),
            "{error}"
        );
    };
    check(&dir.path().join("none.yaml"), "cannot read");
    check(dir.path(), "cannot read");
    let latin = dir.path().join("latin.yaml");
    std::fs::write(&latin, b"daemon:\n  socket: /caf\xe9\n").unwrap();
    check(&latin, "latin.yaml:2: the file is not UTF-8");
    let large = dir.path().join("large.yaml");
    std::fs::write(&large, "#".repeat(MAX_CONFIG_BYTES + 1)).unwrap();
    check(&large, "larger than");
    let good = dir.path().join("good.yaml");
    std::fs::write(&good, "daemon: {logging: {level: warn}}\n").unwrap();
    let config = load(&Sources {
        file: Some(good),
        ..Sources::default()
    })
    .unwrap();
    assert_eq!(config.daemon.logging.level.as_str(), "warn");
}
