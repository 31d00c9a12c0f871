//! What can happen to a file or directory.

use std::fs::FileTimes;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::time::{Duration, SystemTime};

use rustix::fs::{FileType, Mode, mknodat};

/// One kind of damage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Action {
    Truncate,
    Empty,
    FlipByte,
    Delete,
    /// A copy of it under another number or name.
    Duplicate,
    /// Exchanged with the one that stands beside it.
    Swap,
    WrongId,
    WrongNumber,
    DuplicateKey,
    HugeNumber,
    DeepNesting,
    NotUtf8,
    NoMode,
    /// Of next year, by its time of change and by what it says.
    Future,
    /// Somebody holds a second name of it outside the store.
    HardLink,
    File,
    Directory,
    LinkInside,
    LinkOutside,
    LinkDangling,
    Fifo,
    Socket,
    Device,
}

/// What happens to files.
pub(super) const ON_FILES: [Action; 22] = [
    Action::Truncate,
    Action::Empty,
    Action::FlipByte,
    Action::Delete,
    Action::Duplicate,
    Action::Swap,
    Action::WrongId,
    Action::WrongNumber,
    Action::DuplicateKey,
    Action::HugeNumber,
    Action::DeepNesting,
    Action::NotUtf8,
    Action::NoMode,
    Action::Future,
    Action::HardLink,
    Action::Directory,
    Action::LinkInside,
    Action::LinkOutside,
    Action::LinkDangling,
    Action::Fifo,
    Action::Socket,
    Action::Device,
];

/// What happens to directories.
pub(super) const ON_DIRECTORIES: [Action; 9] = [
    Action::Delete,
    Action::Swap,
    Action::NoMode,
    Action::File,
    Action::LinkInside,
    Action::LinkOutside,
    Action::LinkDangling,
    Action::Fifo,
    Action::Socket,
];

/// Why damage cannot be done here.
pub(super) struct Impossible(pub(super) &'static str);

impl Action {
    /// Does it to `target`. `beside` is its like, `copy` the name of a copy; outside is a directory that is not of the store.
    pub(super) fn apply(
        self,
        target: &Path,
        beside: &Path,
        copy: &Path,
        outside: &Path,
    ) -> Result<(), Impossible> {
        match self {
            Self::Truncate => edit(target, |bytes| bytes.truncate(bytes.len() / 2)),
            Self::Empty => edit(target, Vec::clear),
            // A digit of what it says, so that it stays JSON and only the seal can tell.
            Self::FlipByte => edit(target, |bytes| {
                let place = bytes
                    .iter()
                    .rposition(|byte| *byte == b'0' || *byte == b'1')
                    .unwrap_or(0);
                bytes[place] ^= 1;
            }),
            Self::Delete if target.is_dir() => std::fs::remove_dir_all(target).unwrap(),
            Self::Delete => std::fs::remove_file(target).unwrap(),
            Self::Duplicate => drop(std::fs::copy(target, copy).unwrap()),
            Self::Swap => rustix::fs::renameat_with(
                rustix::fs::CWD,
                target,
                rustix::fs::CWD,
                beside,
                rustix::fs::RenameFlags::EXCHANGE,
            )
            .unwrap(),
            // Test results are written without white space.
            Self::WrongId => {
                replace(target, r#""prompt_id": "p""#, r#""prompt_id": "q""#);
                replace(target, r#""prompt_id":"p""#, r#""prompt_id":"q""#);
            }
            Self::WrongNumber => {
                replace(target, r#""version": "1"#, r#""version": "7"#);
                replace(target, r#""version":"1"#, r#""version":"7"#);
            }
            Self::DuplicateKey => edit(target, |bytes| {
                let first = bytes.iter().position(|byte| *byte == b'{').unwrap_or(0);
                bytes.splice(
                    first + 1..=first,
                    *br#""version": "9.9.9", "prompt_id": "z", "version": "9.9.9", "#,
                );
            }),
            Self::HugeNumber => insert(target, &format!(r#""n": {}, "#, "9".repeat(400))),
            Self::DeepNesting => insert(
                target,
                &format!(r#""n": {}{}, "#, "[".repeat(100_000), "]".repeat(100_000)),
            ),
            Self::NotUtf8 => edit(target, |bytes| {
                let first = bytes.iter().position(|byte| *byte == b'"').unwrap_or(0);
                bytes.insert(first + 1, 0xff);
            }),
            Self::NoMode => return no_mode(target),
            Self::Future => future(target),
            Self::HardLink => std::fs::hard_link(target, outside.join("held")).unwrap(),
            _ => self.put_in_place(target, beside, outside)?,
        }
        Ok(())
    }

    /// Puts something else in the place of the target, which is kept outside.
    fn put_in_place(self, target: &Path, beside: &Path, outside: &Path) -> Result<(), Impossible> {
        let kept = outside.join("kept");
        std::fs::rename(target, &kept).unwrap();
        let special =
            |kind, device| mknodat(rustix::fs::CWD, target, kind, Mode::from_raw_mode(0o600), device);
        match self {
            Self::File => std::fs::write(target, "a file").unwrap(),
            Self::Directory => {
                std::fs::create_dir(target).unwrap();
                std::fs::write(target.join("inside"), "of somebody").unwrap();
            }
            Self::LinkInside => symlink(beside, target).unwrap(),
            Self::LinkOutside => symlink(&kept, target).unwrap(),
            Self::LinkDangling => symlink("nowhere", target).unwrap(),
            Self::Fifo => special(FileType::Fifo, 0).unwrap(),
            Self::Socket => drop(UnixListener::bind(target).unwrap()),
            // The device that never ends a read.
            _ => {
                if special(FileType::CharacterDevice, rustix::fs::makedev(1, 5)).is_err() {
                    std::fs::rename(&kept, target).unwrap();
                    return Err(Impossible("only root may make devices"));
                }
            }
        }
        Ok(())
    }
}

fn edit(target: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = std::fs::read(target).unwrap();
    change(&mut bytes);
    std::fs::write(target, bytes).unwrap();
}

fn replace(target: &Path, from: &str, to: &str) {
    edit(target, |bytes| {
        let text = String::from_utf8_lossy(bytes).replacen(from, to, 1);
        *bytes = text.into_bytes();
    });
}

/// Adds keys at the beginning of the outermost object.
fn insert(target: &Path, keys: &str) {
    edit(target, |bytes| {
        if let Some(first) = bytes.iter().position(|byte| *byte == b'{') {
            bytes.splice(first + 1..=first, keys.bytes());
        }
    });
}

fn no_mode(target: &Path) -> Result<(), Impossible> {
    std::fs::set_permissions(target, std::fs::Permissions::from_mode(0o000)).unwrap();
    if std::fs::File::open(target).is_ok() {
        std::fs::set_permissions(target, std::fs::Permissions::from_mode(0o750)).unwrap();
        return Err(Impossible("this user reads what nobody may read"));
    }
    Ok(())
}

fn future(target: &Path) {
    replace(target, r#""created_at": "20"#, r#""created_at": "30"#);
    let next_year = SystemTime::now() + Duration::from_secs(365 * 86_400);
    let times = FileTimes::new().set_modified(next_year).set_accessed(next_year);
    std::fs::File::options()
        .append(true)
        .open(target)
        .unwrap()
        .set_times(times)
        .unwrap();
}
