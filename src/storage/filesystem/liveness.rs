//! What is done with a storage in use beside reading and writing: asking every actor whether it lives, having one
//! replaced, changing settings.

use std::pin::Pin;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::storage::liveness::{Answer, Vital};

use super::actors::{
    ChildId, IndexMessage, JanitorMessage, Settings, ShardMessage, SupervisorMessage, WatcherMessage,
};
use super::disk::Pulse;
use super::runtime::oneshot;
use super::{FileSystemOptions, FileSystemStorage};

/// The name of the actor above all others.
pub(super) const SUPERVISOR: &str = "storage supervisor";

type Answering = Pin<Box<dyn Future<Output = bool> + Send>>;

/// An actor that was asked. Without an answer to wait for there is none.
struct Asked {
    actor: String,
    pulse: Option<Arc<Pulse>>,
    answering: Option<Answering>,
}

impl FileSystemStorage {
    /// Asks every actor, through its mailbox and all of them at once, and waits for their answers until `patience` is over.
    pub async fn vitals(&self, patience: Duration) -> Vec<Vital> {
        let deadline = Instant::now() + patience;
        let asked: Vec<Asked> = self
            .ask_shards()
            .chain(self.ask_others())
            .chain([self.ask_supervisor()])
            .collect();
        let mut vitals = Vec::with_capacity(asked.len());
        for asked in asked {
            vitals.push(asked.vital(deadline).await);
        }
        self.remember_silent(&vitals);
        vitals
    }

    /// What was heard is part of the state that everybody is shown.
    fn remember_silent(&self, vitals: &[Vital]) {
        let silent = vitals
            .iter()
            .filter(|vital| matches!(vital.answer, Answer::Silent { .. }))
            .map(|vital| vital.actor.clone());
        *self.shared.silent.lock().unwrap_or_else(PoisonError::into_inner) = silent.collect();
    }

    /// Has another actor started in the place of one that does not answer. `false` when there is none of this name.
    pub fn replace_actor(&self, name: &str) -> bool {
        let shards = self.shared.shards.all();
        let children = shards.iter().map(|shard| ChildId::Shard(shard.id.clone()));
        let mut children = children.chain([ChildId::Index, ChildId::Watcher, ChildId::Janitor]);
        let child = children.find(|child| child.to_string() == name);
        child.is_some_and(|child| self.supervisor.cast(SupervisorMessage::Replace(child)).is_ok())
    }

    /// Takes what may change while the store is open: how it is watched, how long a write and a stop may wait.
    pub fn change_settings(&self, options: &FileSystemOptions) {
        let settings = Settings::of(options);
        let mut current = self
            .shared
            .settings
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let watches_otherwise = current.watch != settings.watch;
        *current = settings;
        drop(current);
        // When the storage stops, nothing is watched any more.
        let _stopping = watches_otherwise && self.supervisor.cast(SupervisorMessage::RenewWatcher).is_err();
    }

    fn ask_supervisor(&self) -> Asked {
        let (reply, answer) = oneshot::channel();
        let told = self.supervisor.cast(SupervisorMessage::Ping(reply)).is_ok();
        Asked {
            actor: SUPERVISOR.to_owned(),
            pulse: None,
            answering: told.then(|| answering(async move { answer.await.is_ok() })),
        }
    }

    fn ask_shards(&self) -> impl Iterator<Item = Asked> {
        self.shared.shards.all().into_iter().map(|shard| {
            let actor = shard.actor.borrow().clone();
            let (reply, answer) = oneshot::channel();
            let told = actor.is_some_and(|actor| actor.cast(ShardMessage::Ping(reply)).is_ok());
            Asked {
                actor: ChildId::Shard(shard.id.clone()).to_string(),
                pulse: Some(Arc::clone(&shard.disk.pulse)),
                answering: told.then(|| answering(async move { answer.await.is_ok() })),
            }
        })
    }

    fn ask_others(&self) -> impl Iterator<Item = Asked> {
        let shared = &self.shared;
        let index = shared.index.borrow().clone();
        let watcher = shared
            .watcher
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let janitor = shared
            .janitor
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let mut asked = Vec::new();
        let mut ask = |child: ChildId, answering: Option<Answering>| {
            asked.push(Asked {
                pulse: shared.pulse(&child),
                actor: child.to_string(),
                answering: answering.filter(|_| shared.runs(&child)),
            });
        };
        ask(
            ChildId::Index,
            index.and_then(|actor| question(|reply| actor.cast(IndexMessage::Ping(reply)).is_ok())),
        );
        ask(
            ChildId::Watcher,
            watcher.and_then(|actor| question(|reply| actor.cast(WatcherMessage::Ping(reply)).is_ok())),
        );
        ask(
            ChildId::Janitor,
            janitor.and_then(|actor| question(|reply| actor.cast(JanitorMessage::Ping(reply)).is_ok())),
        );
        asked.into_iter()
    }
}

impl Asked {
    async fn vital(self, deadline: Instant) -> Vital {
        let answer = match self.answering {
            None => Answer::Absent,
            Some(answering) => match tokio::time::timeout_at(deadline, answering).await {
                Ok(true) => Answer::Lives,
                // It ended with the question in its mailbox: its supervisor hears of that.
                Ok(false) => Answer::Absent,
                Err(_) => Answer::Silent {
                    waits: self.pulse.as_ref().is_some_and(|pulse| pulse.waits()),
                },
            },
        };
        Vital {
            actor: self.actor,
            answer,
            steps: self.pulse.as_ref().map_or(0, |pulse| pulse.steps()),
            replaceable: self.pulse.is_some(),
        }
    }
}

fn question(send: impl FnOnce(tokio::sync::oneshot::Sender<()>) -> bool) -> Option<Answering> {
    let (reply, answer) = tokio::sync::oneshot::channel();
    send(reply).then(|| answering(async move { answer.await.is_ok() }))
}

fn answering(answer: impl Future<Output = bool> + Send + 'static) -> Answering {
    Box::pin(answer)
}
