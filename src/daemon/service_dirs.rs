//! The directories that the service manager names in the environment.

use std::ffi::OsString;
use std::path::PathBuf;

/// Returns the directory of credentials.
pub(super) fn credentials_dir() -> Option<PathBuf> {
    variable("CREDENTIALS_DIRECTORY").map(PathBuf::from)
}

/// Returns the first of the cache directories.
pub(super) fn cache_dir() -> Option<PathBuf> {
    variable("CACHE_DIRECTORY").and_then(|list| first_of(&list.into_string().ok()?))
}

fn variable(name: &str) -> Option<OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}

/// Returns the first entry of a list of directories as systemd gives it.
fn first_of(list: &str) -> Option<PathBuf> {
    list.split(':').find(|dir| !dir.is_empty()).map(PathBuf::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_directory_of_a_list_is_taken() {
        assert_eq!(first_of(":/a:/b"), Some(PathBuf::from("/a")));
        assert_eq!(first_of(""), None);
    }
}
