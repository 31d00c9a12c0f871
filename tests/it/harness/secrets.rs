//! Secrets in files: written with their mode, and looked for afterwards.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Writes a file with a secret.
pub fn write_secret(file: &Path, secret: &str, mode: u32) {
    std::fs::write(file, format!("{secret}\n")).unwrap();
    std::fs::set_permissions(file, PermissionsExt::from_mode(mode)).unwrap();
}

/// Returns the files below a directory that hold a word.
pub fn holders(directory: &Path, word: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(holders(&path, word));
        } else if path.is_file() && String::from_utf8_lossy(&std::fs::read(&path).unwrap()).contains(word) {
            found.push(path);
        }
    }
    found
}
