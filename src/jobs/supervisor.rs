//! Keeps the queue's actor alive. Owns nothing but the knowledge of which actor is the present one.

use std::sync::Arc;
use std::time::Duration;

use ractor::{Actor, ActorId, ActorProcessingErr, ActorRef, SupervisionEvent};
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::log_events::LogEvent;

use super::QUEUE_ACTOR;
use super::actor::QueueActor;
use super::shared::Shared;

/// The pause before the first replacement; it doubles with each further one in a row.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
/// The longest pause.
const MAX_PAUSE: Duration = Duration::from_secs(30);
/// An actor that lived for so long makes its predecessors' failures forgotten.
const STABLE_AFTER: Duration = Duration::from_secs(60);
/// How long the actor may take to serve what is in its mailbox when everything stops.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(5);

/// What the supervisor is told.
pub(super) enum Message {
    /// Start an actor, if there is none.
    Respawn,
    /// The actor does not answer: start another one in its place.
    Replace,
    /// Answer.
    Ping(oneshot::Sender<()>),
}

/// The supervisor.
pub(super) struct Supervisor;

/// What the supervisor knows.
pub(super) struct Child {
    shared: Arc<Shared>,
    id: Option<ActorId>,
    since: Instant,
    failures: u32,
}

impl Actor for Supervisor {
    type Msg = Message;
    type State = Child;
    type Arguments = Arc<Shared>;

    async fn pre_start(
        &self,
        _: ActorRef<Message>,
        shared: Arc<Shared>,
    ) -> Result<Child, ActorProcessingErr> {
        Ok(Child {
            shared,
            id: None,
            since: Instant::now(),
            failures: 0,
        })
    }

    async fn post_start(
        &self,
        myself: ActorRef<Message>,
        child: &mut Child,
    ) -> Result<(), ActorProcessingErr> {
        respawn(&myself, child).await;
        Ok(())
    }

    async fn handle(
        &self,
        myself: ActorRef<Message>,
        message: Message,
        child: &mut Child,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            Message::Respawn => respawn(&myself, child).await,
            Message::Replace => replace(&myself, child),
            Message::Ping(reply) => {
                let _gone = reply.send(());
            }
        }
        Ok(())
    }

    async fn handle_supervisor_evt(
        &self,
        myself: ActorRef<Message>,
        event: SupervisionEvent,
        child: &mut Child,
    ) -> Result<(), ActorProcessingErr> {
        // Killed, failed and ended actors are all gone; an event about an earlier one is old news.
        let why = match &event {
            SupervisionEvent::ActorFailed(_, error) => error.to_string(),
            SupervisionEvent::ActorTerminated(_, _, reason) => reason.clone().unwrap_or_default(),
            _ => return Ok(()),
        };
        let who = event.actor_cell().map(ractor::ActorCell::get_id);
        if who.is_some() && who == child.id {
            child.id = None;
            child.shared.actor.send_replace(None);
            if !child.shared.is_closing() {
                tracing::error!(event = %LogEvent::ActorRestarted, actor = QUEUE_ACTOR, reason = why, "the job queue ended and is started again");
                child.shared.metrics.note_restart(&why);
                respawn_later(&myself, child);
            }
        }
        Ok(())
    }

    async fn post_stop(
        &self,
        myself: ActorRef<Message>,
        child: &mut Child,
    ) -> Result<(), ActorProcessingErr> {
        // Without this the runtime kills the child instead of letting it answer what it was asked.
        myself.drain_children_and_wait(Some(DRAIN_TIMEOUT)).await;
        child.shared.actor.send_replace(None);
        Ok(())
    }
}

/// Gives the actor up. It is not waited for: what does not answer may not even see that it is killed.
fn replace(myself: &ActorRef<Message>, child: &mut Child) {
    let actor = child.shared.actor.send_replace(None);
    child.id = None;
    if let Some(actor) = actor {
        tracing::error!("the job queue does not answer and is started again");
        actor.kill();
        respawn_later(myself, child);
    }
}

async fn respawn(myself: &ActorRef<Message>, child: &mut Child) {
    if child.id.is_some() || child.shared.is_closing() {
        return;
    }
    let shared = Arc::clone(&child.shared);
    match QueueActor::spawn_linked(None, QueueActor, shared, myself.get_cell()).await {
        Ok((actor, _task)) => {
            child.id = Some(actor.get_id());
            child.since = Instant::now();
            child.shared.actor.send_replace(Some(actor));
        }
        Err(error) => {
            tracing::error!(error = %error, "the job queue could not be started");
            respawn_later(myself, child);
        }
    }
}

fn respawn_later(myself: &ActorRef<Message>, child: &mut Child) {
    child.failures = if child.since.elapsed() >= STABLE_AFTER {
        1
    } else {
        child.failures.saturating_add(1)
    };
    // The timer is not waited for: when the supervisor has ended meanwhile, nobody wants its message.
    drop(myself.send_after(pause_after(child.failures), || Message::Respawn));
}

fn pause_after(failures: u32) -> Duration {
    let doubled = 2_u32.saturating_pow(failures.saturating_sub(1));
    FIRST_PAUSE.saturating_mul(doubled).min(MAX_PAUSE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replacements_come_ever_more_slowly_up_to_a_limit() {
        assert_eq!(pause_after(1), FIRST_PAUSE);
        assert_eq!(pause_after(3), FIRST_PAUSE * 4);
        assert_eq!(pause_after(u32::MAX), MAX_PAUSE);
    }
}
