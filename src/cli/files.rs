//! Files of the user, read and written with the user's own rights.

#![expect(
    clippy::disallowed_methods,
    reason = "files that the user names, with the user's own rights; never files of a store"
)]

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use tempfile::NamedTempFile;

use super::environment::Environment;
use super::exit::CliError;

/// The largest file that is read: beyond every limit of the daemon.
pub(crate) const MAX_FILE_BYTES: u64 = 64 << 20;

/// Reads a file, or the standard input for `-`.
///
/// # Errors
/// When it cannot be read or is larger than [`MAX_FILE_BYTES`].
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, CliError> {
    let opened: io::Result<Box<dyn Read>> = if path == OsStr::new("-") {
        Ok(Box::new(io::stdin()))
    } else {
        File::open(path).map(|file| Box::new(file) as Box<dyn Read>)
    };
    let mut bytes = Vec::new();
    let read = opened.and_then(|file| file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes));
    match read {
        Ok(length) if length as u64 > MAX_FILE_BYTES => {
            let message = format!("{} is larger than {MAX_FILE_BYTES} bytes", path.display());
            Err(CliError::failure(message))
        }
        Ok(_) => Ok(bytes),
        Err(error) => Err(CliError::file("reading", path, &error)),
    }
}

/// Reads a file of UTF-8 text, or the standard input for `-`.
///
/// # Errors
/// As [`read`], and for what is no UTF-8.
pub(crate) fn read_text(path: &Path) -> Result<String, CliError> {
    String::from_utf8(read(path)?).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        let message = format!("{} is not UTF-8: byte {at} is wrong", path.display());
        CliError::failure(message).hint("save the file as UTF-8 and try again")
    })
}

/// Tells whether two paths lead to one file; those that lead to none do not.
pub(crate) fn is_same_file(one: &Path, other: &Path) -> bool {
    let [one, other] = [one, other].map(|path| fs::canonicalize(path).ok());
    one.is_some() && one == other
}

/// What came of writing a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Written {
    /// It is new, or was replaced.
    New,
    /// It was there with the same content.
    Unchanged,
    /// It is there with other content, and was left alone.
    Refused,
}

/// Writes a file so that at every moment either nothing, the old or the whole new content is there. An existing file
/// with other content is left alone unless `replace` is set. Durable after [`sync_all_below`].
///
/// # Errors
/// What the file system says.
pub(crate) fn write_atomically(path: &Path, content: &[u8], replace: bool) -> io::Result<Written> {
    match fs::read(path) {
        Ok(there) if there == content => return Ok(Written::Unchanged),
        Ok(_) if !replace => return Ok(Written::Refused),
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(_) | Err(_) => {}
    }
    let mut file = temporary_beside(path)?;
    file.write_all(content)?;
    match persist(file, path, replace) {
        Ok(()) => Ok(Written::New),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(Written::Refused),
        Err(error) => Err(error),
    }
}

/// Makes an empty file to be written to.
///
/// # Errors
/// What the file system says.
pub(crate) fn create(path: &Path) -> io::Result<File> {
    File::create(path)
}

/// Makes a temporary file in the directory where a file shall be, and that directory, too.
///
/// # Errors
/// What the file system says.
pub(crate) fn temporary_beside(path: &Path) -> io::Result<NamedTempFile> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let directory = directory.unwrap_or(Path::new("."));
    fs::create_dir_all(directory)?;
    let mut temporary = tempfile::Builder::new();
    // A temporary file is private; what becomes a file of the user has the usual mode.
    let mode = fs::Permissions::from_mode(0o666);
    temporary
        .prefix(".promptctl-")
        .permissions(mode)
        .tempfile_in(directory)
}

/// Gives a temporary file its name; with `replace` also when there is one of that name.
///
/// # Errors
/// `AlreadyExists`, or what else the file system says.
pub(crate) fn persist(file: NamedTempFile, path: &Path, replace: bool) -> io::Result<()> {
    let persisted = if replace {
        file.persist(path)
    } else {
        file.persist_noclobber(path)
    };
    persisted.map(drop).map_err(|error| error.error)
}

/// Waits until everything in the file system of a directory is on the disk: one wait for many files.
///
/// # Errors
/// What the file system says.
pub(crate) fn sync_all_below(directory: &Path) -> io::Result<()> {
    match File::open(directory) {
        Ok(opened) => Ok(rustix::fs::syncfs(&opened)?),
        // Nothing was written there.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

/// Tells whether a program is found in `PATH`.
pub(crate) fn is_in_path(env: &Environment, program: &str) -> bool {
    let Some(path) = env.var("PATH") else {
        return false;
    };
    std::env::split_paths(path).any(|directory| is_program(&directory.join(program)))
}

/// Tells whether a file is there and may be run.
pub(crate) fn is_program(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_the_user_is_never_overwritten_unless_asked_to() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a/b/1.0.0.json");
        let check = |content: &[u8], replace: bool, expected: Written, there: &[u8]| {
            assert_eq!(write_atomically(&path, content, replace).unwrap(), expected);
            assert_eq!(fs::read(&path).unwrap(), there);
        };
        check(b"one", false, Written::New, b"one");
        check(b"one", false, Written::Unchanged, b"one");
        check(b"two", false, Written::Refused, b"one");
        check(b"two", true, Written::New, b"two");
        let left = fs::read_dir(path.parent().unwrap()).unwrap().count();
        assert_eq!(left, 1, "no temporary file is left");
    }

    #[test]
    fn what_is_no_text_is_refused_with_its_place() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("latin1.txt");
        fs::write(&path, b"caf\xe9").unwrap();
        let message = read_text(&path).unwrap_err().message;
        assert!(message.ends_with("is not UTF-8: byte 3 is wrong"), "{message}");
    }
}
