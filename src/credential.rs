//! Secrets that the configuration names and does not hold: where they are read from, and that they are never shown.

use std::fmt;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::storage::filesystem::disk::{Disk, RealDisk};

/// The largest key.
const MAX_KEY_BYTES: u64 = 8 * 1024;
/// Rights of the group and of all others.
const OTHERS_BITS: u32 = 0o077;

/// A secret. It is never printed.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Secret(String);

/// Where a secret is, if there is one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum CredentialSource {
    /// There is none.
    None,
    /// In the directory that systemd made.
    Systemd(PathBuf),
    /// In a file of the operator.
    File(PathBuf),
}

/// Why a secret cannot be read. The message has no part of it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct CredentialError(String);

/// Tells whether a text can be the name of a credential: one plain file name.
pub(crate) fn is_credential_name(name: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    (1..=255).contains(&name.len()) && !name.starts_with('.') && name.chars().all(is_plain)
}

impl CredentialError {
    pub(crate) fn unread() -> Self {
        Self("the secret could not be read: see the log".to_owned())
    }
}

impl CredentialSource {
    /// Finds out where the secret is that the keys `credential` and `credential_file` of a section name. `directory` is
    /// `$CREDENTIALS_DIRECTORY`.
    pub(crate) fn of(
        section: &str,
        credential: Option<&str>,
        file: Option<&Path>,
        directory: Option<&Path>,
    ) -> Result<Self, CredentialError> {
        match (credential, file, directory) {
            (None, None, _) => Ok(Self::None),
            (None, Some(file), _) => Ok(Self::File(file.to_owned())),
            (Some(name), _, Some(directory)) => Ok(Self::Systemd(directory.join(name))),
            (Some(name), _, None) => Err(CredentialError(format!(
                "{section}.credential names {name:?}, but there is no $CREDENTIALS_DIRECTORY: add \
                 LoadCredential={name}:/path/of/the/file to the service, or set {section}.credential_file"
            ))),
        }
    }

    /// Reads the secret; `None` when there is none. Blocks on the disk.
    pub(crate) fn read(&self) -> Result<Option<Secret>, CredentialError> {
        let path = match self {
            Self::None => return Ok(None),
            Self::Systemd(path) | Self::File(path) => path,
        };
        let failed =
            |why: &dyn fmt::Display| CredentialError(format!("the secret in {}: {why}", path.display()));
        let bytes = self.read_file(path).map_err(|error| failed(&error))?;
        let text = String::from_utf8(bytes).map_err(|_| failed(&"it is not UTF-8"))?;
        let key = text.trim();
        let is_sendable = !key.is_empty() && key.chars().all(|c| c.is_ascii_graphic());
        if !is_sendable {
            return Err(failed(&"it must be one line of letters, digits and signs"));
        }
        Ok(Some(Secret(key.to_owned())))
    }

    fn read_file(&self, path: &Path) -> io::Result<Vec<u8>> {
        let (Some(directory), Some(name)) = (path.parent(), path.file_name()) else {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no file"));
        };
        #[expect(
            clippy::disallowed_methods,
            reason = "it is a file of the operator and may be a link, as the secrets of containers are"
        )]
        let path = std::fs::canonicalize(directory.join(name))?;
        if let Self::File(_) = self {
            refuse_readable_by_others(&path)?;
        }
        let (Some(directory), Some(name)) = (path.parent(), path.file_name()) else {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no file"));
        };
        Ok(RealDisk::open_existing(directory)?
            .read(Path::new(name), MAX_KEY_BYTES)?
            .bytes)
    }
}

/// A secret that others can read is one no more.
fn refuse_readable_by_others(path: &Path) -> io::Result<()> {
    #[expect(
        clippy::disallowed_methods,
        reason = "it is a file of the operator, outside the store"
    )]
    let mode = std::fs::metadata(path)?.mode();
    if mode & OTHERS_BITS == 0 {
        return Ok(());
    }
    let message = format!(
        "its mode is {:04o}, so others may use it: chmod 600 it",
        mode & 0o7777
    );
    Err(io::Error::new(io::ErrorKind::PermissionDenied, message))
}

impl Secret {
    /// Returns the secret, to use it.
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    const KEY: &str = "sk-open-sesame-42";

    fn file(content: &[u8], mode: u32) -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("llm-key");
        std::fs::write(&path, content).unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
        (dir, path)
    }

    fn check(content: &[u8], mode: u32, expected: Result<&str, &str>) {
        let (_dir, path) = file(content, mode);
        let read = CredentialSource::File(path).read();
        match (read, expected) {
            (Ok(Some(secret)), Ok(key)) => assert_eq!(secret.reveal(), key),
            (Err(error), Err(says)) => {
                let shown = format!("{error} {error:?}");
                assert!(shown.contains(says) && !shown.contains("sesame"), "{shown}");
            }
            (read, expected) => panic!("{read:?}, not {expected:?}"),
        }
    }

    #[test]
    fn a_key_is_read_from_a_file_of_its_owner_alone() {
        check(format!("{KEY}\n").as_bytes(), 0o600, Ok(KEY));
        check(KEY.as_bytes(), 0o400, Ok(KEY));
        for mode in [0o640, 0o604, 0o660, 0o666, 0o620] {
            check(KEY.as_bytes(), mode, Err("chmod 600"));
        }
        check(b" \n", 0o600, Err("one line"));
        check(b"sesame\nsesame", 0o600, Err("one line"));
        check(b"sesame\xff", 0o600, Err("not UTF-8"));
        check("sésame".as_bytes(), 0o600, Err("one line"));
        check(&[b'x'; 9_000], 0o600, Err("the limit is 8192"));
    }

    #[test]
    fn a_key_that_is_absent_or_no_file_is_told() {
        let dir = tempfile::tempdir().unwrap();
        for path in [
            dir.path().join("absent"),
            dir.path().to_owned(),
            PathBuf::from("/dev/zero"),
        ] {
            assert!(CredentialSource::File(path.clone()).read().is_err(), "{path:?}");
        }
    }

    #[test]
    fn a_credential_of_systemd_is_found_by_its_name() {
        let (dir, _path) = file(KEY.as_bytes(), 0o440);
        let of = |directory| CredentialSource::of("optimizer.llm", Some("llm-key"), None, directory);
        let source = of(Some(dir.path())).unwrap();
        assert_eq!(source.read().unwrap().unwrap().reveal(), KEY);
        let error = of(None).unwrap_err();
        assert!(error.to_string().contains("LoadCredential=llm-key:"), "{error}");
        for name in ["", ".", "..", ".hidden", "a/b", "../key", "a b", "käse"] {
            assert!(!is_credential_name(name), "{name:?}");
        }
    }

    #[test]
    fn a_key_is_never_printed() {
        let shown = format!("{:?} {:#?}", Secret(KEY.into()), Some(Secret(KEY.into())));
        assert!(!shown.contains("sesame"), "{shown}");
    }
}
