//! Small files that are replaced as a whole: temporary file, fsync, rename, fsync of the directory.

use std::io;
use std::path::Path;

use uuid::Uuid;

use crate::storage::filesystem::disk::Disk;

/// The ending of a file that is being written.
pub(super) const TMP_ENDING: &str = ".tmp";

/// Replaces a file of the directory. When this returns, the new one is durable; after a crash there is the old one or the
/// new one. Blocks on the disk.
pub(super) fn replace(disk: &dyn Disk, name: &str, bytes: &[u8]) -> io::Result<()> {
    let temporary = format!("{name}.{}{TMP_ENDING}", Uuid::new_v4().simple());
    let temporary = Path::new(&temporary);
    let written = disk.create_new(temporary).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync()
    });
    let named = written.and_then(|()| disk.rename_over(temporary, Path::new(name)));
    if let Err(error) = named {
        // What cannot be removed now is swept away at the next start.
        drop(disk.unlink(temporary));
        return Err(error);
    }
    disk.sync_dir(Path::new(""))
}
