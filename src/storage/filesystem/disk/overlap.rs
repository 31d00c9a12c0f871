//! Whether one directory lies inside another.

use std::io;
use std::path::{Path, PathBuf};

/// Tells whether one of two directories lies in the other or is the same, also through symlinks and when one of them is not
/// there yet.
///
/// # Errors
/// What looking at them says.
pub fn overlap(one: &Path, other: &Path) -> io::Result<bool> {
    let (one, other) = (real(one)?, real(other)?);
    Ok(one.starts_with(&other) || other.starts_with(&one))
}

/// Resolves as much of a path as there is.
fn real(path: &Path) -> io::Result<PathBuf> {
    let path = std::path::absolute(path)?;
    for ancestor in path.ancestors() {
        #[expect(
            clippy::disallowed_methods,
            reason = "compares two configured directories; nothing is opened by it"
        )]
        match std::fs::canonicalize(ancestor) {
            Ok(found) => return Ok(found.join(path.strip_prefix(ancestor).unwrap_or(Path::new("")))),
            Err(e) if e.kind() == io::ErrorKind::NotFound => {}
            Err(e) => return Err(e),
        }
    }
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_in_another_is_found_through_symlinks_and_before_it_is_made() {
        let dir = tempfile::tempdir().unwrap();
        let (store, beside) = (dir.path().join("store"), dir.path().join("backups"));
        std::fs::create_dir(&store).unwrap();
        std::os::unix::fs::symlink(&store, dir.path().join("link")).unwrap();
        let check = |other: &Path, expected: bool| {
            assert_eq!(overlap(&store, other).unwrap(), expected, "{}", other.display());
            assert_eq!(overlap(other, &store).unwrap(), expected, "{}", other.display());
        };
        check(&store, true);
        check(&store.join("a/b"), true);
        check(dir.path(), true);
        check(&dir.path().join("link/x"), true);
        check(&beside, false);
        check(&dir.path().join("store2"), false);
    }
}
