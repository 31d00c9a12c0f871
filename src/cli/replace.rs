//! Replacing a file of the user: atomically, with its mode and its owner, and only if it is still what was read.

#![expect(
    clippy::disallowed_methods,
    reason = "files that the user names, with the user's own rights; never files of a store"
)]

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use super::exit::{CliError, Exit};
use super::files::{self, Written};

/// A file that has new content.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Replaced {
    /// Where it is, symbolic links followed.
    pub(crate) path: PathBuf,
    /// How many other names lead to the old content, if any.
    pub(crate) other_links: Option<u64>,
}

/// Replaces the content of a file, durably. A symbolic link is followed: what it leads to is replaced, not the link.
///
/// # Errors
/// With [`Exit::Conflict`] when the file no longer has the content that was read; else when it is no regular file, may not
/// be written, or its owner cannot be kept.
pub(crate) fn replace(path: &Path, was_read: &[u8], content: &[u8]) -> Result<Replaced, CliError> {
    let failed = |error: io::Error| CliError::file("replacing", path, &error);
    let path = fs::canonicalize(path).map_err(failed)?;
    // Asked first, since opening a pipe could wait forever.
    let metadata = fs::metadata(&path).map_err(failed)?;
    if !metadata.is_file() {
        let message = format!("{} is no regular file", path.display());
        return Err(CliError::failure(message).hint("use --output to write a new file"));
    }
    // A rename asks for no right to the file itself, but a file that may not be written is not meant to change.
    OpenOptions::new().write(true).open(&path).map_err(failed)?;
    let mut file = private_beside(&path).map_err(failed)?;
    file.write_all(content).map_err(failed)?;
    keep_owner(file.as_file(), &metadata).map_err(|error| {
        failed(error).hint("the owner of the file cannot be kept: use --output to write a new file")
    })?;
    // After the owner, since a change of owner clears bits of the mode.
    let mode = fs::Permissions::from_mode(metadata.mode() & 0o7777);
    file.as_file().set_permissions(mode).map_err(failed)?;
    file.as_file().sync_all().map_err(failed)?;
    if fs::read(&path).map_err(failed)? != was_read {
        let message = format!(
            "{} has changed since it was read: nothing was written",
            path.display()
        );
        return Err(CliError::new(Exit::Conflict, message).hint("run the command again"));
    }
    files::persist(file, &path, true).map_err(failed)?;
    sync_directory(&path).map_err(failed)?;
    let other_links = metadata.nlink().checked_sub(1).filter(|links| *links > 0);
    Ok(Replaced { path, other_links })
}

/// Writes a new file, durably. One that is there with other content is left alone.
///
/// # Errors
/// What the file system says.
pub(crate) fn create(path: &Path, content: &[u8]) -> io::Result<Written> {
    let mut file = files::temporary_beside(path)?;
    file.write_all(content)?;
    file.as_file().sync_all()?;
    match files::persist(file, path, false) {
        Ok(()) => sync_directory(path).map(|()| Written::New),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(match fs::read(path)? == content {
            true => Written::Unchanged,
            false => Written::Refused,
        }),
        Err(error) => Err(error),
    }
}

/// Writes a file, durably, whatever was there under its name.
///
/// # Errors
/// What the file system says.
pub(crate) fn overwrite(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut file = files::temporary_beside(path)?;
    file.write_all(content)?;
    file.as_file().sync_all()?;
    files::persist(file, path, true)?;
    sync_directory(path)
}

/// Makes the names in a directory durable.
///
/// # Errors
/// What the file system says.
pub(crate) fn sync_file_names(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

/// Makes the name of a directory durable.
///
/// # Errors
/// What the file system says.
pub(crate) fn sync_name(directory: &Path) -> io::Result<()> {
    sync_directory(&fs::canonicalize(directory)?)
}

/// Makes a temporary file that nobody else can read: what it replaces may be private, too.
fn private_beside(path: &Path) -> io::Result<NamedTempFile> {
    let directory = path.parent().unwrap_or(Path::new("/"));
    tempfile::Builder::new()
        .prefix(".promptctl-")
        .tempfile_in(directory)
}

fn keep_owner(file: &File, metadata: &fs::Metadata) -> io::Result<()> {
    let made = file.metadata()?;
    let uid = (made.uid() != metadata.uid()).then_some(metadata.uid());
    let gid = (made.gid() != metadata.gid()).then_some(metadata.gid());
    match (uid, gid) {
        (None, None) => Ok(()),
        (uid, gid) => fchown(file, uid, gid),
    }
}

fn sync_directory(path: &Path) -> io::Result<()> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    File::open(directory.unwrap_or(Path::new(".")))?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn directory_with(content: &str) -> (tempfile::TempDir, PathBuf) {
        let directory = tempfile::tempdir().unwrap();
        let path = fs::canonicalize(directory.path()).unwrap().join("bot.yml");
        fs::write(&path, content).unwrap();
        (directory, path)
    }

    #[test]
    fn a_file_keeps_its_mode_and_leaves_no_temporary_one() {
        let (directory, path) = directory_with("old");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let replaced = replace(&path, b"old", b"new").unwrap();
        assert_eq!((&replaced.path, replaced.other_links), (&path, None));
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o640);
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_file_that_changed_since_it_was_read_is_left_alone() {
        let (directory, path) = directory_with("edited meanwhile");
        let error = replace(&path, b"old", b"new").unwrap_err();
        assert_eq!(error.exit, Exit::Conflict);
        assert_eq!(fs::read(&path).unwrap(), b"edited meanwhile");
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_symbolic_link_is_followed_and_hard_links_are_counted() {
        let (directory, path) = directory_with("old");
        let link = directory.path().join("link.yml");
        std::os::unix::fs::symlink("bot.yml", &link).unwrap();
        let twin = directory.path().join("twin.yml");
        fs::hard_link(&path, &twin).unwrap();
        let replaced = replace(&link, b"old", b"new").unwrap();
        assert_eq!((replaced.path, replaced.other_links), (path.clone(), Some(1)));
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(fs::read(&twin).unwrap(), b"old");
    }

    #[test]
    fn what_is_no_file_is_refused() {
        let (directory, path) = directory_with("old");
        assert!(replace(directory.path(), b"", b"new").is_err());
        assert!(replace(&path.with_extension("gone"), b"", b"new").is_err());
    }

    #[test]
    fn a_new_file_never_replaces_another_one() {
        let (_directory, path) = directory_with("old");
        let new = path.with_extension("new");
        assert_eq!(create(&new, b"new").unwrap(), Written::New);
        assert_eq!(create(&new, b"new").unwrap(), Written::Unchanged);
        assert_eq!(create(&path, b"new").unwrap(), Written::Refused);
        assert_eq!(fs::read(&path).unwrap(), b"old");
    }
}
