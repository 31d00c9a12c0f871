//! How many lines of one kind are written in a minute, so that no client and no broken disk fills the log.
//!
//! Lines count by what they are about: the field `event`, or else the place in the code; and among these by their subject, so
//! that one prompt or user that makes many does not hide another. What somebody asked for by the levels debug and trace is
//! not limited.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

use crate::log_events::LogEvent;
use crate::throttle::{MAX_KEYS, Throttle};

use super::line::Line;

/// All subjects of a kind together may have so many times as many lines as one.
const SUBJECTS_PER_KIND: u32 = 10;

/// Lines of this process that were left out.
static LEFT_OUT: AtomicU64 = AtomicU64::new(0);

/// Lets some lines of each kind pass. Clones share what was counted.
#[derive(Debug, Clone)]
pub(super) struct Limiter(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    max_per_minute: AtomicU32,
    said: Mutex<Said>,
}

#[derive(Debug, Default)]
struct Said {
    kinds: Throttle<&'static str>,
    subjects: Throttle<(&'static str, String)>,
    /// What was left out of windows that have begun anew since.
    untold: Vec<LeftOut>,
}

/// Lines that were left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LeftOut {
    pub(super) kind: &'static str,
    pub(super) subject: String,
    pub(super) count: u64,
}

/// Returns how many lines of this process were left out.
pub(super) fn left_out() -> u64 {
    LEFT_OUT.load(Ordering::Relaxed)
}

impl Limiter {
    /// Makes one that lets so many lines of a kind and subject pass in a minute; 0 lets all pass.
    pub(super) fn new(max_per_minute: u32) -> Self {
        Self(Arc::new(Shared {
            max_per_minute: AtomicU32::new(max_per_minute),
            said: Mutex::default(),
        }))
    }

    pub(super) fn set_max(&self, max_per_minute: u32) {
        self.0.max_per_minute.store(max_per_minute, Ordering::Relaxed);
    }

    /// Tells whether a line is written.
    fn admit(&self, kind: &'static str, subject: &str, now: Instant) -> bool {
        let max = self.0.max_per_minute.load(Ordering::Relaxed);
        if max == 0 {
            return true;
        }
        let mut said = self.said();
        let of_subject = said.subjects.admit((kind, subject.to_owned()), max, now);
        let Some(count) = of_subject else { return false };
        said.note(kind, subject, count);
        let of_kind = said.kinds.admit(kind, max.saturating_mul(SUBJECTS_PER_KIND), now);
        let Some(count) = of_kind else { return false };
        said.note(kind, "", count);
        true
    }

    /// Returns what was left out and not told of yet; with `all` also of the minute that is not over.
    pub(super) fn take(&self, all: bool, now: Instant) -> Vec<LeftOut> {
        let mut said = self.said();
        let (subjects, kinds) = if all {
            (said.subjects.take_all(), said.kinds.take_all())
        } else {
            (said.subjects.take_overdue(now), said.kinds.take_overdue(now))
        };
        for ((kind, subject), count) in subjects {
            said.note(kind, &subject, count);
        }
        for (kind, count) in kinds {
            said.note(kind, "", count);
        }
        std::mem::take(&mut said.untold)
    }

    fn said(&self) -> MutexGuard<'_, Said> {
        self.0.said.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Said {
    fn note(&mut self, kind: &'static str, subject: &str, count: u64) {
        if count > 0 && self.untold.len() < MAX_KEYS {
            let subject = subject.to_owned();
            self.untold.push(LeftOut { kind, subject, count });
        }
    }
}

impl<S: Subscriber> Layer<S> for Limiter {
    fn event_enabled(&self, event: &Event<'_>, _context: Context<'_, S>) -> bool {
        if *event.metadata().level() > Level::INFO {
            return true;
        }
        let line = Line::of(event);
        // What says that lines are missing must not be missing itself.
        if line.event == Some(LogEvent::LinesLeftOut) {
            return true;
        }
        let kind = line.event.map_or(event.metadata().name(), LogEvent::name);
        let is_written = self.admit(kind, line.subject(), Instant::now());
        if !is_written {
            LEFT_OUT.fetch_add(1, Ordering::Relaxed);
        }
        is_written
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::throttle::WINDOW;

    fn left_out(kind: &'static str, subject: &str, count: u64) -> LeftOut {
        LeftOut {
            kind,
            subject: subject.into(),
            count,
        }
    }

    #[test]
    fn one_subject_does_not_hide_another_and_what_was_left_out_is_told_later() {
        let (limiter, now) = (Limiter::new(2), Instant::now());
        let said = |subject: &str, at| limiter.admit("damage-found", subject, at);
        assert!(said("a", now) && said("a", now));
        assert!(!said("a", now) && !said("a", now));
        assert!(said("b", now));
        assert_eq!(limiter.take(false, now), []);
        assert_eq!(
            limiter.take(false, now + WINDOW),
            [left_out("damage-found", "a", 2)]
        );
        assert_eq!(limiter.take(false, now + WINDOW), []);
    }

    #[test]
    fn a_window_that_begins_anew_loses_no_count() {
        let (limiter, now) = (Limiter::new(1), Instant::now());
        assert!(limiter.admit("sound", "", now) && !limiter.admit("sound", "", now));
        assert!(limiter.admit("sound", "", now + WINDOW));
        assert_eq!(limiter.take(false, now + WINDOW), [left_out("sound", "", 1)]);
    }

    #[test]
    fn many_subjects_together_do_not_fill_the_log_either() {
        let (limiter, now) = (Limiter::new(1), Instant::now());
        let written = (0..50).filter(|n| limiter.admit("changed-outside", &n.to_string(), now));
        assert_eq!(written.count(), 10);
        assert!(limiter.admit("ready", "", now), "another kind");
        assert_eq!(limiter.take(true, now), [left_out("changed-outside", "", 40)]);
    }

    #[test]
    fn zero_is_no_limit_and_a_new_limit_counts_at_once() {
        let (limiter, now) = (Limiter::new(0), Instant::now());
        assert!((0..1_000).all(|_| limiter.admit("sound", "", now)));
        limiter.set_max(1);
        assert!(limiter.admit("sound", "", now) && !limiter.admit("sound", "", now));
    }
}
