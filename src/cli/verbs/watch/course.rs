//! What to do when a stream has ended: go on, begin anew, or give up. No I/O.

use std::time::Duration;

use crate::cli::exit::{CliError, Exit};
use crate::client::ClientError;
use crate::http::wire::WatchKind;
use crate::storage::Revision;

/// The pause before the first try to come back; each one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// The longest pause.
const MAX_PAUSE: Duration = Duration::from_secs(2);

/// How far somebody has followed the changes.
#[derive(Debug)]
pub(super) struct Course {
    since: Option<Revision>,
    /// Whether a stream has said anything: then its loss is no error.
    has_followed: bool,
    is_once: bool,
    /// Tries since something was heard.
    tries: u32,
}

/// What to do next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Everything was shown.
    Done,
    /// Ask again where it ended, after a pause. The word is for who waits.
    Again {
        pause: Duration,
        word: Option<&'static str>,
    },
    /// Ask again from now on: what was between is lost, for this reason.
    Anew(&'static str),
    /// End.
    Fail(Box<CliError>),
}

impl Course {
    pub(super) const fn new(since: Option<Revision>, is_once: bool) -> Self {
        Self {
            since,
            has_followed: false,
            is_once,
            tries: 0,
        }
    }

    /// Returns where to go on.
    pub(super) const fn since(&self) -> Option<Revision> {
        self.since
    }

    /// Remembers a line that was shown.
    pub(super) const fn saw(&mut self, revision: Revision) {
        self.since = Some(revision);
        self.has_followed = true;
        self.tries = 0;
    }

    /// Decides after a stream that ended as it should, with the kind of its last line.
    pub(super) fn after_stream(&mut self, last: Option<WatchKind>) -> Next {
        match last {
            Some(WatchKind::Gone) if self.is_once => Next::Fail(Box::new(gone())),
            Some(WatchKind::Gone) => self.anew("more changed at once than promptd keeps"),
            Some(WatchKind::Forbidden) => Next::Fail(Box::new(CliError::new(
                Exit::Forbidden,
                "your user may not read anything any more",
            ))),
            Some(WatchKind::Stopping) if self.is_once => Next::Fail(Box::new(CliError::new(
                Exit::TryAgain,
                "promptd stopped before everything was shown",
            ))),
            Some(WatchKind::Heartbeat) if self.is_once => Next::Done,
            _ => self.again(),
        }
    }

    /// Decides after a stream that could not be had, or was lost.
    pub(super) fn after_error(&mut self, error: ClientError) -> Next {
        let may_come_back = self.has_followed && !self.is_once;
        let is_passing = error.is_busy()
            || matches!(
                error,
                ClientError::Unreachable { .. } | ClientError::Lost { .. } | ClientError::Timeout { .. }
            );
        if may_come_back && error.code() == Some("gone") {
            return self.anew("promptd was started again, or more changed than it keeps");
        }
        if may_come_back && is_passing {
            return self.again();
        }
        Next::Fail(Box::new(error.into()))
    }

    fn again(&mut self) -> Next {
        let pause = FIRST_PAUSE.saturating_mul(1 << self.tries.min(10)).min(MAX_PAUSE);
        let word =
            (self.tries == 0).then_some("the connection to promptd was lost: waiting for it to come back");
        self.tries += 1;
        Next::Again { pause, word }
    }

    const fn anew(&mut self, why: &'static str) -> Next {
        self.since = None;
        Next::Anew(why)
    }
}

fn gone() -> CliError {
    CliError::new(Exit::NotFound, "what happened since is not known any more")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::Problem;

    const REVISION: Revision = Revision { epoch: 1, counter: 7 };

    fn refused(code: &str) -> ClientError {
        Problem {
            status: 0,
            code: code.to_owned(),
            title: String::new(),
            detail: String::new(),
            retry_after: None,
        }
        .into()
    }

    fn lost() -> ClientError {
        ClientError::Lost {
            doing: String::new(),
            reason: String::new(),
        }
    }

    fn following() -> Course {
        let mut course = Course::new(None, false);
        course.saw(REVISION);
        course
    }

    #[test]
    fn what_is_refused_at_first_is_an_error() {
        for error in [refused("gone"), refused("busy"), refused("forbidden"), lost()] {
            let next = Course::new(Some(REVISION), false).after_error(error.clone());
            assert_eq!(next, Next::Fail(Box::new(error.into())));
        }
    }

    #[test]
    fn who_has_followed_comes_back_where_it_was_with_growing_pauses() {
        let mut course = following();
        let pauses: Vec<u64> = (0..7)
            .map(|_| match course.after_error(lost()) {
                Next::Again { pause, .. } => u64::try_from(pause.as_millis()).unwrap(),
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(pauses, [100, 200, 400, 800, 1_600, 2_000, 2_000]);
        assert_eq!(course.since(), Some(REVISION));
        course.saw(REVISION);
        let stopping = course.after_stream(Some(WatchKind::Stopping));
        assert!(matches!(stopping, Next::Again { pause, word: Some(_) } if pause == FIRST_PAUSE));
        assert!(matches!(
            course.after_error(refused("busy")),
            Next::Again { word: None, .. }
        ));
    }

    #[test]
    fn what_is_gone_begins_anew_and_what_is_forbidden_ends() {
        let mut course = following();
        assert!(matches!(course.after_error(refused("gone")), Next::Anew(_)));
        assert_eq!(course.since(), None);
        assert!(matches!(
            following().after_stream(Some(WatchKind::Gone)),
            Next::Anew(_)
        ));
        for next in [
            following().after_error(refused("forbidden")),
            following().after_stream(Some(WatchKind::Forbidden)),
        ] {
            assert!(matches!(next, Next::Fail(error) if error.exit == Exit::Forbidden));
        }
    }

    #[test]
    fn once_ends_with_what_there_is_or_says_that_it_is_not_all() {
        let once = || {
            let mut course = Course::new(Some(REVISION), true);
            course.saw(REVISION);
            course
        };
        assert_eq!(once().after_stream(Some(WatchKind::Heartbeat)), Next::Done);
        for (last, exit) in [
            (WatchKind::Gone, Exit::NotFound),
            (WatchKind::Stopping, Exit::TryAgain),
        ] {
            let next = once().after_stream(Some(last));
            assert!(matches!(next, Next::Fail(error) if error.exit == exit));
        }
        assert!(matches!(once().after_error(lost()), Next::Fail(_)));
    }
}
