//! What the parts of the storage work together by: locks, channels, tasks, and the addresses of actors.
//!
//! They are those of std, tokio and ractor; in the tests of interleavings, those of a scheduler that tries one order of
//! events after another. The code that uses them is the same.

#[cfg(not(all(test, feature = "interleavings")))]
mod chosen {
    pub(crate) use std::sync::{Mutex, MutexGuard, RwLock, atomic};

    pub(crate) use ractor::{ActorCell as Cell, ActorRef as Address};
    pub(crate) use tokio::spawn;
    pub(crate) use tokio::sync::{Mutex as AsyncMutex, OwnedSemaphorePermit, Semaphore, oneshot, watch};
    pub(crate) use tokio::task::{JoinHandle, spawn_blocking};
    pub(crate) use tokio::time::timeout_at;

    use ractor::{Actor, ActorStatus, Message, SpawnErr};

    /// Returns where an actor takes its mail.
    pub(crate) fn address<M: Message>(actor: &Address<M>) -> Address<M> {
        actor.clone()
    }

    /// Tells whether an actor has not ended.
    pub(crate) fn is_alive<M: Message>(actor: &Address<M>) -> bool {
        actor.get_status() < ActorStatus::Stopping
    }

    /// Starts an actor beneath another.
    ///
    /// # Errors
    /// What its `pre_start` says.
    pub(crate) async fn spawn_child<A: Actor, M: Message>(
        actor: A,
        arguments: A::Arguments,
        supervisor: &Address<M>,
    ) -> Result<Cell, SpawnErr> {
        let started = Actor::spawn_linked(None, actor, arguments, supervisor.get_cell()).await;
        started.map(|(actor, _)| actor.get_cell())
    }
}

#[cfg(all(test, feature = "interleavings"))]
mod chosen {
    pub(crate) use shuttle::sync::{Mutex, MutexGuard, RwLock, atomic};
    pub(crate) use shuttle_tokio::spawn;
    pub(crate) use shuttle_tokio::sync::{
        Mutex as AsyncMutex, OwnedSemaphorePermit, Semaphore, oneshot, watch,
    };
    pub(crate) use shuttle_tokio::task::{JoinHandle, spawn_blocking};
    pub(crate) use shuttle_tokio::time::timeout_at;

    pub(crate) use crate::storage::filesystem::interleavings::stage::{
        Address, Cell, address, is_alive, spawn_child,
    };
}

pub(crate) use chosen::*;
