//! How many streams there are, in all and for each user.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::http::HttpLimits;
use crate::http::problem::{Code, Problem};
use crate::metrics::{Counter, Limit};

/// The streams that are open, and what is counted of all of them. Clones share it.
#[derive(Debug, Clone, Default)]
pub(in crate::http) struct Streams(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    open: Mutex<HashMap<u32, usize>>,
    sent: Counter,
    cut_off: Counter,
}

/// A place for one stream; free again when it is dropped.
#[derive(Debug)]
pub(super) struct StreamPlace {
    streams: Streams,
    uid: u32,
}

impl Streams {
    /// Takes a place for a stream of a user.
    ///
    /// # Errors
    /// `busy` with the limit that was reached.
    pub(super) fn enter(&self, uid: u32, limits: &HttpLimits) -> Result<StreamPlace, Problem> {
        let mut open = self.lock();
        let (all, own) = (open.values().sum(), open.get(&uid).copied().unwrap_or_default());
        let (max_all, max_own) = (limits.max_watch_streams, limits.max_watch_streams_per_peer);
        let over = |limit, detail| Err(Problem::over(limit, Code::Busy, detail));
        if own >= max_own {
            let detail = format!("your user has {own} watch streams (max_watch_streams_per_peer): end one");
            return over(Limit::WatchStreamsPerPeer, detail);
        }
        if max_all <= all {
            let detail = format!("{all} watch streams are open (max_watch_streams): try again");
            return over(Limit::WatchStreams, detail);
        }
        *open.entry(uid).or_default() += 1;
        Ok(StreamPlace {
            streams: self.clone(),
            uid,
        })
    }

    /// Returns how many streams are open.
    pub(in crate::http) fn open(&self) -> usize {
        self.lock().values().sum()
    }

    /// Returns how many events were sent, each as often as it was.
    pub(in crate::http) fn sent(&self) -> u64 {
        self.0.sent.get()
    }

    /// Returns how many streams ended because their readers were too slow.
    pub(in crate::http) fn cut_off(&self) -> u64 {
        self.0.cut_off.get()
    }

    pub(super) fn note_sent(&self, events: usize) {
        self.0.sent.inc_by(events as u64);
    }

    pub(super) fn note_cut_off(&self) {
        self.0.cut_off.inc();
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<u32, usize>> {
        self.0.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for StreamPlace {
    fn drop(&mut self) {
        let mut open = self.streams.lock();
        if let Some(own) = open.get_mut(&self.uid) {
            *own -= 1;
            if *own == 0 {
                open.remove(&self.uid);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_and_all_users_have_their_limits_and_a_place_is_free_again() {
        let limits = HttpLimits {
            max_watch_streams: 3,
            max_watch_streams_per_peer: 2,
            ..HttpLimits::default()
        };
        let streams = Streams::default();
        let refused = |uid| {
            streams
                .enter(uid, &limits)
                .err()
                .and_then(|problem| problem.limit)
        };
        let (first, _second) = (
            streams.enter(1, &limits).unwrap(),
            streams.enter(1, &limits).unwrap(),
        );
        assert_eq!(refused(1), Some(Limit::WatchStreamsPerPeer));
        let _third = streams.enter(2, &limits).unwrap();
        assert_eq!(refused(2), Some(Limit::WatchStreams));
        assert_eq!(streams.open(), 3);
        drop(first);
        assert!(streams.enter(2, &limits).is_ok());
        assert_eq!(streams.open(), 2);
    }
}
