//! One request at a time for one answer: prompts with the same text, worked on at the same time, cost one call.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, Weak};

use tokio::sync::{Mutex, OwnedMutexGuard};

/// Who asks for what.
#[derive(Debug, Default)]
pub(super) struct InFlight(std::sync::Mutex<HashMap<String, Weak<Mutex<()>>>>);

impl InFlight {
    /// Waits until nobody else asks for the same. Whoever comes after looks into the cache first.
    pub(super) async fn turn(&self, key: &str) -> OwnedMutexGuard<()> {
        let lock = {
            let mut locks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            locks.retain(|_, lock| lock.strong_count() > 0);
            let known = locks.get(key).and_then(Weak::upgrade);
            known.unwrap_or_else(|| {
                let lock = Arc::new(Mutex::new(()));
                locks.insert(key.to_owned(), Arc::downgrade(&lock));
                lock
            })
        };
        lock.lock_owned().await
    }
}

#[cfg(test)]
mod tests {
    use tokio_test::{assert_pending, assert_ready, task::spawn};

    use super::*;

    #[test]
    fn the_same_waits_and_another_does_not() {
        let flights = InFlight::default();
        let first = assert_ready!(spawn(flights.turn("a")).poll());
        let (mut same, mut gone) = (spawn(flights.turn("a")), spawn(flights.turn("a")));
        assert_pending!(same.poll());
        assert_pending!(gone.poll());
        drop(gone);
        drop(assert_ready!(spawn(flights.turn("b")).poll()));
        drop(first);
        drop(assert_ready!(same.poll()));
        drop(same);
        drop(assert_ready!(spawn(flights.turn("c")).poll()));
        assert_eq!(
            flights.0.lock().unwrap().len(),
            1,
            "what nobody waits for is forgotten"
        );
    }
}
