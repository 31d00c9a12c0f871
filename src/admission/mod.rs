//! Bounds on how much is done at once, shared fairly, which can be changed while they are in use.
//!
//! Nobody waits here: who finds no place is told at once, and why. When a bound is lowered, those inside stay, and nobody
//! enters until enough of them have left.
//!
//! A greedy client does not starve another: each user has a bound of their own, below that of all, and nobody gets more than
//! three quarters of what the others have left, neither a user nor a process of a user.

mod fairness;
mod refusal;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use fairness::Found;

pub use refusal::{Refusal, Scope};

/// Who wants a place, as the kernel says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Claimant {
    /// The user; those of whom none is known are one.
    pub peer: Option<u32>,
    /// The process. Whose is not known shares with no other process, and has the user's places to itself.
    pub process: Option<i32>,
}

/// How many places there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// For all together.
    pub all: usize,
    /// For one user; never more than three quarters of all.
    pub per_peer: usize,
}

/// Places within bounds. Clones share them.
#[derive(Debug, Clone)]
pub struct Admission(Arc<Mutex<Crowd>>);

/// A place within the bounds; free again when it is dropped.
#[derive(Debug)]
pub struct Place {
    admission: Admission,
    claimant: Claimant,
    amount: usize,
}

/// Who is inside. Whoever has no place is not in it.
#[derive(Debug)]
struct Crowd {
    bounds: Bounds,
    taken: usize,
    peers: BTreeMap<Option<u32>, Holdings>,
}

/// What the processes of one user have.
#[derive(Debug, Default)]
struct Holdings {
    taken: usize,
    processes: BTreeMap<Option<i32>, usize>,
}

impl Claimant {
    /// A user of whom the process is not known, or does not matter.
    #[must_use]
    pub const fn user(uid: Option<u32>) -> Self {
        Self {
            peer: uid,
            process: None,
        }
    }
}

impl Admission {
    /// Makes places.
    #[must_use]
    pub fn new(bounds: Bounds) -> Self {
        Self(Arc::new(Mutex::new(Crowd {
            bounds,
            taken: 0,
            peers: BTreeMap::new(),
        })))
    }

    /// Changes how many there are.
    pub fn set_bounds(&self, bounds: Bounds) {
        self.lock().bounds = bounds;
    }

    /// Returns how many places there are for all together.
    #[must_use]
    pub fn max(&self) -> usize {
        self.lock().bounds.all
    }

    /// Returns how many places are taken; more than there are for a while after their number was lowered.
    #[must_use]
    pub fn taken(&self) -> usize {
        self.lock().taken
    }

    /// Returns how many places the user has who has most of them.
    #[must_use]
    pub fn taken_by_one(&self) -> usize {
        let crowd = self.lock();
        crowd.peers.values().map(|peer| peer.taken).max().unwrap_or(0)
    }

    /// Takes a place.
    ///
    /// # Errors
    /// [`Refusal`] when there is none for this one.
    pub fn try_enter(&self, claimant: Claimant) -> Result<Place, Refusal> {
        self.try_take(claimant, 1)
    }

    /// Takes so many places at once, all or none.
    ///
    /// # Errors
    /// [`Refusal`] when there are not so many for this one.
    pub fn try_take(&self, claimant: Claimant, amount: usize) -> Result<Place, Refusal> {
        let mut crowd = self.lock();
        crowd.judge(claimant, amount)?;
        crowd.add(claimant, amount);
        Ok(Place {
            admission: self.clone(),
            claimant,
            amount,
        })
    }

    fn lock(&self) -> MutexGuard<'_, Crowd> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Crowd {
    fn judge(&self, claimant: Claimant, amount: usize) -> Result<(), Refusal> {
        let nobody = Holdings::default();
        let peer = self.peers.get(&claimant.peer).unwrap_or(&nobody);
        let of_process = peer.processes.get(&claimant.process).copied().unwrap_or(0);
        let found = Found {
            all: self.bounds.all,
            per_peer: self.bounds.per_peer,
            taken: self.taken,
            of_peer: peer.taken,
            of_process: claimant.process.map(|_| of_process),
        };
        Refusal::of(found.judge(amount), &found).map_or(Ok(()), Err)
    }

    fn add(&mut self, claimant: Claimant, amount: usize) {
        self.taken += amount;
        let peer = self.peers.entry(claimant.peer).or_default();
        peer.taken += amount;
        *peer.processes.entry(claimant.process).or_default() += amount;
    }

    fn remove(&mut self, claimant: Claimant, amount: usize) {
        self.taken = self.taken.saturating_sub(amount);
        let Some(peer) = self.peers.get_mut(&claimant.peer) else {
            return;
        };
        peer.taken = peer.taken.saturating_sub(amount);
        if let Some(held) = peer.processes.get_mut(&claimant.process) {
            *held = held.saturating_sub(amount);
            if *held == 0 {
                peer.processes.remove(&claimant.process);
            }
        }
        if peer.taken == 0 {
            self.peers.remove(&claimant.peer);
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.admission.lock().remove(self.claimant, self.amount);
    }
}
