//! The feed of changes: what happened in a store, in one order, for whoever follows it.
//!
//! A backend appends to its [`Feed`] each change once reads show it, and never before. A [`Subscription`] gets every
//! change after the revision at which it begins, once each and in order, or is told that it is too late. What is kept is
//! bounded ([`EventRing`]); nothing is kept for a reader that is slow, and nothing waits for it. Nothing of it survives the
//! process: after a start the epoch is another, and whoever followed reads everything anew.

mod diff;
mod event;
mod ring;
mod subscription;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use crate::model::{PromptId, Timestamp};

use super::Revision;

pub use diff::{changes_of_problems, changes_of_prompt};
pub use event::{Change, EventKind, Origin, StoreEvent};
pub use ring::{EventRing, Gone};
pub use subscription::Subscription;

/// How many events are kept where nobody says.
pub const DEFAULT_EVENTS_KEPT: usize = 10_000;

/// What changed of one prompt, or of the store, and by whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// The prompt; nothing for what belongs to none.
    pub prompt_id: Option<PromptId>,
    /// By whom.
    pub origin: Origin,
    /// What.
    pub change: Change,
}

/// The feed of one store. Clones share it.
#[derive(Debug, Clone)]
pub struct Feed(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    epoch: u64,
    ring: Mutex<EventRing>,
    /// The counter of the ring, to be read without its lock.
    counter: AtomicU64,
    /// Wakes those who wait for more.
    wake: watch::Sender<u64>,
}

impl Feed {
    /// Makes an empty feed in an epoch of its own.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        let epoch = uuid::Uuid::new_v4().as_u64_pair().0;
        Self(Arc::new(Shared {
            epoch,
            ring: Mutex::new(EventRing::new(capacity)),
            counter: AtomicU64::new(0),
            wake: watch::Sender::new(0),
        }))
    }

    /// Returns the revision that everything so far is part of.
    #[must_use]
    pub fn revision(&self) -> Revision {
        Revision {
            epoch: self.0.epoch,
            counter: self.0.counter.load(Ordering::Acquire),
        }
    }

    /// Appends what changed. Where nothing did that an event could say, the revision grows all the same.
    pub fn append(&self, told: Vec<Told>) {
        let at = (!told.is_empty()).then(Timestamp::now);
        let mut ring = self.lock();
        match at {
            None => ring.skip(),
            Some(at) => {
                for Told {
                    prompt_id,
                    origin,
                    change,
                } in told
                {
                    ring.append(|counter| StoreEvent {
                        revision: Revision {
                            epoch: self.0.epoch,
                            counter,
                        },
                        at: at.clone(),
                        prompt_id,
                        origin,
                        change,
                    });
                }
            }
        }
        self.publish(ring);
    }

    /// Says that more changed than can be told: whoever followed reads everything anew.
    pub fn begin_anew(&self) {
        let mut ring = self.lock();
        ring.begin_anew();
        self.publish(ring);
    }

    /// Changes how many events are kept.
    pub fn set_capacity(&self, capacity: usize) {
        self.lock().set_capacity(capacity);
    }

    /// Returns how many events are kept now.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lock().len()
    }

    /// Tells whether no event is kept.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Follows the feed from after a revision on; without one from now on.
    ///
    /// # Errors
    /// [`Gone`] when what came after that revision is not known any more, or never was.
    pub fn subscribe(&self, since: Option<Revision>) -> Result<Subscription, Gone> {
        Subscription::begin(self.clone(), since)
    }

    fn lock(&self) -> MutexGuard<'_, EventRing> {
        self.0.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Within the lock, so that the counter never goes back.
    fn publish(&self, ring: MutexGuard<'_, EventRing>) {
        let counter = ring.counter();
        self.0.counter.store(counter, Ordering::Release);
        drop(ring);
        self.0.wake.send_modify(|newest| *newest = counter.max(*newest));
    }
}
