//! The Unix socket: taking its place in the file system, and leaving it.

use std::ffi::OsString;
use std::fmt;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, FileType, FlockOperation, Gid, Mode, OFlags, RenameFlags, Stat};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};

/// The longest path that the kernel takes for a socket, in bytes: `sun_path` has 108 with the final zero.
pub const MAX_SOCKET_PATH_BYTES: usize = 107;

/// How many connections may wait to be accepted.
const BACKLOG: i32 = 1_024;

/// Why the socket could not be made.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Longer than the kernel allows.
    #[error(
        "the socket path {path} has {bytes} bytes; the kernel allows {MAX_SOCKET_PATH_BYTES}: choose a shorter one"
    )]
    TooLong {
        /// The path.
        path: PathBuf,
        /// Its length.
        bytes: usize,
    },
    /// Not a path of a file in a directory.
    #[error("the socket path {0} names no file")]
    NoFileName(PathBuf),
    /// Someone listens there, or is about to.
    #[error("another promptd answers on {0}: stop it first, or choose another socket")]
    InUse(PathBuf),
    /// Something else is there.
    #[error("{0} exists and is no socket: it is left alone; move it away, or choose another socket")]
    NotASocket(PathBuf),
    /// The directory is not there.
    #[error("the directory {0} does not exist: make it, or choose another socket")]
    NoDirectory(PathBuf),
    /// The operating system said no.
    #[error("{doing} {path}: {source}")]
    Io {
        /// What was tried.
        doing: &'static str,
        /// Where.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
}

/// The socket's entry in its directory. It is removed when this is dropped, unless it is no longer ours.
pub struct SocketFile {
    path: PathBuf,
    identity: (u64, u64),
}

/// Listens on a socket at `path` with the access rights `mode`, given to the group `group` where one is named.
///
/// A socket that nobody answers on is replaced; nothing else ever is. The socket appears under its path with its final
/// rights and already listening. A missing parent directory is made, for its owner alone, when it lies under
/// `private_root` (`$XDG_RUNTIME_DIR`).
///
/// # Errors
/// [`BindError`] says what to do.
pub fn bind(
    path: &Path,
    mode: u32,
    private_root: Option<&Path>,
    group: Option<u32>,
) -> Result<(UnixListener, SocketFile), BindError> {
    let name = path
        .file_name()
        .ok_or_else(|| BindError::NoFileName(path.to_owned()))?;
    let parent = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let temporary = parent.join(temporary_name());
    let bytes = path.as_os_str().len().max(temporary.as_os_str().len());
    if bytes > MAX_SOCKET_PATH_BYTES {
        let path = path.to_owned();
        return Err(BindError::TooLong { path, bytes });
    }
    let directory = open_parent(parent, private_root)?;
    // Two daemons that start at once must not both find the same socket stale: the second would replace the first one's.
    match rustix::fs::flock(&directory, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => {}
        Err(Errno::WOULDBLOCK) => return Err(BindError::InUse(path.to_owned())),
        Err(error) => return Err(failed("locking", parent, error)),
    }
    let stale = is_stale(&directory, name, path)?;
    let listener = listen(&temporary, mode, group)?;
    let placed = put_in_place(&directory, &temporary, name, path, stale);
    if placed.is_err() {
        remove(&temporary);
    }
    placed?;
    let stat = stat(&directory, Path::new(name)).map_err(|e| failed("looking at", path, e))?;
    let file = SocketFile {
        path: path.to_owned(),
        identity: (stat.st_dev, stat.st_ino),
    };
    Ok((UnixListener::from(listener), file))
}

/// Short, so that it does not make the path too long for the kernel.
fn temporary_name() -> OsString {
    format!(".{:x}", std::process::id()).into()
}

fn open_parent(parent: &Path, private_root: Option<&Path>) -> Result<OwnedFd, BindError> {
    let open = || {
        rustix::fs::open(
            parent,
            OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC,
            Mode::empty(),
        )
    };
    match open() {
        Err(Errno::NOENT) => {}
        opened => return opened.map_err(|e| failed("opening", parent, e)),
    }
    if !private_root.is_some_and(|root| parent.starts_with(root)) {
        return Err(BindError::NoDirectory(parent.to_owned()));
    }
    match rustix::fs::mkdir(parent, Mode::RWXU) {
        Ok(()) | Err(Errno::EXIST) => {}
        Err(error) => return Err(failed("making the directory", parent, error)),
    }
    open().map_err(|e| failed("opening", parent, e))
}

/// Tells whether a socket lies there that nobody answers on; nothing there is not stale.
fn is_stale(directory: &OwnedFd, name: &std::ffi::OsStr, path: &Path) -> Result<bool, BindError> {
    match stat(directory, Path::new(name)) {
        Err(Errno::NOENT) => return Ok(false),
        Err(error) => return Err(failed("looking at", path, error)),
        Ok(stat) if FileType::from_raw_mode(stat.st_mode) != FileType::Socket => {
            return Err(BindError::NotASocket(path.to_owned()));
        }
        Ok(_) => {}
    }
    let address = SocketAddrUnix::new(path).map_err(|e| failed("naming", path, e))?;
    let probe = socket(SocketFlags::NONBLOCK).map_err(|e| failed("making a socket for", path, e))?;
    match rustix::net::connect(&probe, &address) {
        Err(Errno::CONNREFUSED) => Ok(true),
        Err(Errno::NOENT) => Ok(false),
        // Answered, or so busy that the connection would have to wait.
        Ok(()) | Err(Errno::AGAIN) => Err(BindError::InUse(path.to_owned())),
        Err(error) => Err(failed("asking who answers on", path, error)),
    }
}

fn listen(temporary: &Path, mode: u32, group: Option<u32>) -> Result<OwnedFd, BindError> {
    let fail = |doing, error| failed(doing, temporary, error);
    let address = SocketAddrUnix::new(temporary).map_err(|e| fail("naming", e))?;
    let listener = socket(SocketFlags::NONBLOCK).map_err(|e| fail("making a socket for", e))?;
    // Left behind by a process of the same number that was killed between two of these lines.
    remove(temporary);
    rustix::net::bind(&listener, &address).map_err(|e| fail("binding", e))?;
    // The group first: with the rights before it, another group could connect for a moment.
    let ready = group
        .map_or(Ok(()), |gid| {
            rustix::fs::chown(temporary, None, Some(Gid::from_raw(gid)))
        })
        .map_err(|e| {
            fail(
                "giving daemon.access.socket_group (the user that promptd runs as must be in it) to",
                e,
            )
        })
        .and_then(|()| {
            let mode = Mode::from_raw_mode(mode);
            rustix::fs::chmod(temporary, mode).map_err(|e| fail("setting the rights of", e))
        })
        .and_then(|()| rustix::net::listen(&listener, BACKLOG).map_err(|e| fail("listening on", e)));
    if ready.is_err() {
        remove(temporary);
    }
    ready.map(|()| listener)
}

/// Replaces exactly what was found stale; what came meanwhile is left alone.
fn put_in_place(
    directory: &OwnedFd,
    temporary: &Path,
    name: &std::ffi::OsStr,
    path: &Path,
    stale: bool,
) -> Result<(), BindError> {
    let flags = if stale {
        RenameFlags::empty()
    } else {
        RenameFlags::NOREPLACE
    };
    match rustix::fs::renameat_with(CWD, temporary, directory, name, flags) {
        Ok(()) => Ok(()),
        Err(Errno::EXIST) => Err(BindError::InUse(path.to_owned())),
        Err(error) => Err(failed("putting the socket at", path, error)),
    }
}

fn socket(flags: SocketFlags) -> rustix::io::Result<OwnedFd> {
    let flags = flags | SocketFlags::CLOEXEC;
    rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)
}

fn stat(directory: impl AsFd, name: &Path) -> rustix::io::Result<Stat> {
    rustix::fs::statat(directory, name, rustix::fs::AtFlags::SYMLINK_NOFOLLOW)
}

/// Removes a file if it is a socket.
fn remove(path: &Path) {
    let is_socket =
        rustix::fs::lstat(path).is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Socket);
    if is_socket && let Err(error) = rustix::fs::unlink(path) {
        tracing::warn!(path = %path.display(), %error, "a socket could not be removed");
    }
}

fn failed(doing: &'static str, path: &Path, error: Errno) -> BindError {
    BindError::Io {
        doing,
        path: path.to_owned(),
        source: error.into(),
    }
}

impl SocketFile {
    /// Returns where the socket is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let ours =
            rustix::fs::lstat(&self.path).is_ok_and(|stat| (stat.st_dev, stat.st_ino) == self.identity);
        if ours {
            remove(&self.path);
        }
    }
}

impl fmt::Debug for SocketFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SocketFile({})", self.path.display())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;
    use std::os::unix::net::UnixStream;

    fn mode_of(path: &Path) -> u32 {
        std::fs::metadata(path).unwrap().permissions().mode() & 0o7777
    }

    fn names(directory: &Path) -> Vec<OsString> {
        std::fs::read_dir(directory)
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect()
    }

    fn check_refused(path: &Path, message: &str) {
        let error = bind(path, 0o660, None, None).unwrap_err().to_string();
        assert!(error.contains(message), "{error:?} does not say {message:?}");
    }

    #[test]
    fn the_socket_has_its_rights_listens_and_goes_with_its_owner() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("promptd.sock");
        let (listener, file) = bind(&path, 0o640, None, None).unwrap();
        assert_eq!((mode_of(&path), file.path()), (0o640, path.as_path()));
        assert!(UnixStream::connect(&path).is_ok());
        assert_eq!(names(directory.path()), ["promptd.sock"]);
        drop((listener, file));
        assert!(names(directory.path()).is_empty());
    }

    #[test]
    fn a_stale_socket_is_replaced_and_a_live_one_is_not() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("promptd.sock");
        drop(UnixListener::bind(&path).unwrap());
        assert!(path.exists(), "what a killed daemon leaves behind");
        let (_listener, _file) = bind(&path, 0o660, None, None).unwrap();
        check_refused(&path, "another promptd answers on");
        assert!(UnixStream::connect(&path).is_ok(), "the first one still answers");
        assert_eq!(names(directory.path()), ["promptd.sock"]);
    }

    #[test]
    fn what_is_no_socket_is_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("notes.txt");
        std::fs::write(&path, "precious").unwrap();
        check_refused(&path, "is no socket");
        std::os::unix::fs::symlink(&path, directory.path().join("link")).unwrap();
        check_refused(&directory.path().join("link"), "is no socket");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "precious");
    }

    #[test]
    fn a_socket_that_took_our_place_is_not_removed() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("promptd.sock");
        let (listener, file) = bind(&path, 0o660, None, None).unwrap();
        std::fs::rename(&path, directory.path().join("moved")).unwrap();
        let other = UnixListener::bind(&path).unwrap();
        drop((listener, file));
        assert!(UnixStream::connect(&path).is_ok());
        drop(other);
    }

    #[test]
    fn only_under_the_private_root_a_directory_is_made() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("promptd/promptd.sock");
        check_refused(&path, "does not exist");
        let bound = bind(&path, 0o660, Some(root.path()), None).unwrap();
        assert_eq!(mode_of(&root.path().join("promptd")), 0o700);
        drop(bound);
    }

    #[test]
    fn a_path_that_the_kernel_cannot_take_is_refused_with_its_length() {
        check_refused(
            &Path::new("/tmp").join("x".repeat(200)),
            "has 205 bytes; the kernel allows 107",
        );
        check_refused(Path::new("/"), "names no file");
    }

    #[test]
    fn two_that_start_at_once_do_not_both_win() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("promptd.sock");
        let held = std::fs::File::open(directory.path()).unwrap();
        rustix::fs::flock(&held, FlockOperation::LockExclusive).unwrap();
        check_refused(&path, "another promptd");
    }
}
