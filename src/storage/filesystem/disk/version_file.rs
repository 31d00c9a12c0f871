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
    /// The system has no room for one more open file or the like: it goes by.
    Exhausted(String),
}

impl ReadFailure {
    /// Classifies an error of looking at something by its path.
    #[must_use]
    pub fn of(error: &io::Error) -> Self {
        match error.kind() {
            _ if is_exhaustion(error) => Self::Exhausted(error.to_string()),
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Self::Absent,
            _ => Self::Refused(error.to_string()),
        }
    }

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
            Self::Refused(message) | Self::Exhausted(message) => StorageError::Io {
                doing: "reading",
                path,
                message,
            },
        }
    }
}

impl ReadFailure {
    /// Turns the failure of reading test results into the answer for the caller.
    #[must_use]
    pub fn into_evidence_error(self, layout: Layout, id: &PromptId, version: &Version) -> StorageError {
        let path = layout.evidence_file(id, version);
        match self {
            Self::Corrupt(reason) => StorageError::CorruptEvidence {
                path: path.display().to_string(),
                reason,
            },
            Self::Absent => StorageError::VersionNotFound {
                id: id.clone(),
                version: version.clone(),
            },
            Self::Refused(message) | Self::Exhausted(message) => StorageError::Io {
                doing: "reading",
                path,
                message,
            },
        }
    }
}

/// Tells whether an error says nothing about the file: the system is short of something for the moment.
#[must_use]
fn is_exhaustion(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error().map(Errno::from_raw_os_error),
        Some(Errno::MFILE | Errno::NFILE | Errno::NOMEM | Errno::AGAIN | Errno::INTR)
    )
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
    read_version_at(disk, &layout.version_file(id, version), id, version, max_bytes)
}

/// Reads a version from another place than its own, such as the trash, and checks that it is the one that is meant.
///
/// # Errors
/// [`ReadFailure`] tells absence, damage and refusal apart.
pub fn read_version_at(
    disk: &dyn Disk,
    path: &Path,
    id: &PromptId,
    version: &Version,
    max_bytes: u64,
) -> Result<(StoredVersion, Stamp), ReadFailure> {
    let content = read_regular(disk, path, max_bytes)?;
    let (stored, document) = parse(Bytes::from(content.0))?;
    check_identity(&document, id, version)?;
    Ok((stored, content.1))
}

/// Reads a regular file and tells damage from refusal.
///
/// # Errors
/// [`ReadFailure`] tells absence, damage and refusal apart.
pub(in crate::storage::filesystem) fn read_regular(
    disk: &dyn Disk,
    path: &Path,
    max_bytes: u64,
) -> Result<(Vec<u8>, Stamp), ReadFailure> {
    match disk.read(path, max_bytes) {
        Ok(content) => Ok((content.bytes, content.stamp)),
        Err(e) if e.raw_os_error() == Some(Errno::LOOP.raw_os_error()) => {
            Err(ReadFailure::Corrupt("a symlink: never followed".into()))
        }
        Err(e)
            if matches!(
                e.kind(),
                io::ErrorKind::InvalidInput | io::ErrorKind::FileTooLarge
            ) =>
        {
            Err(ReadFailure::Corrupt(e.to_string()))
        }
        Err(e) => Err(ReadFailure::of(&e)),
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
