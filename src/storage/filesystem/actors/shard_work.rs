//! The work of a shard on its blocking thread: what goes in, what comes out, and that a panic ends none but the work.

use std::panic::{AssertUnwindSafe, catch_unwind};

use ractor::MessagingErr;
use tokio::time::Instant;

use crate::model::PromptId;
use crate::storage::StorageError;
use crate::storage::filesystem::runtime::{Address, OwnedSemaphorePermit, oneshot};
use crate::storage::filesystem::work::{
    Effects, Look, WorkContext, WriteDone, WriteOp, look, put_all, write_one,
};

use super::shard::ShardMessage;

/// Where the answer to a write goes.
pub(super) type Reply = oneshot::Sender<Result<WriteDone, StorageError>>;

/// A write that waits for its turn.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) id: PromptId,
    pub(super) op: WriteOp,
    pub(super) deadline: Instant,
    pub(super) reply: Reply,
    pub(super) _permit: OwnedSemaphorePermit,
}

/// What came of the work in flight.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(super) effects: Effects,
    pub(super) answers: Vec<(Reply, Result<WriteDone, StorageError>, OwnedSemaphorePermit)>,
    pub(super) looked: Vec<oneshot::Sender<()>>,
}

/// One piece of work.
#[derive(Debug)]
pub(super) enum Work {
    Writes(Vec<Waiting>),
    Look(Look, Vec<oneshot::Sender<()>>),
}

impl Ended {
    fn panicked() -> Self {
        let effects = Effects {
            must_recover: Some("the work panicked".into()),
            ..Effects::default()
        };
        Self {
            effects,
            answers: Vec::new(),
            looked: Vec::new(),
        }
    }
}

/// Does one piece of work and tells the actor. An actor that is stopping takes its mail no more; it gets what is returned
/// here. What is `held` goes when the work is done.
pub(super) fn finish<H>(
    context: &WorkContext,
    work: Work,
    myself: &Address<ShardMessage>,
    held: H,
) -> Option<Box<Ended>> {
    let done = catch_unwind(AssertUnwindSafe(|| run(context, work)));
    drop(held);
    match myself.cast(ShardMessage::Ended(Box::new(
        done.unwrap_or_else(|_| Ended::panicked()),
    ))) {
        Err(MessagingErr::SendErr(ShardMessage::Ended(ended))) => Some(ended),
        _ => None,
    }
}

/// Does one piece of work on a blocking thread.
fn run(context: &WorkContext, work: Work) -> Ended {
    let mut effects = Effects::default();
    match work {
        Work::Look(place, looked) => {
            let seen = guarded(&mut effects, |effects| look(context, place, effects));
            if let Some(Err(fault)) = seen {
                tracing::warn!(shard = %context.disk.shard, ?fault, "the shard directory cannot be read: what was known is kept");
            }
            Ended {
                effects,
                answers: Vec::new(),
                looked,
            }
        }
        Work::Writes(writes) => {
            let (mut requests, mut others, mut answers) = (Vec::new(), Vec::new(), Vec::new());
            for write in writes {
                let Waiting {
                    id,
                    op,
                    reply,
                    _permit: permit,
                    ..
                } = write;
                match op {
                    WriteOp::Put(put) => requests.push(((id, *put), (reply, permit))),
                    other => others.push((id, other, reply, permit)),
                }
            }
            for (id, op, reply, permit) in others {
                let outcome = guarded(&mut effects, |effects| write_one(context, &id, op, effects));
                answers.push((reply, outcome.unwrap_or_else(panicked), permit));
            }
            let (requests, replies): (Vec<_>, Vec<_>) = requests.into_iter().unzip();
            let mut outcomes = guarded(&mut effects, |effects| put_all(context, requests, effects))
                .unwrap_or_default()
                .into_iter();
            for (reply, permit) in replies {
                answers.push((reply, outcomes.next().unwrap_or_else(panicked), permit));
            }
            Ended {
                effects,
                answers,
                looked: Vec::new(),
            }
        }
    }
}

/// Does something that may panic. After a panic nothing of its effects is believed, and the shard recovers.
fn guarded<T>(effects: &mut Effects, work: impl FnOnce(&mut Effects) -> T) -> Option<T> {
    let done = catch_unwind(AssertUnwindSafe(|| work(effects)));
    if done.is_err() {
        *effects = Ended::panicked().effects;
    }
    done.ok()
}

fn panicked() -> Result<WriteDone, StorageError> {
    Err(StorageError::Interrupted("the work panicked".into()))
}
