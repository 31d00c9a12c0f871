//! The Debian package: what can be held together without building it. tests/systemd installs it.

use std::path::{Path, PathBuf};

use promptd::config::{Config, Sources};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

fn file(path: &str) -> String {
    std::fs::read_to_string(Path::new(ROOT).join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn loaded(text: &str) -> Config {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("promptd.yaml");
    std::fs::write(&path, text).unwrap();
    let sources = Sources {
        file: Some(path),
        ..Sources::default()
    };
    promptd::config::load(&sources).unwrap_or_else(|error| panic!("{error}"))
}

/// Returns the examples without their comment signs: each begins with a key right after the sign and ends at an empty line.
fn examples(text: &str) -> String {
    let mut is_inside = false;
    let mut examples = String::new();
    for line in text.lines() {
        let commented = line.strip_prefix('#');
        let begins = commented.is_some_and(|rest| rest.starts_with(|first: char| first.is_ascii_lowercase()));
        is_inside = commented.is_some() && (is_inside || begins);
        if let Some(rest) = commented.filter(|_| is_inside) {
            examples.push_str(rest);
            examples.push('\n');
        }
    }
    examples
}

#[test]
fn the_configuration_of_the_package_changes_nothing_and_its_examples_are_valid() {
    let text = file("config/debian/promptd.yaml");
    let none: [&str; 0] = [];
    assert_eq!(promptd::config::changed_keys(&loaded(&text), &loaded("")), none);
    let changed = promptd::config::changed_keys(&loaded(""), &loaded(&examples(&text)));
    assert!(changed.len() >= 4, "{changed:?}");
}

/// Returns source and destination of each asset in Cargo.toml.
fn assets() -> Vec<(String, String)> {
    let manifest = file("Cargo.toml");
    let list = manifest.split("\nassets = [\n").nth(1).unwrap();
    let list = list.split("\n]\n").next().unwrap();
    let rows = list.lines().filter(|line| line.trim_start().starts_with('['));
    let assets = rows.map(|row| {
        let mut texts = row.split('"').skip(1).step_by(2);
        (texts.next().unwrap().to_owned(), texts.next().unwrap().to_owned())
    });
    assets.collect()
}

/// Returns the files in a directory of the project, without those below it.
fn files_in(dir: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(Path::new(ROOT).join(dir)).unwrap();
    let files = entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_file());
    files.collect()
}

#[test]
fn what_the_package_takes_from_the_project_is_there_and_nothing_for_a_host_is_left_out() {
    let assets = assets();
    assert!(assets.len() > 15, "{assets:?}");
    let taken: Vec<&String> = assets
        .iter()
        .map(|(source, _)| source)
        .filter(|source| !source.starts_with("target/"))
        .collect();
    let is_taken = |path: &Path| {
        let path = path.strip_prefix(ROOT).unwrap();
        taken.iter().any(|source| match source.split_once('*') {
            Some((before, after)) => {
                path.parent() == Some(Path::new(before)) && path.to_string_lossy().ends_with(after)
            }
            None => path == Path::new(source),
        })
    };
    for dir in [
        "systemd",
        "systemd/drop-ins",
        "config",
        "config/prometheus",
        "config/grafana",
        "docs",
    ] {
        for path in files_in(dir) {
            assert!(is_taken(&path), "{} is not in the package", path.display());
        }
    }
    for source in taken.iter().filter(|source| !source.contains('*')) {
        assert!(Path::new(ROOT).join(source).is_file(), "{source}");
    }
}

#[test]
fn the_units_name_programs_and_documents_of_the_package() {
    let places: Vec<String> = assets()
        .into_iter()
        .map(
            |(source, place)| match (place.strip_suffix('/'), source.rsplit('/').next()) {
                (Some(dir), Some(name)) => format!("/{dir}/{name}"),
                _ => format!("/{place}"),
            },
        )
        .collect();
    let is_there = |path: &str| {
        let by_glob = path.rsplit_once('/').map(|(dir, _)| format!("{dir}/*"));
        places
            .iter()
            .any(|place| place == path || Some(place) == by_glob.as_ref())
    };
    let unit = file("systemd/promptd.service");
    let value = |key: &str| {
        unit.lines()
            .find_map(|line| line.strip_prefix(key))
            .unwrap_or_else(|| panic!("{key}"))
    };
    assert!(is_there(value("ExecStart=")));
    assert!(is_there(value("Documentation=file://")));
}
