//! Whether there is room for something new: one answer for all shards of a store, with hysteresis.
//!
//! The store counts as full as soon as a write would take it below `min_free_bytes`, or the disk itself says that it is
//! full. It stays so until there is clearly more room than that, so that it does not go back and forth with every write.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::Serialize;

use crate::log_events::LogEvent;
use crate::model::Timestamp;

use super::{Disk, DiskFault, Space};

/// Where it begins and where it ends that nothing new is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpaceBounds {
    /// Free bytes below which nothing new is written; 0 leaves it to the disk to say so.
    pub min_free_bytes: u64,
    /// Free bytes from which writes are taken again.
    pub resume_free_bytes: u64,
}

/// Why the store counts as full.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum FullCause {
    /// A write would have taken the disk below `min_free_bytes`.
    Reserve,
    /// The disk, or a quota on it, refused a write.
    Disk,
}

/// Since when and why the store counts as full.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Full {
    /// Since when.
    pub since: Timestamp,
    /// Why.
    pub cause: FullCause,
}

/// What becomes of the state at a look at the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    /// There is room.
    Room,
    /// There is room by the numbers, but the disk refused the last write: only another write can tell.
    Try,
    /// There is none.
    NoRoom,
}

/// The room of one store. Shared by all of its shards.
#[derive(Debug)]
pub struct SpaceGuard {
    bounds: SpaceBounds,
    full: Mutex<Option<Full>>,
    reserved: AtomicU64,
}

/// Room that a write in flight has been promised. It is given back when the write has ended.
#[derive(Debug)]
pub struct Reservation<'a> {
    guard: &'a SpaceGuard,
    bytes: u64,
}

impl SpaceBounds {
    /// Makes the bounds of a reserve; writes come back at `percent` of it.
    #[must_use]
    pub const fn new(min_free_bytes: u64, percent: u32) -> Self {
        let (hundreds, rest) = (min_free_bytes / 100, min_free_bytes % 100);
        let percent = percent as u64;
        Self {
            min_free_bytes,
            resume_free_bytes: hundreds
                .saturating_mul(percent)
                .saturating_add(rest.saturating_mul(percent) / 100),
        }
    }

    /// Decides by the numbers. Pure.
    const fn judge(self, cause: Option<FullCause>, free: u64, wanted: u64) -> Verdict {
        match cause {
            Some(_) if free < self.resume_free_bytes => Verdict::NoRoom,
            _ if self.min_free_bytes > 0 && free < self.min_free_bytes.saturating_add(wanted) => {
                Verdict::NoRoom
            }
            Some(FullCause::Disk) => Verdict::Try,
            _ => Verdict::Room,
        }
    }
}

impl SpaceGuard {
    /// Makes a guard that has not seen the disk yet.
    #[must_use]
    pub fn new(bounds: SpaceBounds) -> Self {
        Self {
            bounds,
            full: Mutex::default(),
            reserved: AtomicU64::new(0),
        }
    }

    /// Returns the bounds.
    #[must_use]
    pub const fn bounds(&self) -> SpaceBounds {
        self.bounds
    }

    /// Tells whether the store counts as full, since when and why.
    #[must_use]
    pub fn full(&self) -> Option<Full> {
        self.lock().clone()
    }

    /// Promises room for a write, or says that there is none.
    ///
    /// # Errors
    /// `NoSpace`.
    pub fn reserve(&self, disk: &dyn Disk, bytes: u64) -> Result<Reservation<'_>, DiskFault> {
        let before = self.reserved.fetch_add(bytes, Ordering::AcqRel);
        let reservation = Reservation { guard: self, bytes };
        match disk.space() {
            Ok(space) if self.look(space, before.saturating_add(bytes)) == Verdict::NoRoom => {
                Err(DiskFault::NoSpace)
            }
            // A file system that cannot say how full it is will say so when it is.
            Ok(_) | Err(_) => Ok(reservation),
        }
    }

    /// Takes note of what the disk says of its room; `true` when only a write can tell whether it takes one again.
    pub fn see(&self, space: Space) -> bool {
        self.look(space, 0) == Verdict::Try
    }

    /// Takes note that the disk refused a write for want of room.
    pub fn refused_by_disk(&self) {
        let mut full = self.lock();
        if full.is_none() {
            tracing::warn!(event = %LogEvent::StorageFull, "the disk is full: nothing new is stored until there is room again");
            *full = Some(Full {
                since: Timestamp::now(),
                cause: FullCause::Disk,
            });
        }
    }

    /// Takes note that something new was written: there is room.
    pub fn wrote(&self) {
        let mut full = self.lock();
        if full.as_ref().is_some_and(|full| full.cause == FullCause::Disk) {
            self.leave(&mut full);
        }
    }

    fn look(&self, space: Space, wanted: u64) -> Verdict {
        let mut full = self.lock();
        let verdict = self
            .bounds
            .judge(full.as_ref().map(|full| full.cause), space.free, wanted);
        match verdict {
            Verdict::NoRoom if full.is_none() => {
                let SpaceBounds {
                    min_free_bytes,
                    resume_free_bytes,
                } = self.bounds;
                tracing::warn!(
                    event = %LogEvent::StorageFull,
                    free = space.free,
                    min_free_bytes,
                    resume_free_bytes,
                    "the disk is nearly full: nothing new is stored until there is room again"
                );
                *full = Some(Full {
                    since: Timestamp::now(),
                    cause: FullCause::Reserve,
                });
            }
            Verdict::Room => self.leave(&mut full),
            Verdict::NoRoom | Verdict::Try => {}
        }
        verdict
    }

    fn leave(&self, full: &mut Option<Full>) {
        if let Some(Full { since, .. }) = full.take() {
            tracing::info!(event = %LogEvent::StorageWritable, %since, "there is room on the disk again: new versions are stored");
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Full>> {
        self.full.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Reservation<'_> {
    fn drop(&mut self) {
        self.guard.reserved.fetch_sub(self.bytes, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn space(free: u64) -> Space {
        Space {
            free,
            total: 1 << 40,
            read_only: false,
        }
    }

    fn guard() -> SpaceGuard {
        SpaceGuard::new(SpaceBounds::new(1000, 125))
    }

    #[test]
    fn writes_come_back_at_the_upper_bound_and_not_before() {
        let guard = guard();
        for (free, is_full) in [
            (1000, false),
            (999, true),
            (1000, true),
            (1249, true),
            (1250, false),
            (1000, false),
        ] {
            assert!(!guard.see(space(free)));
            assert_eq!(guard.full().is_some(), is_full, "{free} bytes free");
        }
    }

    #[test]
    fn what_a_write_will_take_counts_before_it_is_written() {
        let bounds = SpaceBounds::new(1000, 125);
        assert_eq!(bounds.judge(None, 1100, 100), Verdict::Room);
        assert_eq!(bounds.judge(None, 1100, 101), Verdict::NoRoom);
        let unguarded = SpaceBounds::new(0, 125);
        assert_eq!(unguarded.judge(None, 0, u64::MAX), Verdict::Room);
    }

    #[test]
    fn a_disk_that_refused_a_write_must_take_one_before_it_counts_as_having_room() {
        let guard = guard();
        guard.refused_by_disk();
        assert!(!guard.see(space(1249)), "not worth a try yet");
        assert!(guard.see(space(5000)), "only a write can tell");
        assert_eq!(guard.full().map(|full| full.cause), Some(FullCause::Disk));
        guard.wrote();
        assert_eq!(guard.full(), None);
    }

    #[test]
    fn the_upper_bound_never_wraps_around() {
        assert_eq!(SpaceBounds::new(64 << 20, 125).resume_free_bytes, 80 << 20);
        assert_eq!(SpaceBounds::new(u64::MAX, 1000).resume_free_bytes, u64::MAX);
        assert_eq!(SpaceBounds::new(3, 150).resume_free_bytes, 4);
    }
}
