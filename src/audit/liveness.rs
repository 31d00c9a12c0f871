//! Whether the thread that writes lives: it is asked through its queue, as the actors are.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::oneshot;

use crate::storage::liveness::{Answer, Vital};

use super::tally::Tally;
use super::writer::Command;
use super::{AuditError, AuditLog};

/// The name under which the thread is reported.
const NAME: &str = "audit log";

impl AuditLog {
    /// Asks the thread, and waits for its answer until `patience` is over.
    pub async fn vital(&self, patience: Duration) -> Vital {
        let (reply, answer) = oneshot::channel();
        let answer = match self.commands.try_send(Command::Ping(reply)) {
            Ok(()) => match tokio::time::timeout(patience, answer).await {
                Ok(Ok(())) => Answer::Lives,
                Ok(Err(_)) => Answer::Absent,
                Err(_) => self.silent(),
            },
            Err(TrySendError::Full(_)) => self.silent(),
            // It was closed, or it failed: then that is what the log says of itself.
            Err(TrySendError::Closed(_)) => Answer::Absent,
        };
        Vital {
            actor: NAME.to_owned(),
            answer,
            steps: self.pulse.steps(),
            replaceable: false,
        }
    }

    fn silent(&self) -> Answer {
        Answer::Silent {
            waits: self.pulse.waits(),
        }
    }
}

/// Held by the thread. Says that it failed, when it does: nobody starts another one.
pub(super) struct LastWords(pub(super) Arc<Tally>);

impl Drop for LastWords {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let reason = "the thread that writes it has failed: start promptd again";
            self.0.failed(&AuditError::Failed(reason.to_owned()));
        }
    }
}
