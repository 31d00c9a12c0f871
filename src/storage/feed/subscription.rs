//! Following a feed.

use std::sync::Arc;

use tokio::sync::watch;

use crate::storage::Revision;

use super::{Feed, Gone, StoreEvent};

/// The most events that are handed over at once.
const MAX_BATCH: usize = 256;

/// A place in a feed that moves on as events are taken. It holds nothing but that place.
#[derive(Debug)]
pub struct Subscription {
    feed: Feed,
    at: u64,
    wake: watch::Receiver<u64>,
}

impl Subscription {
    pub(super) fn begin(feed: Feed, since: Option<Revision>) -> Result<Self, Gone> {
        let wake = feed.0.wake.subscribe();
        let ring = feed.lock();
        let at = match since {
            None => ring.counter(),
            Some(Revision { epoch, counter }) if epoch == feed.0.epoch => counter,
            Some(_) => return Err(Gone),
        };
        if ring.is_gone(at) {
            return Err(Gone);
        }
        drop(ring);
        Ok(Self { feed, at, wake })
    }

    /// Returns the revision up to which everything was handed over.
    #[must_use]
    pub fn revision(&self) -> Revision {
        Revision {
            epoch: self.feed.0.epoch,
            counter: self.at,
        }
    }

    /// Waits for events and returns some of them, the oldest first, at least one. Can be cut off without losing any.
    ///
    /// # Errors
    /// [`Gone`] when this place in the feed is not known any more: more happened than is kept.
    pub async fn next(&mut self) -> Result<Vec<Arc<StoreEvent>>, Gone> {
        loop {
            self.wake.mark_unchanged();
            let events = self.take_ready()?;
            if !events.is_empty() {
                return Ok(events);
            }
            self.wait().await;
        }
    }

    /// Returns some of the events that are there already, possibly none.
    ///
    /// # Errors
    /// As [`Self::next`].
    pub fn take_ready(&mut self) -> Result<Vec<Arc<StoreEvent>>, Gone> {
        let (events, upto) = self.feed.lock().after(self.at, MAX_BATCH)?;
        self.at = upto;
        Ok(events)
    }

    /// Waits until this place in the feed is not known any more.
    pub async fn fall_behind(&mut self) {
        loop {
            self.wake.mark_unchanged();
            if self.feed.lock().is_gone(self.at) {
                return;
            }
            self.wait().await;
        }
    }

    async fn wait(&mut self) {
        // The sender lives as long as the feed that is held here.
        if self.wake.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::feed::{Change, Origin, Told};

    fn tell(feed: &Feed, count: usize) {
        for _ in 0..count {
            feed.append(vec![Told {
                prompt_id: None,
                origin: Origin::Daemon,
                change: Change::purged(),
            }]);
        }
    }

    fn counters(events: &[Arc<StoreEvent>]) -> Vec<u64> {
        events.iter().map(|event| event.revision.counter).collect()
    }

    #[tokio::test]
    async fn who_waits_is_woken_and_who_comes_back_goes_on_where_it_was() {
        let feed = Feed::new(10);
        tell(&feed, 2);
        let mut following = feed.subscribe(None).unwrap();
        let writer = feed.clone();
        let waiting = tokio::spawn(async move {
            let events = following.next().await.unwrap();
            (counters(&events), following.revision())
        });
        tokio::task::yield_now().await;
        tell(&writer, 1);
        let (seen, at) = waiting.await.unwrap();
        assert_eq!((seen, at), (vec![3], feed.revision()));
        tell(&feed, 2);
        let mut again = feed.subscribe(Some(at)).unwrap();
        assert_eq!(counters(&again.next().await.unwrap()), [4, 5]);
        assert!(again.take_ready().unwrap().is_empty());
    }

    #[tokio::test]
    async fn another_epoch_the_future_and_what_is_too_old_are_gone() {
        let feed = Feed::new(2);
        tell(&feed, 3);
        let at = |counter| Revision {
            counter,
            ..feed.revision()
        };
        assert_eq!(feed.subscribe(Some(at(0))).err(), Some(Gone));
        assert_eq!(feed.subscribe(Some(at(4))).err(), Some(Gone));
        assert!(feed.subscribe(Some(at(1))).is_ok());
        assert_eq!(Feed::new(2).subscribe(Some(at(3))).err(), Some(Gone));
        let mut slow = feed.subscribe(Some(at(1))).unwrap();
        tell(&feed, 1);
        slow.fall_behind().await;
        assert_eq!(slow.next().await.err(), Some(Gone));
    }

    #[tokio::test]
    async fn a_change_that_no_event_tells_wakes_nobody_for_nothing() {
        let feed = Feed::new(2);
        let mut following = feed.subscribe(None).unwrap();
        feed.append(Vec::new());
        let waited = tokio::time::timeout(std::time::Duration::from_millis(1), following.next()).await;
        assert!(waited.is_err());
        assert_eq!(following.revision(), feed.revision());
    }
}
