//! Everything that touches the file system. Synchronous; knows no tokio and no actors.
//!
//! [`Disk`] is the seam: [`RealDisk`] makes the system calls, tests put a faulty disk in its place. Above it stand the
//! write protocol ([`commit`]), recovery ([`recover`]), scanning and the small files of the store. The protocol and its
//! reasons are written down in docs/durability.md and docs/format.md.

mod adopt;
mod commit;
mod depth;
#[expect(
    clippy::module_inception,
    reason = "the seam is named after what it stands for: the disk"
)]
mod disk;
mod evidence;
mod fault;
#[cfg(test)]
#[cfg(not(feature = "interleavings"))]
mod format_doc;
#[cfg(test)]
mod fuzz;
mod index_file;
mod layout;
mod leftovers;
mod manifest;
mod mend;
mod open;
mod overlap;
mod pulse;
mod real;
mod recover;
mod replace;
mod scan;
mod shard_disk;
mod space;
mod timed;
mod trash;
mod version_file;

pub use adopt::Adoptee;
pub use disk::{Disk, EntryKind, FileContent, NewFile, Space, Stamp};
pub use evidence::read_evidence;
pub use fault::DiskFault;
pub use index_file::{IndexHints, IndexSource, PromptHint, load_index, write_index};
pub use layout::Layout;
pub(super) use layout::{
    MANIFEST_FILE, METADATA_FILE, TRASH_DIR, TrashName, belongs_to_trashed, evidence_of_file_name,
    note_of_file_name, trashed_copy_of_file_name, version_of_file_name,
};
pub use manifest::{LabelRecord, Manifest};
#[cfg(all(test, not(feature = "interleavings")))]
pub(super) use open::settle_metadata;
pub(super) use open::{MAX_METADATA_BYTES, list_shards, read_metadata};
pub use open::{OpenError, OpenedStore, StoreMetadata, open_store};
pub use overlap::overlap;
pub use pulse::{Pulse, Wait};
pub use real::{RealDisk, StoreLock, inotify_limit};
pub use recover::{RecoveredShard, recover_shard};
#[cfg(all(test, not(feature = "interleavings")))]
pub(super) use scan::MAX_MANIFEST_BYTES;
pub(super) use scan::{Foreign, clock_nanos, list_prompt, read_manifest};
pub use scan::{Slot, scan_prompt, scan_shard_names};
pub(crate) use shard_disk::STORE_MOVED;
pub use shard_disk::{DiskLimits, Prepared, Run, ShardDisk};
pub use space::{Full, FullCause, Reservation, SpaceBounds, SpaceGuard};
pub use timed::{DiskMetrics, TimedDisk};
pub(super) use trash::{NoteState, TRASH_LEFTOVER};
pub(super) use version_file::read_regular;
pub use version_file::{ReadFailure, read_version, read_version_at};
