//! Which place beneath the backup directory a client names.

use std::path::{Component, Path, PathBuf};

use crate::storage::{BackupForm, StorageError};

/// What the names of archives end in.
pub(super) const ARCHIVE_ENDING: &str = ".tar.zst";
/// The directory of snapshots when no other is named.
const DEFAULT_DIR: &str = "default";
/// How deep beneath the backup directory a backup may lie.
const MAX_COMPONENTS: usize = 8;
/// The longest name of a directory or file, in bytes; leaves room for what is added while it is made.
const MAX_NAME_BYTES: usize = 128;

/// A place beneath the backup directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    /// Relative to the backup directory.
    pub path: PathBuf,
    /// What is there, by its name.
    pub form: BackupForm,
}

impl Place {
    /// Reads what a client names. An absolute path must lie beneath `root`, the backup directory.
    ///
    /// # Errors
    /// [`StorageError::Backup`] says what may be named.
    pub(super) fn read(root: &Path, text: Option<&str>) -> Result<Self, StorageError> {
        let text = text.unwrap_or(DEFAULT_DIR);
        let refuse = |why: &str| StorageError::Backup(format!("{text:?} {why}"));
        let path = Path::new(text);
        let path = if path.is_absolute() {
            let real_root = std::path::absolute(root).unwrap_or_else(|_| root.to_owned());
            path.strip_prefix(root).or_else(|_| path.strip_prefix(real_root)).map_err(|_| {
                let root = root.display();
                refuse(&format!("is not beneath the backup directory {root}: name a place there, or set optimizer.storage.config.backup_dir"))
            })?
        } else {
            path
        };
        let mut components = 0;
        for component in path.components() {
            let name = match component {
                Component::Normal(name) => name.to_str().unwrap_or_default(),
                _ => return Err(refuse("is no plain path: leave '.' and '..' out")),
            };
            components += 1;
            if !is_plain(name) {
                return Err(refuse(
                    "has a name that is empty, longer than 128 bytes, begins with '.' or '-', or has control characters",
                ));
            }
        }
        if components == 0 || components > MAX_COMPONENTS {
            return Err(refuse(
                "does not name a directory or archive in the backup directory",
            ));
        }
        // By the path that is used: a slash at the end of the text is not in it.
        let path: PathBuf = path.components().collect();
        let form = if path.to_str().is_some_and(|named| named.ends_with(ARCHIVE_ENDING)) {
            BackupForm::Archive
        } else {
            BackupForm::Directory
        };
        Ok(Self { path, form })
    }
}

fn is_plain(name: &str) -> bool {
    (1..=MAX_NAME_BYTES).contains(&name.len())
        && !name.starts_with(['.', '-'])
        && !name.chars().any(char::is_control)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_beneath_the_backup_directory_is_accepted_in_both_ways() {
        let read = |text| Place::read(Path::new("/srv/backups"), text).unwrap();
        assert_eq!(read(None).path, Path::new("default"));
        assert_eq!(read(Some("/srv/backups/a/b")), read(Some("a/b")));
        assert_eq!(read(Some("a")).form, BackupForm::Directory);
        assert_eq!(read(Some("a/x.tar.zst")).form, BackupForm::Archive);
        assert_eq!(read(Some("a/x.tar.zst//")), read(Some("a/x.tar.zst")));
    }

    #[test]
    fn no_other_place_is() {
        for text in [
            "",
            "/",
            ".",
            "..",
            "../x",
            "a/../../x",
            "/etc/passwd",
            "/srv/backups",
            "/srv/backups2/x",
            "/srv/backups/../x",
            ".partial-1",
            "a/.hidden",
            "-rf",
            "a\nb",
            "a/b/c/d/e/f/g/h/i",
            &"x".repeat(129),
        ] {
            let refused = Place::read(Path::new("/srv/backups"), Some(text));
            assert!(
                matches!(refused, Err(StorageError::Backup(_))),
                "{text:?}: {refused:?}"
            );
        }
        let error = Place::read(Path::new("/srv/backups"), Some("/mnt/x")).unwrap_err();
        assert!(
            error.to_string().contains("optimizer.storage.config.backup_dir"),
            "{error}"
        );
    }
}
