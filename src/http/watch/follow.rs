//! One stream: taking events from the feed, leaving out what its reader may not see, and ending.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::{Instant, sleep_until};

use crate::access::{Policy, Principal, Rights, Role};
use crate::http::AppState;
use crate::http::stream::{Cut, Pieces};
use crate::http::wire::{WatchKind, WatchLine};
use crate::model::PromptId;
use crate::storage::Revision;
use crate::storage::feed::{StoreEvent, Subscription};

use super::form::Form;
use super::streams::StreamPlace;

/// Of which prompts a reader wants to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Scope {
    /// Of all, and of what belongs to none.
    Everything,
    /// Of one.
    Prompt(PromptId),
    /// Of those whose ids begin so.
    Prefix(String),
}

impl Scope {
    fn includes(&self, id: Option<&PromptId>) -> bool {
        match (self, id) {
            (Self::Everything, _) => true,
            (Self::Prompt(wanted), Some(id)) => wanted == id,
            (Self::Prefix(prefix), Some(id)) => id.as_str().starts_with(prefix),
            (_, None) => false,
        }
    }
}

/// What somebody may see, looked up again whenever the rules are others.
#[derive(Debug)]
pub(super) struct Sight {
    principal: Principal,
    policy: Arc<Policy>,
    rights: Rights,
}

impl Sight {
    pub(super) fn new(principal: Principal, policy: Arc<Policy>) -> Self {
        let rights = policy.rights_of(&principal);
        Self {
            principal,
            policy,
            rights,
        }
    }

    fn look_again(&mut self, policy: Arc<Policy>) {
        if !Arc::ptr_eq(&self.policy, &policy) {
            self.rights = policy.rights_of(&self.principal);
            self.policy = policy;
        }
    }

    fn sees_anything(&self) -> bool {
        self.rights.anywhere() >= Role::Read
    }

    /// What belongs to no prompt is seen by who may read all of them.
    fn sees(&self, id: Option<&PromptId>) -> bool {
        let role = id.map_or(self.rights.everywhere(), |id| self.rights.on(id.as_str()));
        role >= Role::Read
    }
}

/// One stream.
pub(super) struct Follower {
    pub(super) state: AppState,
    pub(super) subscription: Subscription,
    pub(super) scope: Scope,
    pub(super) sight: Sight,
    pub(super) form: Form,
    /// When it ends by itself, once everything was sent.
    pub(super) until: Option<Instant>,
    pub(super) cut: Cut,
    pub(super) place: StreamPlace,
    /// Everything up to here was written, or may not be seen.
    pub(super) written: Revision,
    /// When something was written last.
    pub(super) written_at: Instant,
}

/// Why a stream ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// The reader left.
    Left,
    /// The reader was too slow.
    Behind,
    /// The daemon stops.
    Stopping,
    /// The reader may not read anything any more.
    Forbidden,
    /// It lasted as long as it was asked to.
    Done,
}

/// What to do next.
enum Step {
    Write(Vec<Arc<StoreEvent>>),
    Heartbeat,
    End(End),
}

impl Follower {
    /// Writes the stream to its end. The place is free as soon as it ends; a reader that does not take the last line is cut
    /// off a moment later.
    pub(super) async fn run(mut self, pieces: Pieces) {
        let end = self.follow(&pieces).await;
        if end == End::Behind {
            self.state.streams().note_cut_off();
            tracing::info!(
                uid = self.sight.principal.uid,
                "a watch stream is cut off: its reader is too slow for max_events_kept"
            );
        }
        let Self {
            written,
            form,
            cut,
            place,
            ..
        } = self;
        drop(place);
        let kind = match end {
            End::Left => return,
            End::Behind => WatchKind::Gone,
            End::Stopping => WatchKind::Stopping,
            End::Forbidden => WatchKind::Forbidden,
            End::Done => WatchKind::Heartbeat,
        };
        let mut bytes = Vec::new();
        form.write(&WatchLine::of_stream(kind, written), &mut bytes);
        if pieces.end(bytes.into(), &cut).await {
            tracing::debug!("the reader of a watch stream did not take its last line");
        }
    }

    async fn follow(&mut self, pieces: &Pieces) -> End {
        let mut step = Step::Heartbeat;
        loop {
            let events = match step {
                Step::End(end) => return end,
                Step::Heartbeat => Vec::new(),
                Step::Write(events) => events,
            };
            let Some((bytes, count)) = self.lines_of(&events) else {
                return End::Forbidden;
            };
            if !bytes.is_empty() {
                if let Some(end) = self.hand_over(pieces, bytes).await {
                    return end;
                }
                self.state.streams().note_sent(count);
                self.written_at = Instant::now();
            }
            self.written = self.subscription.revision();
            step = self.next(pieces).await;
        }
    }

    /// Waits for the reader to take a piece. Nothing more is made meanwhile, and nobody waits for a reader who lets so much
    /// happen that it is not kept any more.
    async fn hand_over(&mut self, pieces: &Pieces, bytes: Bytes) -> Option<End> {
        let stopping = self.state.stopping().clone();
        tokio::select! {
            biased;
            is_there = pieces.send(bytes) => (!is_there).then_some(End::Left),
            () = stopping.cancelled() => Some(End::Stopping),
            () = self.subscription.fall_behind() => Some(End::Behind),
        }
    }

    async fn next(&mut self, pieces: &Pieces) -> Step {
        let stopping = self.state.stopping().clone();
        let heartbeat = self.written_at + Duration::from_millis(self.state.limits().watch_heartbeat_ms);
        // Events that the reader may not see are no sign of life to it.
        if heartbeat <= Instant::now() && !stopping.is_cancelled() {
            return Step::Heartbeat;
        }
        let until = self.until;
        tokio::select! {
            biased;
            () = stopping.cancelled() => Step::End(End::Stopping),
            () = pieces.closed() => Step::End(End::Left),
            events = self.subscription.next() => events.map_or(Step::End(End::Behind), Step::Write),
            () = sleep_until(until.unwrap_or(heartbeat)), if until.is_some() => Step::End(End::Done),
            () = sleep_until(heartbeat) => Step::Heartbeat,
        }
    }

    /// Returns what the reader gets to see of some events, and of how many; of none, that there are none. `None` when it may
    /// not see anything any more.
    fn lines_of(&mut self, events: &[Arc<StoreEvent>]) -> Option<(Bytes, usize)> {
        let (mut bytes, mut count) = (Vec::new(), 0);
        if events.is_empty() {
            let line = WatchLine::heartbeat(self.subscription.revision());
            self.form.write(&line, &mut bytes);
            self.sight.look_again(self.state.policy());
        }
        for event in events {
            self.sight.look_again(self.state.policy());
            let id = event.prompt_id.as_ref();
            if self.scope.includes(id) && self.sight.sees(id) {
                self.form.write(&WatchLine::of_event(event), &mut bytes);
                count += 1;
            }
        }
        self.sight.sees_anything().then(|| (bytes.into(), count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_is_everything_one_prompt_or_a_beginning() {
        let check = |scope: &Scope, expected: [bool; 3]| {
            let ids = ["greet", "greet_2"].map(|id| PromptId::new(id).unwrap());
            let found = [Some(&ids[0]), Some(&ids[1]), None].map(|id| scope.includes(id));
            assert_eq!(found, expected, "{scope:?}");
        };
        check(&Scope::Everything, [true, true, true]);
        check(
            &Scope::Prompt(PromptId::new("greet").unwrap()),
            [true, false, false],
        );
        check(&Scope::Prefix("greet".into()), [true, true, false]);
        check(&Scope::Prefix("greet_".into()), [false, true, false]);
    }
}
