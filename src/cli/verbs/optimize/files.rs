//! Which files are meant.

#![expect(
    clippy::disallowed_methods,
    reason = "directories that the user names, with the user's own rights; never those of a store"
)]

use std::fs;
use std::path::{Path, PathBuf};

use crate::cli::exit::{CliError, Exit};
use crate::cli::files;
use crate::dify::{self, ExtractOptions};

/// Returns the files in the order in which they are named; a directory stands for the workflow files in it, by name.
pub(super) fn workflows(paths: &[PathBuf]) -> Result<Vec<PathBuf>, CliError> {
    let mut found = Vec::new();
    for path in paths {
        if !path.is_dir() {
            found.push(path.clone());
            continue;
        }
        let inside = inside(path)?;
        if inside.is_empty() {
            let message = format!("{} holds no workflow file", path.display());
            return Err(
                CliError::new(Exit::NotFound, message).hint("workflow files end in .yml, .yaml or .json")
            );
        }
        found.extend(inside);
    }
    Ok(found)
}

/// Hidden files and directories are passed over, and so is JSON without prompts: much that is no workflow is JSON.
fn inside(directory: &Path) -> Result<Vec<PathBuf>, CliError> {
    let failed = |error| CliError::file("reading", directory, &error);
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let ending = path
            .extension()
            .and_then(|ending| ending.to_str())
            .unwrap_or_default();
        let is_workflow = match ending {
            "yml" | "yaml" => true,
            "json" => has_prompts(&path),
            _ => false,
        };
        if is_workflow && path.is_file() && !name_of(&path).starts_with('.') {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

fn has_prompts(path: &Path) -> bool {
    let Ok(content) = files::read(path) else {
        return false;
    };
    dify::extract(&content, &ExtractOptions::default()).is_ok_and(|found| !found.prompts.is_empty())
}

/// Returns the name of a file without its directory.
pub(super) fn name_of(file: &Path) -> String {
    let name = file.file_name().unwrap_or(file.as_os_str());
    name.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_stands_for_its_workflows_by_name() {
        let directory = tempfile::tempdir().unwrap();
        let workflow = "{app: {mode: completion}, kind: app, model_config: {pre_prompt: Hi.}}";
        let json = r#"{"app": {"mode": "completion"}, "kind": "app", "model_config": {"pre_prompt": "Hi."}}"#;
        for (name, content) in [
            ("b.yml", workflow),
            ("a.yaml", workflow),
            ("c.json", json),
            ("notes.json", "[1]"),
            (".hidden.yml", workflow),
            ("README.md", "x"),
        ] {
            fs::write(directory.path().join(name), content).unwrap();
        }
        fs::create_dir(directory.path().join("d.yml")).unwrap();
        let one = directory.path().join("b.yml");
        let found = workflows(&[one, directory.path().to_owned()]).unwrap();
        let names: Vec<String> = found.iter().map(|path| name_of(path)).collect();
        assert_eq!(names, ["b.yml", "a.yaml", "b.yml", "c.json"]);
        let empty = tempfile::tempdir().unwrap();
        assert_eq!(
            workflows(&[empty.path().to_owned()]).unwrap_err().exit,
            Exit::NotFound
        );
    }
}
