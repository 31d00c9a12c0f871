//! What shows that somebody works although they do not answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// The pulse of one actor: it counts steps, and knows whether the actor waits for the disk or for another actor.
#[derive(Debug, Default)]
pub struct Pulse {
    steps: AtomicU64,
    waits: AtomicUsize,
}

/// Held by an actor while it waits for what it cannot hurry. Its end is a step.
#[derive(Debug)]
pub struct Wait(Arc<Pulse>);

impl Pulse {
    /// Counts a step: a message taken, a directory read, a piece of work done.
    pub fn step(&self) {
        self.steps.fetch_add(1, Ordering::Relaxed);
    }

    /// Returns the steps so far.
    #[must_use]
    pub fn steps(&self) -> u64 {
        self.steps.load(Ordering::Relaxed)
    }

    /// Says that the actor waits, until the returned guard is dropped.
    #[must_use]
    pub fn wait(self: &Arc<Self>) -> Wait {
        self.waits.fetch_add(1, Ordering::Relaxed);
        Wait(Arc::clone(self))
    }

    /// Tells whether the actor waits.
    #[must_use]
    pub fn waits(&self) -> bool {
        self.waits.load(Ordering::Relaxed) > 0
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        self.0.waits.fetch_sub(1, Ordering::Relaxed);
        self.0.step();
    }
}
