//! Writing an outbox: every file whole or not at all, and nothing over what is there.

#![expect(
    clippy::disallowed_methods,
    reason = "a directory that the user names, with the user's own rights; never files of a store"
)]

use std::fs;
use std::io;
use std::path::Path;

use crate::cli::exit::{CliError, Exit};
use crate::cli::files::Written;
use crate::cli::replace;

/// What becomes of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// It is not there yet.
    New,
    /// It is there with this content.
    Unchanged,
    /// It is there with other content and is replaced.
    Replaced,
}

impl State {
    /// Returns the state as one word.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Unchanged => "unchanged",
            Self::Replaced => "replaced",
        }
    }
}

/// Says what would become of each file, before anything is written.
///
/// # Errors
/// With [`Exit::Conflict`] when a file has other content and `force` is not set; when something that is no file has its name.
pub(super) fn judge(directory: &Path, files: &[(&str, &[u8])], force: bool) -> Result<Vec<State>, CliError> {
    let mut states = Vec::with_capacity(files.len());
    let mut taken = Vec::new();
    for (name, content) in files {
        let path = directory.join(name);
        let state = match fs::symlink_metadata(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => State::New,
            Err(error) => return Err(CliError::file("reading", &path, &error)),
            Ok(there) if !there.is_file() => {
                let message = format!("{} is no regular file", path.display());
                return Err(CliError::new(Exit::Conflict, message).hint("choose another --output"));
            }
            Ok(there) => {
                let is_same = there.len() == content.len() as u64
                    && fs::read(&path).map_err(|error| CliError::file("reading", &path, &error))? == *content;
                if is_same {
                    State::Unchanged
                } else {
                    State::Replaced
                }
            }
        };
        if state == State::Replaced && !force {
            taken.push(*name);
        }
        states.push(state);
    }
    if taken.is_empty() {
        return Ok(states);
    }
    let message = format!(
        "{} has other content in {}: nothing was written",
        directory.display(),
        taken.join(", ")
    );
    Err(CliError::new(Exit::Conflict, message)
        .hint("--force replaces these files; --output names another directory"))
}

/// Writes what is not there yet.
pub(super) fn write(directory: &Path, files: &[(&str, &[u8])], states: &[State]) -> Result<(), CliError> {
    for ((name, content), state) in files.iter().zip(states) {
        let path = directory.join(name);
        let written = match state {
            State::Unchanged => continue,
            State::New => replace::create(&path, content),
            State::Replaced => replace::overwrite(&path, content).map(|()| Written::New),
        };
        match written.map_err(|error| CliError::file("writing", &path, &error))? {
            Written::New | Written::Unchanged => {}
            Written::Refused => {
                let message = format!("{} appeared meanwhile with other content", path.display());
                return Err(CliError::new(Exit::Conflict, message).hint("run the command again"));
            }
        }
    }
    replace::sync_name(directory).map_err(|error| CliError::file("syncing", directory, &error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_written_over_what_is_there_unless_asked() {
        let directory = tempfile::tempdir().unwrap();
        let outbox = directory.path().join("a/out");
        let first: [(&str, &[u8]); 2] = [("x.yml", b"one"), ("manifest.json", b"{}")];
        let states = judge(&outbox, &first, false).unwrap();
        assert_eq!(states, [State::New; 2]);
        write(&outbox, &first, &states).unwrap();
        assert_eq!(judge(&outbox, &first, false).unwrap(), [State::Unchanged; 2]);
        let second: [(&str, &[u8]); 2] = [("x.yml", b"two"), ("y.yml", b"new")];
        let refused = judge(&outbox, &second, false).unwrap_err();
        assert!(refused.exit == Exit::Conflict && refused.message.contains("x.yml"));
        let states = judge(&outbox, &second, true).unwrap();
        assert_eq!(states, [State::Replaced, State::New]);
        write(&outbox, &second, &states).unwrap();
        assert_eq!(fs::read(outbox.join("x.yml")).unwrap(), b"two");
        assert_eq!(
            fs::read_dir(&outbox).unwrap().count(),
            3,
            "no temporary file is left"
        );
    }

    #[test]
    fn what_is_no_file_is_never_replaced() {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir(directory.path().join("x.yml")).unwrap();
        std::os::unix::fs::symlink("/etc/passwd", directory.path().join("y.yml")).unwrap();
        for name in ["x.yml", "y.yml"] {
            assert!(judge(directory.path(), &[(name, b"")], true).is_err(), "{name}");
        }
    }
}
