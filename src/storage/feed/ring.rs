//! The events that are kept: the last ones, up to a bound. Pure.

use std::collections::VecDeque;
use std::sync::Arc;

use super::StoreEvent;

/// What came after a revision is not known any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("what happened since is not known any more")]
pub struct Gone;

/// The last events of a feed. Each has a counter of its own; counters grow, and may leave some out.
#[derive(Debug)]
pub struct EventRing {
    capacity: usize,
    /// The counter of the newest change.
    counter: u64,
    /// Nothing is known of what happened up to here.
    floor: u64,
    /// In the order of their counters, all of them above `floor`.
    events: VecDeque<Arc<StoreEvent>>,
}

impl EventRing {
    /// Makes an empty ring. It keeps at least one event.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        Self {
            capacity: capacity.max(1),
            counter: 0,
            floor: 0,
            events: VecDeque::new(),
        }
    }

    /// Returns the counter of the newest change.
    #[must_use]
    pub const fn counter(&self) -> u64 {
        self.counter
    }

    /// Returns how many events are kept.
    #[must_use]
    pub fn len(&self) -> usize {
        self.events.len()
    }

    /// Tells whether no event is kept.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    /// Appends an event, which is made for the counter that it gets. The oldest goes when there are too many.
    pub fn append(&mut self, event: impl FnOnce(u64) -> StoreEvent) {
        self.counter += 1;
        self.events.push_back(Arc::new(event(self.counter)));
        self.shed();
    }

    /// Raises the counter for a change that no event tells.
    pub const fn skip(&mut self) {
        self.counter += 1;
    }

    /// Raises the counter and forgets everything before it.
    pub fn begin_anew(&mut self) {
        self.counter += 1;
        self.floor = self.counter;
        self.events.clear();
    }

    /// Changes how many events are kept; the oldest go when there are too many.
    pub fn set_capacity(&mut self, capacity: usize) {
        self.capacity = capacity.max(1);
        self.shed();
        self.events.shrink_to(self.capacity);
    }

    /// Tells whether events after a counter are forgotten, or the counter was never reached.
    #[must_use]
    pub const fn is_gone(&self, after: u64) -> bool {
        after < self.floor || after > self.counter
    }

    /// Returns the events after a counter, the oldest first and at most so many, and the counter up to which that is all.
    ///
    /// # Errors
    /// [`Gone`] when some of them are not kept any more.
    pub fn after(&self, after: u64, max: usize) -> Result<(Vec<Arc<StoreEvent>>, u64), Gone> {
        if self.is_gone(after) {
            return Err(Gone);
        }
        let first = self
            .events
            .partition_point(|event| event.revision.counter <= after);
        let found: Vec<Arc<StoreEvent>> = self.events.range(first..).take(max).cloned().collect();
        let is_all = first + found.len() == self.events.len();
        let upto = match found.last() {
            Some(last) if !is_all => last.revision.counter,
            _ => self.counter,
        };
        Ok((found, upto))
    }

    fn shed(&mut self) {
        while self.events.len() > self.capacity {
            if let Some(oldest) = self.events.pop_front() {
                self.floor = oldest.revision.counter;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Timestamp;
    use crate::storage::Revision;
    use crate::storage::feed::{Change, Origin};
    use proptest::prelude::*;

    fn append(ring: &mut EventRing) -> u64 {
        ring.append(|counter| StoreEvent {
            revision: Revision { epoch: 1, counter },
            at: Timestamp::now(),
            prompt_id: None,
            origin: Origin::Daemon,
            change: Change::purged(),
        });
        ring.counter()
    }

    fn counters(ring: &EventRing, after: u64, max: usize) -> Option<(Vec<u64>, u64)> {
        let (events, upto) = ring.after(after, max).ok()?;
        Some((events.iter().map(|event| event.revision.counter).collect(), upto))
    }

    #[test]
    fn what_is_kept_is_given_in_order_and_what_is_not_is_gone() {
        let mut ring = EventRing::new(3);
        assert_eq!(counters(&ring, 0, 9), Some((vec![], 0)));
        for _ in 0..5 {
            append(&mut ring);
        }
        assert_eq!(counters(&ring, 1, 9), None);
        assert_eq!(counters(&ring, 2, 9), Some((vec![3, 4, 5], 5)));
        assert_eq!(counters(&ring, 2, 2), Some((vec![3, 4], 4)));
        assert_eq!(counters(&ring, 5, 9), Some((vec![], 5)));
        assert_eq!(counters(&ring, 6, 9), None, "nobody was ever there");
        ring.set_capacity(1);
        assert_eq!((counters(&ring, 3, 9), ring.len()), (None, 1));
        ring.begin_anew();
        assert_eq!(counters(&ring, 5, 9), None);
        assert_eq!(counters(&ring, 6, 9), Some((vec![], 6)));
    }

    #[test]
    fn a_change_without_an_event_moves_readers_on_and_loses_nothing() {
        let mut ring = EventRing::new(2);
        append(&mut ring);
        ring.skip();
        append(&mut ring);
        ring.skip();
        assert_eq!(counters(&ring, 0, 9), Some((vec![1, 3], 4)));
        assert_eq!(counters(&ring, 1, 1), Some((vec![3], 4)));
        append(&mut ring);
        assert_eq!(counters(&ring, 0, 9), None);
        assert_eq!(counters(&ring, 2, 9), Some((vec![3, 5], 5)));
    }

    #[derive(Debug, Clone, Copy)]
    enum Step {
        Append,
        Skip,
        Resize(usize),
        BeginAnew,
        Read(usize, usize),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            6 => Just(Step::Append),
            1 => Just(Step::Skip),
            1 => (1_usize..8).prop_map(Step::Resize),
            1 => Just(Step::BeginAnew),
            6 => (0_usize..3, 1_usize..5).prop_map(|(reader, max)| Step::Read(reader, max)),
        ]
    }

    proptest! {
        /// Whatever the order of writing and reading: a reader that is not told `gone` has every event once, in order;
        /// one that is told so begins anew where the ring now is.
        #[test]
        fn any_interleaving_gives_every_event_once_or_says_that_it_cannot(
            steps in prop::collection::vec(step(), 0..200)
        ) {
            let mut ring = EventRing::new(4);
            let mut all: Vec<u64> = Vec::new();
            let mut readers = [(0_u64, 0_u64, Vec::<u64>::new()), (0, 0, Vec::new()), (0, 0, Vec::new())];
            let mut capacity = 4;
            for step in steps {
                match step {
                    Step::Append => all.push(append(&mut ring)),
                    Step::Skip => ring.skip(),
                    Step::Resize(to) => {
                        capacity = to;
                        ring.set_capacity(to);
                    }
                    Step::BeginAnew => ring.begin_anew(),
                    Step::Read(reader, max) => {
                        let (began, at, seen) = &mut readers[reader];
                        if let Some((found, upto)) = counters(&ring, *at, max) {
                            prop_assert!(found.len() <= max && upto >= *at);
                            seen.extend(found);
                            *at = upto;
                        } else {
                            prop_assert!(*at < ring.counter(), "only who is behind is told so");
                            *at = ring.counter();
                            *began = *at;
                            seen.clear();
                        }
                        let due: Vec<u64> =
                            all.iter().copied().filter(|counter| *began < *counter && *counter <= *at).collect();
                        prop_assert_eq!(&due, seen);
                    }
                }
                prop_assert!(ring.len() <= capacity);
            }
        }
    }
}
