//! Since when something is so, without a lock.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// What every time is counted from.
static EPOCH: LazyLock<Instant> = LazyLock::new(Instant::now);

/// Since when something is so; empty while it is not.
#[derive(Debug, Default)]
pub struct Since(AtomicU64);

impl Since {
    /// Notes that it is so from now on, unless it is already.
    pub fn begin(&self) {
        // Whoever was first is right.
        let _earlier = self
            .0
            .compare_exchange(0, now(), Ordering::AcqRel, Ordering::Relaxed);
    }

    /// Notes that it is so from now on, again.
    pub fn renew(&self) {
        self.0.store(now(), Ordering::Release);
    }

    /// Notes that it is so no more; returns since when it was.
    pub fn end(&self) -> Option<Duration> {
        age(self.0.swap(0, Ordering::AcqRel))
    }

    /// Takes over from another, which ends; the earlier time counts.
    pub fn take_over(&self, other: &Self) {
        let since = other.0.swap(0, Ordering::AcqRel);
        if since > 0 {
            let earlier = |own: u64| Some(if own == 0 { since } else { own.min(since) });
            // Never refused.
            let _own = self.0.fetch_update(Ordering::AcqRel, Ordering::Acquire, earlier);
        }
    }

    /// Returns for how long it has been so.
    #[must_use]
    pub fn age(&self) -> Option<Duration> {
        age(self.0.load(Ordering::Acquire))
    }
}

/// Never 0, which means that it is not so.
fn now() -> u64 {
    u64::try_from(EPOCH.elapsed().as_nanos())
        .unwrap_or(u64::MAX)
        .saturating_add(1)
}

fn age(since: u64) -> Option<Duration> {
    (since > 0).then(|| Duration::from_nanos(now().saturating_sub(since)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_beginning_counts_until_the_end() {
        let since = Since::default();
        assert_eq!(since.age(), None);
        since.begin();
        let first = since.0.load(Ordering::Relaxed);
        since.begin();
        assert_eq!(since.0.load(Ordering::Relaxed), first);
        assert!(since.age().is_some() && since.end().is_some());
        assert_eq!((since.age(), since.end()), (None, None));
    }

    #[test]
    fn whoever_takes_over_has_the_earlier_time() {
        let (dirty, writing) = (Since::default(), Since::default());
        dirty.begin();
        let first = dirty.0.load(Ordering::Relaxed);
        writing.take_over(&dirty);
        assert_eq!((writing.0.load(Ordering::Relaxed), dirty.age()), (first, None));
        dirty.begin();
        dirty.take_over(&writing);
        assert_eq!(dirty.0.load(Ordering::Relaxed), first);
    }
}
