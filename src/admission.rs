//! A bound on how much is done at once, which can be changed while it is in use.
//!
//! Nobody waits here: who finds no place is told at once. When the bound is lowered, those inside stay, and nobody
//! enters until enough of them have left.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A bound on how much is done at once. Clones share it.
#[derive(Debug, Clone)]
pub struct Admission(Arc<Counts>);

#[derive(Debug)]
struct Counts {
    taken: AtomicUsize,
    max: AtomicUsize,
}

/// A place within the bound; free again when it is dropped.
#[derive(Debug)]
pub struct Place(Admission);

impl Admission {
    /// Makes a bound.
    #[must_use]
    pub fn new(max: usize) -> Self {
        Self(Arc::new(Counts {
            taken: AtomicUsize::new(0),
            max: AtomicUsize::new(max),
        }))
    }

    /// Changes the bound.
    pub fn set_max(&self, max: usize) {
        self.0.max.store(max, Ordering::Release);
    }

    /// Returns the bound.
    #[must_use]
    pub fn max(&self) -> usize {
        self.0.max.load(Ordering::Acquire)
    }

    /// Returns how many places are taken; more than the bound for a while after it was lowered.
    #[must_use]
    pub fn taken(&self) -> usize {
        self.0.taken.load(Ordering::Acquire)
    }

    /// Takes a place; `None` when there is none.
    #[must_use]
    pub fn try_enter(&self) -> Option<Place> {
        let max = self.max();
        let entered = self
            .0
            .taken
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |taken| {
                (taken < max).then_some(taken + 1)
            });
        entered.is_ok().then(|| Place(self.clone()))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.0.taken.fetch_sub(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_free_again_when_it_is_dropped() {
        let admission = Admission::new(1);
        let place = admission.try_enter();
        assert!(place.is_some() && admission.try_enter().is_none());
        drop(place);
        assert!(admission.try_enter().is_some());
        assert_eq!(admission.taken(), 0);
    }

    #[test]
    fn a_lowered_bound_lets_nobody_in_until_enough_have_left() {
        let admission = Admission::new(3);
        let mut inside: Vec<Place> = std::iter::from_fn(|| admission.try_enter()).collect();
        assert_eq!(inside.len(), 3);
        admission.set_max(1);
        inside.truncate(1);
        assert!(admission.try_enter().is_none());
        inside.clear();
        assert!(admission.try_enter().is_some());
    }

    #[test]
    fn a_raised_bound_lets_more_in_at_once() {
        let admission = Admission::new(0);
        assert!(admission.try_enter().is_none());
        admission.set_max(2);
        let inside: Vec<Place> = std::iter::from_fn(|| admission.try_enter()).collect();
        assert_eq!(inside.len(), 2);
    }
}
