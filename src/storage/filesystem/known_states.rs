//! The states of files of which nobody needs to be told any more.
//!
//! The watcher says that a file changed, not who did it nor how often it said so already. What the cache holds tells a write
//! of our own from one of somebody else as long as it holds it; this tells it also when it does not.

use std::collections::VecDeque;
use std::sync::PoisonError;

use super::disk::Stamp;
use super::runtime::Mutex;

/// So many states are remembered, the last ones: more than there can be before the watcher has told of them.
pub(super) const MAX_REMEMBERED: usize = 512;

/// The states in which files of a shard were left by the shard itself, or were told of when somebody else left them so. No
/// two states of files are the same: no program can set back the time of change of an inode.
#[derive(Debug, Default)]
pub(super) struct KnownStates(Mutex<VecDeque<Stamp>>);

impl KnownStates {
    /// Remembers states.
    pub(super) fn remember(&self, stamps: impl IntoIterator<Item = Stamp>) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.extend(stamps);
        let surplus = known.len().saturating_sub(MAX_REMEMBERED);
        known.drain(..surplus);
    }

    /// Tells whether a state is one of those.
    pub(super) fn has(&self, stamp: &Stamp) -> bool {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.iter().rev().any(|other| other == stamp)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stamp(ctime: i64) -> Stamp {
        Stamp {
            ino: 1,
            size: 2,
            mtime: 3,
            ctime,
        }
    }

    #[test]
    fn the_last_states_are_remembered_and_no_more() {
        let known = KnownStates::default();
        known.remember((0..600).map(stamp));
        assert!(known.has(&stamp(599)) && known.has(&stamp(88)));
        assert!(!known.has(&stamp(87)) && !known.has(&stamp(600)));
    }
}
