//! File systems of a test's own.

use std::path::{Path, PathBuf};
use std::process::Command;

/// A small file system, unmounted at the end.
pub struct SmallDisk(PathBuf);

impl SmallDisk {
    /// Mounts one; nothing where that is not allowed.
    pub fn mount(path: &Path, size: &str) -> Option<Self> {
        std::fs::create_dir_all(path).unwrap();
        let options = format!("size={size}");
        mount(&["-t", "tmpfs", "-o", &options, "promptd-test"], path).then(|| Self(path.to_owned()))
    }

    /// Mounts an ext4 file system that lies in a file; nothing where that is not possible.
    pub fn mount_ext4(path: &Path, image: &Path) -> Option<Self> {
        std::fs::create_dir_all(path).unwrap();
        std::fs::File::create(image).unwrap().set_len(16 << 20).unwrap();
        let made = Command::new("mkfs.ext4").arg("-q").arg(image).output();
        let is_made = made.is_ok_and(|output| output.status.success());
        let image = image.to_str().unwrap();
        (is_made && mount(&["-o", "loop", image], path)).then(|| Self(path.to_owned()))
    }

    /// Lets ext4 believe that its disk fails: it becomes read-only, whoever has files open.
    pub fn fail(&self) {
        assert!(mount(&["-o", "remount,abort"], &self.0));
    }

    /// Makes it read-only, or writable again. The system refuses the former while a file is open for writing.
    pub fn set_read_only(&self, read_only: bool) {
        let options = if read_only { "remount,ro" } else { "remount,rw" };
        assert!(mount(&["-o", options], &self.0), "{options}");
    }
}

fn mount(arguments: &[&str], path: &Path) -> bool {
    let output = Command::new("mount").args(arguments).arg(path).output();
    output.is_ok_and(|output| output.status.success())
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let unmounted = Command::new("umount").arg("-l").arg(&self.0).status();
        assert!(unmounted.is_ok_and(|status| status.success()) || std::thread::panicking());
    }
}
