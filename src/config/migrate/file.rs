//! The migration of a file on disk: backup first, then one atomic replacement.

#![expect(
    clippy::disallowed_methods,
    reason = "the configuration file, which the user names; never a file of a store"
)]

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _, fchown};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use super::{Migration, migrate_named};
use crate::config::{ConfigError, load};

/// The most backups of one file, so that a loop around the command cannot fill a directory.
const MAX_BACKUPS: usize = 1_000;

/// Gives a configuration file its present names.
///
/// The original is copied to `FILE.bak` first (`FILE.bak.1` and so on where that exists: a backup is never
/// overwritten); then the file is replaced in one step, with its mode and owner, and both are durable on return. A
/// symbolic link is followed and stays. With `dry_run`, or without any change, nothing is written.
///
/// # Errors
/// Those of [`migrate`](super::migrate()), [`ConfigError::Read`], and [`ConfigError::Write`]; the original file is
/// unchanged after every error.
pub fn migrate_file(path: &Path, dry_run: bool) -> Result<Migration, ConfigError> {
    let text = load::read(path)?;
    let migration = migrate_named(&text, path)?;
    if dry_run || migration.changes.is_empty() {
        return Ok(migration);
    }
    let target = fs::canonicalize(path).map_err(|source| ConfigError::Read {
        path: path.to_owned(),
        source,
    })?;
    write_backup(&target, &text)?;
    replace(&target, &migration.text).map_err(|source| ConfigError::Write {
        path: target.clone(),
        source,
    })?;
    Ok(migration)
}

fn write_backup(target: &Path, text: &str) -> Result<(), ConfigError> {
    let mut path = backup_name(target, 0);
    for number in 0..MAX_BACKUPS {
        path = backup_name(target, number);
        match create_backup(target, &path, text) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(source) => return Err(ConfigError::Write { path, source }),
            Ok(()) => return Ok(()),
        }
    }
    let source = io::Error::other("too many backups: remove some");
    Err(ConfigError::Write { path, source })
}

fn backup_name(target: &Path, number: usize) -> PathBuf {
    let mut name = target.as_os_str().to_owned();
    name.push(".bak");
    if number > 0 {
        name.push(format!(".{number}"));
    }
    PathBuf::from(name)
}

fn create_backup(target: &Path, path: &Path, text: &str) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    let written = file
        .write_all(text.as_bytes())
        .and_then(|()| make_alike(target, &file))
        .and_then(|()| file.sync_all());
    if written.is_err() {
        // A backup that is not whole must not look like one; the first error is the one to report.
        drop(fs::remove_file(path));
    }
    written
}

fn replace(target: &Path, text: &str) -> io::Result<()> {
    let parent = target.parent().unwrap_or(Path::new("/"));
    let mut file = NamedTempFile::new_in(parent)?;
    file.write_all(text.as_bytes())?;
    make_alike(target, file.as_file())?;
    file.as_file().sync_all()?;
    file.persist(target).map_err(|error| error.error)?;
    File::open(parent)?.sync_all()
}

/// Gives a new file the owner and mode of the old one: a service must still be able to read its configuration.
fn make_alike(original: &Path, file: &File) -> io::Result<()> {
    let wanted = fs::metadata(original)?;
    let present = file.metadata()?;
    if (wanted.uid(), wanted.gid()) != (present.uid(), present.gid()) {
        fchown(file, Some(wanted.uid()), Some(wanted.gid()))?;
    }
    file.set_permissions(fs::Permissions::from_mode(wanted.mode() & 0o7777))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    const OLD: &str = "score_threshold: 80  # keep\n";
    const NEW: &str = "min_baseline_score: 80  # keep\n";

    fn names(dir: &Path) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(dir)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    fn file_with(text: &str) -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("c.yaml");
        fs::write(&path, text).unwrap();
        (dir, path)
    }

    #[test]
    fn a_migrated_file_keeps_its_mode_and_leaves_a_backup() {
        let (dir, path) = file_with(OLD);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let migration = migrate_file(&path, false).unwrap();
        assert_eq!(migration.changes.len(), 1);
        assert_eq!(fs::read_to_string(&path).unwrap(), NEW);
        assert_eq!(names(dir.path()), ["c.yaml", "c.yaml.bak"]);
        for name in ["c.yaml", "c.yaml.bak"] {
            assert_eq!(
                fs::metadata(dir.path().join(name)).unwrap().mode() & 0o777,
                0o640,
                "{name}"
            );
        }
        assert_eq!(fs::read_to_string(dir.path().join("c.yaml.bak")).unwrap(), OLD);
    }

    #[test]
    fn an_existing_backup_is_never_overwritten() {
        let (dir, path) = file_with(OLD);
        fs::write(dir.path().join("c.yaml.bak"), "mine").unwrap();
        migrate_file(&path, false).unwrap();
        fs::write(&path, OLD).unwrap();
        migrate_file(&path, false).unwrap();
        assert_eq!(
            names(dir.path()),
            ["c.yaml", "c.yaml.bak", "c.yaml.bak.1", "c.yaml.bak.2"]
        );
        assert_eq!(fs::read_to_string(dir.path().join("c.yaml.bak")).unwrap(), "mine");
    }

    #[test]
    fn a_second_run_and_a_dry_run_write_nothing() {
        let (dir, path) = file_with(NEW);
        assert!(migrate_file(&path, false).unwrap().changes.is_empty());
        fs::write(&path, OLD).unwrap();
        let migration = migrate_file(&path, true).unwrap();
        assert_eq!(migration.text, NEW);
        assert_eq!(fs::read_to_string(&path).unwrap(), OLD);
        assert_eq!(names(dir.path()), ["c.yaml"]);
    }

    #[test]
    fn a_symbolic_link_stays_a_link() {
        let (dir, path) = file_with(OLD);
        let link = dir.path().join("link.yaml");
        symlink(&path, &link).unwrap();
        migrate_file(&link, false).unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read_to_string(&path).unwrap(), NEW);
    }

    #[test]
    fn errors_name_the_file_and_leave_it_alone() {
        let (dir, path) = file_with("score_threshold: [1\n");
        let error = migrate_file(&path, false).unwrap_err().to_string();
        assert!(error.contains("c.yaml:"), "{error}");
        assert_eq!(names(dir.path()), ["c.yaml"]);
        let missing = dir.path().join("none.yaml");
        assert!(matches!(
            migrate_file(&missing, false),
            Err(ConfigError::Read { .. })
        ));
    }
}
