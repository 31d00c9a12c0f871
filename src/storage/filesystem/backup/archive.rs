//! Reading an archive that may come from anybody.
//!
//! Nothing in it is believed: not the paths, not the kinds of entries, not the sizes, not that it ends.

use std::collections::BTreeMap;
use std::io::{self, Read};

use super::inventory::{FileFacts, Inventory, MAX_FILES, MAX_INVENTORY_BYTES, shown};
use super::member::{INVENTORY_FILE, MAX_PATH_BYTES, Member};

/// The most bytes after the inventory: the zeros with which a tar ends, in the largest blocks that programs write.
const MAX_PADDING: u64 = 1 << 20;

/// What reading an archive came to.
#[derive(Debug, thiserror::Error)]
pub(super) enum ArchiveError {
    /// It is not what it should be.
    #[error("{0}")]
    Invalid(String),
    /// The system refused, or whoever takes the files.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// What an archive holds: what its inventory says, and what was found.
#[derive(Debug)]
pub(super) struct Contents {
    pub inventory: Inventory,
    pub found: BTreeMap<String, FileFacts>,
}

/// Reads an archive to its end and hands each file to `take`.
///
/// # Errors
/// [`ArchiveError::Invalid`] says what is wrong with it.
pub(super) fn read_archive(
    file: impl Read,
    max_entry_bytes: u64,
    mut take: impl FnMut(&Member, &str, &[u8]) -> io::Result<()>,
) -> Result<Contents, ArchiveError> {
    let decoder = zstd::Decoder::new(file)?;
    let mut archive = tar::Archive::new(decoder);
    let mut found: BTreeMap<String, FileFacts> = BTreeMap::new();
    let mut inventory = None;
    let mut long_name = None;
    for entry in archive.entries().map_err(unreadable)?.raw(true) {
        let mut entry = entry.map_err(unreadable)?;
        if inventory.is_some() {
            return Err(invalid("something follows the inventory".to_owned()));
        }
        let kind = entry.header().entry_type();
        if kind.is_gnu_longname() && long_name.is_none() {
            long_name = Some(read_long_name(&mut entry)?);
            continue;
        }
        let path = match long_name.take() {
            Some(name) => name,
            None => text_of(&entry.path_bytes())?,
        };
        if !kind.is_file() {
            let path = shown(&path);
            return Err(invalid(format!("{path} is no regular file but of type {kind:?}")));
        }
        if path == INVENTORY_FILE {
            let bytes = read_entry(&mut entry, &path, MAX_INVENTORY_BYTES)?;
            let parsed = Inventory::parse(&bytes);
            inventory =
                Some(parsed.map_err(|why| invalid(format!("its inventory {INVENTORY_FILE}: {why}")))?);
            continue;
        }
        let (member, _) = Member::parse(&path)
            .ok_or_else(|| invalid(format!("{} is no path of a backup", shown(&path))))?;
        let bytes = read_entry(&mut entry, &path, max_entry_bytes)?;
        if found.len() >= MAX_FILES {
            return Err(invalid(format!("it has more than {MAX_FILES} files")));
        }
        if found.contains_key(&path) {
            return Err(invalid(format!("{} is in it twice", shown(&path))));
        }
        take(&member, &path, &bytes)?;
        found.insert(path, FileFacts::of(&bytes));
    }
    read_padding(archive.into_inner())?;
    let inventory = inventory
        .ok_or_else(|| invalid("it ends before its inventory: it is cut off, or no backup".to_owned()))?;
    Ok(Contents { inventory, found })
}

/// Reads a name that is too long for a header of its own. The length is looked at before anything is read.
fn read_long_name(entry: &mut impl Entry) -> Result<String, ArchiveError> {
    let limit = MAX_PATH_BYTES as u64 + 1;
    let bytes = read_entry(entry, "a long name", limit)?;
    text_of(bytes.strip_suffix(b"\0").unwrap_or(&bytes))
}

fn text_of(bytes: &[u8]) -> Result<String, ArchiveError> {
    let text = std::str::from_utf8(bytes);
    text.map(str::to_owned)
        .map_err(|_| invalid("a name in it is no UTF-8".to_owned()))
}

fn read_entry(entry: &mut impl Entry, path: &str, limit: u64) -> Result<Vec<u8>, ArchiveError> {
    let size = entry.size();
    if size > limit {
        return Err(invalid(format!(
            "{} has {size} bytes; the limit is {limit}",
            shown(path)
        )));
    }
    let mut bytes = Vec::new();
    entry
        .take(limit + 1)
        .read_to_end(&mut bytes)
        .map_err(unreadable)?;
    if bytes.len() as u64 != size {
        return Err(invalid(format!("{} is cut off", shown(path))));
    }
    Ok(bytes)
}

/// An entry, as far as it is used here.
trait Entry: Read {
    fn size(&self) -> u64;
}

impl<R: Read> Entry for tar::Entry<'_, R> {
    fn size(&self) -> u64 {
        // What the header itself says; a PAX header that says otherwise is refused as an entry of its own.
        self.header().entry_size().unwrap_or(u64::MAX)
    }
}

fn read_padding(mut rest: impl Read) -> Result<(), ArchiveError> {
    let mut bytes = Vec::new();
    (&mut rest)
        .take(MAX_PADDING + 1)
        .read_to_end(&mut bytes)
        .map_err(unreadable)?;
    if bytes.len() as u64 > MAX_PADDING || bytes.iter().any(|byte| *byte != 0) {
        return Err(invalid("something follows its end".to_owned()));
    }
    Ok(())
}

fn invalid(why: String) -> ArchiveError {
    ArchiveError::Invalid(why)
}

/// An error of the decoder or of the tar: the file may be cut off or damaged, and what the disk itself says stands in it.
fn unreadable(error: io::Error) -> ArchiveError {
    if error.raw_os_error().is_some() {
        return ArchiveError::Io(error);
    }
    ArchiveError::Invalid(format!("it cannot be read to its end: {error}"))
}

#[cfg(test)]
#[path = "archive_tests.rs"]
mod tests;
