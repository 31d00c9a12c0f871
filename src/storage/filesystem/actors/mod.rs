//! The actors. One supervisor; beneath it one shard actor per shard directory, the index actor, the watcher, the janitor.
//!
//! `call`s go downwards only (service to shard); everything else is a cast. Nobody waits on the supervisor, and no actor
//! has a global name: handles are passed.

mod child;
#[cfg(any(feature = "hang-actor", all(test, not(feature = "interleavings"))))]
mod hang;
mod index;
mod janitor;
mod place;
mod restart;
mod scrub;
mod shard;
mod shard_handle;
mod shard_work;
mod supervisor;
mod watch_inbox;
mod watcher;
mod watches;

pub(super) use child::{ChildId, Pulses, Settings, Shared};
pub(super) use index::{IndexMessage, IndexStatus};
pub(super) use janitor::JanitorMessage;
#[cfg(all(test, feature = "interleavings"))]
pub(super) use shard::ShardActorState;
pub(super) use shard::ShardMessage;
pub(super) use shard_handle::{ShardHandle, ShardTable};
#[cfg(all(test, feature = "interleavings"))]
pub(super) use supervisor::SupervisorState;
pub(super) use supervisor::{Supervisor, SupervisorMessage};
pub(super) use watcher::WatcherMessage;

/// Makes a child panic, to test that it is survived.
#[cfg(all(test, not(feature = "interleavings")))]
pub(super) fn panic_in(child: &ChildId, cell: &ractor::ActorCell) {
    // One that is gone already needs no panic.
    let _gone = match child {
        ChildId::Shard(_) => cell.send_message(ShardMessage::Panic).is_ok(),
        ChildId::Index => cell.send_message(IndexMessage::Panic).is_ok(),
        ChildId::Watcher => cell.send_message(watcher::WatcherMessage::Panic).is_ok(),
        ChildId::Janitor => cell.send_message(janitor::JanitorMessage::Panic).is_ok(),
    };
}
