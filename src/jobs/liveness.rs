//! Asking the actors of the queue whether they live, and having the queue's actor replaced.

use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};

use crate::storage::liveness::{Answer, Vital};

use super::JobQueue;
use super::actor::Message;
use super::supervisor;

/// The name of the actor that decides which job starts.
pub const QUEUE_ACTOR: &str = "job queue";

impl JobQueue {
    /// Asks both actors of the queue, through their mailboxes, and waits for their answers until `patience` is over.
    pub async fn vitals(&self, patience: Duration) -> Vec<Vital> {
        let deadline = Instant::now() + patience;
        let actor = self.shared.actor.borrow().clone();
        let (reply, queue) = oneshot::channel();
        let queue = actor
            .is_some_and(|actor| actor.cast(Message::Ping(reply)).is_ok())
            .then_some(queue);
        let (reply, above) = oneshot::channel();
        let above = self
            .supervisor
            .cast(supervisor::Message::Ping(reply))
            .is_ok()
            .then_some(above);
        let queue = answer(queue, deadline).await;
        self.shared.set_silent(matches!(queue, Answer::Silent { .. }));
        vec![
            Vital {
                actor: QUEUE_ACTOR.to_owned(),
                answer: queue,
                steps: self.shared.steps(),
                replaceable: true,
            },
            Vital {
                actor: "job supervisor".to_owned(),
                answer: answer(above, deadline).await,
                steps: 0,
                replaceable: false,
            },
        ]
    }

    /// Has another actor started in the place of the one that does not answer.
    pub fn replace_actor(&self) {
        // Without a supervisor the process ends anyway.
        let _stopping = self.supervisor.cast(supervisor::Message::Replace);
    }
}

async fn answer(asked: Option<oneshot::Receiver<()>>, deadline: Instant) -> Answer {
    let Some(asked) = asked else {
        return Answer::Absent;
    };
    match timeout_at(deadline, asked).await {
        Ok(Ok(())) => Answer::Lives,
        Ok(Err(_)) => Answer::Absent,
        Err(_) => Answer::Silent { waits: false },
    }
}
