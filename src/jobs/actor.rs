//! The actor that decides which job starts and which is cancelled.
//!
//! It owns these decisions and no facts: what waits and what works stands in the table, which outlives it. A message is
//! a reason to look there, so that one which is lost with an actor is made up for by the next one's first look.

use std::sync::Arc;

use ractor::{Actor, ActorProcessingErr, ActorRef, RpcReplyPort, SupervisionEvent};
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::job::{Job, StopReason};
use super::run;
use super::schedule::{Candidate, who_starts};
use super::shared::Shared;
use super::state::Step;

/// What the actor is told.
pub(super) enum Message {
    /// A job came or ended: look who may start.
    Look,
    /// Cancel a job. Answered when that is under way; the permit bounds how many such messages wait.
    Cancel {
        /// The job.
        job: Arc<Job>,
        /// Held until the message is handled or lost.
        _permit: OwnedSemaphorePermit,
        /// Answered when the job was told.
        reply: RpcReplyPort<()>,
    },
    /// Answer.
    Ping(oneshot::Sender<()>),
}

/// The actor; its state is what everybody shares.
pub(super) struct QueueActor;

impl Actor for QueueActor {
    type Msg = Message;
    type State = Arc<Shared>;
    type Arguments = Arc<Shared>;

    async fn pre_start(
        &self,
        _: ActorRef<Message>,
        shared: Arc<Shared>,
    ) -> Result<Arc<Shared>, ActorProcessingErr> {
        Ok(shared)
    }

    async fn post_start(
        &self,
        _: ActorRef<Message>,
        shared: &mut Arc<Shared>,
    ) -> Result<(), ActorProcessingErr> {
        start_who_may(shared);
        Ok(())
    }

    async fn handle(
        &self,
        _: ActorRef<Message>,
        message: Message,
        shared: &mut Arc<Shared>,
    ) -> Result<(), ActorProcessingErr> {
        shared.count_step();
        match message {
            Message::Look => start_who_may(shared),
            Message::Ping(reply) => {
                let _gone = reply.send(());
            }
            Message::Cancel { reply, .. } if reply.is_closed() => {}
            Message::Cancel { job, reply, .. } => {
                cancel(shared, job);
                if reply.send(()).is_err() {
                    tracing::debug!("whoever cancelled a job did not wait for the answer");
                }
            }
        }
        Ok(())
    }

    async fn handle_supervisor_evt(
        &self,
        _: ActorRef<Message>,
        _: SupervisionEvent,
        _: &mut Arc<Shared>,
    ) -> Result<(), ActorProcessingErr> {
        // This actor has no children. Without this method a stray link could end it.
        Ok(())
    }
}

fn start_who_may(shared: &Arc<Shared>) {
    if shared.is_closing() {
        return;
    }
    let open = shared.table.open_jobs();
    let waiting: Vec<&Arc<Job>> = open.iter().filter(|job| job.is_waiting()).collect();
    let running: Vec<Candidate> = open
        .iter()
        .filter(|job| job.is_claimed())
        .map(|job| job.candidate())
        .collect();
    let candidates: Vec<Candidate> = waiting.iter().map(|job| job.candidate()).collect();
    let starts = who_starts(&candidates, &running, &mut shared.turns());
    for position in starts {
        if let Some(job) = waiting.get(position)
            && job.claim()
        {
            run::start(shared, Arc::clone(job));
        }
    }
}

fn cancel(shared: &Arc<Shared>, job: Arc<Job>) {
    if job.claim() {
        run::end_unstarted(shared, job, Step::Cancel { result: None });
    } else {
        job.stop(StopReason::Cancelled);
    }
}
