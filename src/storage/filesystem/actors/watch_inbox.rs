//! Where inotify events are gathered until the watcher looks at them.
//!
//! The callback of the watching thread must never block and never forget: it adds paths to a bounded set, and when the
//! set is full, or the kernel lost events, it remembers only that something was lost.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use notify::event::{AccessKind, AccessMode, EventKind};
use notify::{Event, Result as NotifyResult};

/// What has been gathered.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Gathered {
    /// Paths at which something changed.
    pub paths: BTreeSet<PathBuf>,
    /// Whether events were lost, so that everything has to be looked at.
    pub lost: bool,
    /// How many events came.
    pub events: u64,
    /// Whether they were lost because there were more than are remembered.
    pub too_many: bool,
}

/// Gathers events.
#[derive(Debug)]
pub(super) struct WatchInbox {
    gathered: Mutex<Gathered>,
    max_paths: usize,
}

impl WatchInbox {
    /// Makes an inbox for at most so many paths.
    #[must_use]
    pub(super) fn new(max_paths: usize) -> Self {
        Self {
            gathered: Mutex::default(),
            max_paths,
        }
    }

    /// Adds an event. Returns `true` when the inbox was empty before, so that the watcher must be woken.
    pub(super) fn add(&self, event: NotifyResult<Event>) -> bool {
        let mut gathered = self.gathered.lock().unwrap_or_else(PoisonError::into_inner);
        let was_empty = gathered.paths.is_empty() && !gathered.lost;
        match event {
            // Looked at first: an overflow carries no paths.
            Ok(event) if event.need_rescan() => gathered.lost = true,
            Ok(event) if is_change(event.kind) => {
                gathered.events += 1;
                gathered.paths.extend(event.paths);
            }
            Ok(_) => {}
            Err(_) => gathered.lost = true,
        }
        if gathered.paths.len() > self.max_paths {
            gathered.paths.clear();
            gathered.lost = true;
            gathered.too_many = true;
        }
        was_empty && (gathered.lost || !gathered.paths.is_empty())
    }

    /// Remembers that something was lost.
    pub(super) fn lose(&self) {
        self.gathered.lock().unwrap_or_else(PoisonError::into_inner).lost = true;
    }

    /// Takes everything out.
    pub(super) fn take(&self) -> Gathered {
        std::mem::take(&mut *self.gathered.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Opening and reading are events too; looking at them would make more of them, for ever.
fn is_change(kind: EventKind) -> bool {
    match kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write)) => true,
        EventKind::Access(_) => false,
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use notify::event::{CreateKind, Flag};

    fn create(path: &str) -> Event {
        Event::new(EventKind::Create(CreateKind::File)).add_path(path.into())
    }

    #[test]
    fn an_overflow_is_seen_though_it_has_no_paths() {
        let inbox = WatchInbox::new(10);
        assert!(inbox.add(Ok(Event::new(EventKind::Other).set_flag(Flag::Rescan))));
        assert!(inbox.take().lost);
    }

    #[test]
    fn more_paths_than_the_limit_count_as_lost() {
        let inbox = WatchInbox::new(2);
        assert!(inbox.add(Ok(create("a"))), "the first wakes the watcher");
        assert!(!inbox.add(Ok(create("b"))), "the next ones do not");
        assert!(!inbox.add(Ok(create("c"))));
        let gathered = inbox.take();
        assert!(gathered.lost && gathered.paths.is_empty());
    }

    #[test]
    fn reading_is_no_change() {
        let inbox = WatchInbox::new(2);
        let open = Event::new(EventKind::Access(AccessKind::Open(AccessMode::Any))).add_path("a".into());
        assert!(!inbox.add(Ok(open)));
        assert_eq!(inbox.take(), Gathered::default());
    }
}
