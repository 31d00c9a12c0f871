//! Reading one version file and holding it against its path.

use std::io;
use std::path::Path;

use bytes::Bytes;
use rustix::io::Errno;

use crate::model::{PromptId, PromptVersion, Version};
use crate::storage::{StorageError, StoredVersion};

use super::{Disk, Layout, Stamp};

/// Why a version could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReadFailure {
    /// There is no such file.
    Absent,
    /// The file is no valid version of this prompt and number; it stays as it is.
    Corrupt(String),
    /// The system refused; the file may be fine.
    Refused(String),
}

impl ReadFailure {
    /// Turns the failure into the answer for the caller.
    #[must_use]
    pub fn into_error(self, layout: Layout, id: &PromptId, version: &Version) -> StorageError {
        let path = layout.version_file(id, version);
        match self {
            Self::Absent => StorageError::VersionNotFound {
                id: id.clone(),
                version: version.clone(),
            },
            Self::Corrupt(reason) => StorageError::Corrupt {
                path: path.display().to_string(),
                reason,
            },
            Self::Refused(message) => StorageError::Io {
                doing: "reading",
                path,
                message,
            },
        }
    }
}

/// Reads a version and checks that the file is what its path says.
///
/// # Errors
/// [`ReadFailure`] tells absence, damage and refusal apart.
pub fn read_version(
    disk: &dyn Disk,
    layout: Layout,
    id: &PromptId,
    version: &Version,
    max_bytes: u64,
) -> Result<(StoredVersion, Stamp), ReadFailure> {
    let content = read_regular(disk, &layout.version_file(id, version), max_bytes)?;
    let (stored, document) = parse(Bytes::from(content.0))?;
    check_identity(&document, id, version)?;
    Ok((stored, content.1))
}

/// Reads a regular file and tells damage from refusal.
///
/// # Errors
/// [`ReadFailure`] tells absence, damage and refusal apart.
pub(super) fn read_regular(
    disk: &dyn Disk,
    path: &Path,
    max_bytes: u64,
) -> Result<(Vec<u8>, Stamp), ReadFailure> {
    match disk.read(path, max_bytes) {
        Ok(content) => Ok((content.bytes, content.stamp)),
        Err(e) if e.raw_os_error() == Some(Errno::LOOP.raw_os_error()) => {
            Err(ReadFailure::Corrupt("a symlink: never followed".into()))
        }
        Err(e) => Err(match e.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => ReadFailure::Absent,
            io::ErrorKind::InvalidInput | io::ErrorKind::FileTooLarge => ReadFailure::Corrupt(e.to_string()),
            _ => ReadFailure::Refused(e.to_string()),
        }),
    }
}

/// Parses the bytes of a version file.
///
/// # Errors
/// [`ReadFailure::Corrupt`] says what is wrong.
pub(super) fn parse(bytes: Bytes) -> Result<(StoredVersion, PromptVersion), ReadFailure> {
    StoredVersion::parse(bytes).map_err(|e| ReadFailure::Corrupt(e.to_string()))
}

fn check_identity(document: &PromptVersion, id: &PromptId, version: &Version) -> Result<(), ReadFailure> {
    if document.prompt_id != *id {
        return Err(ReadFailure::Corrupt(format!(
            "it says it is prompt {}, its directory is {id}",
            document.prompt_id
        )));
    }
    if document.version != *version {
        return Err(ReadFailure::Corrupt(format!(
            "it says it is version {}, its name is {version}",
            document.version
        )));
    }
    Ok(())
}
