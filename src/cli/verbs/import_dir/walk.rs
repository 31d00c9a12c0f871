//! Finding version files in a directory.

#![expect(
    clippy::disallowed_methods,
    reason = "a directory that the user names; that of a running daemon is only read"
)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::cli::exit::CliError;

/// How deep directories are looked into: shard, prompt, and one level for a store inside a directory.
const MAX_DEPTH: usize = 4;
/// The most files that are taken in one run.
const MAX_FILES: usize = 5_000_000;

/// The version files of one prompt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FoundPrompt {
    /// The name of the directory.
    pub(super) name: String,
    /// The files, each with its name without `.json`.
    pub(super) files: Vec<(String, PathBuf)>,
}

/// Returns every `NAME/VERSION.json` below a directory (and `VERSION.json` directly in it, when it is the directory of one
/// prompt), in the order of names. Hidden files, links and everything else are passed over.
pub(super) fn version_files(directory: &Path) -> Result<Vec<FoundPrompt>, CliError> {
    let root = fs::canonicalize(directory).map_err(|error| CliError::file("reading", directory, &error))?;
    let mut found: BTreeMap<PathBuf, FoundPrompt> = BTreeMap::new();
    let mut count = 0;
    let mut pending = vec![(directory.to_owned(), root, 0)];
    while let Some((shown, real, depth)) = pending.pop() {
        let entries = fs::read_dir(&real).map_err(|error| CliError::file("reading", &shown, &error))?;
        for entry in entries {
            let entry = entry.map_err(|error| CliError::file("reading", &shown, &error))?;
            let kind = entry
                .file_type()
                .map_err(|error| CliError::file("reading", &shown, &error))?;
            // A name that is no text can be no prompt either here or there.
            let Some(name) = entry.file_name().to_str().map(str::to_owned) else {
                continue;
            };
            if name.starts_with('.') {
                continue;
            }
            if kind.is_dir() && depth < MAX_DEPTH {
                pending.push((shown.join(&name), entry.path(), depth + 1));
            } else if kind.is_file()
                && let Some(stem) = name.strip_suffix(".json")
                && let Some(prompt) = real.file_name().and_then(|name| name.to_str())
            {
                count += 1;
                if count > MAX_FILES {
                    return Err(CliError::failure(format!(
                        "more than {MAX_FILES} files: import a part at a time"
                    )));
                }
                let prompt = found.entry(shown.clone()).or_insert_with(|| FoundPrompt {
                    name: prompt.to_owned(),
                    files: Vec::new(),
                });
                prompt.files.push((stem.to_owned(), shown.join(&name)));
            }
        }
    }
    Ok(found.into_values().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(root: &Path, path: &str) {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "{}").unwrap();
    }

    fn found(directory: &Path) -> Vec<String> {
        let prompts = version_files(directory).unwrap();
        let names = prompts.iter().flat_map(|prompt| {
            prompt
                .files
                .iter()
                .map(|(stem, _)| format!("{}@{stem}", prompt.name))
        });
        let mut names: Vec<String> = names.collect();
        names.sort();
        names
    }

    #[test]
    fn flat_and_sharded_stores_are_found_without_what_is_hidden() {
        let root = tempfile::tempdir().unwrap();
        for path in [
            "greet/1.0.0.json",
            "greet/01.0.json",
            "69/wf_001_llm_1/1.0.0.json",
            "日本/1.0.0.json",
            ".index.json",
            ".trash/69/x@1.0.0.json",
            "greet/.manifest.json",
            "greet/.lock",
            "greet/1.0.0.tmp.77",
            "greet/notes.txt",
        ] {
            write(root.path(), path);
        }
        std::os::unix::fs::symlink(root.path().join("greet"), root.path().join("link")).unwrap();
        let expected = ["greet@01.0", "greet@1.0.0", "wf_001_llm_1@1.0.0", "日本@1.0.0"];
        assert_eq!(found(root.path()), expected);
    }

    #[test]
    fn the_directory_of_one_prompt_is_that_prompt() {
        let root = tempfile::tempdir().unwrap();
        write(root.path(), "greet/1.0.0.json");
        assert_eq!(found(&root.path().join("greet")), ["greet@1.0.0"]);
    }

    #[test]
    fn a_directory_that_is_not_there_is_an_error() {
        assert!(version_files(Path::new("/nonexistent/store")).is_err());
    }
}
