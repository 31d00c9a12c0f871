//! The actors. One supervisor; beneath it one shard actor per shard directory, the index actor, the watcher, the janitor.
//!
//! `call`s go downwards only (service to shard); everything else is a cast. Nobody waits on the supervisor, and no actor
//! has a global name: handles are passed.

mod child;
mod index;
mod janitor;
mod place;
mod restart;
mod shard;
mod shard_handle;
mod shard_work;
mod supervisor;
mod watch_inbox;
mod watcher;
mod watches;

#[cfg(all(test, not(feature = "interleavings")))]
pub(super) use child::ChildId;
pub(super) use child::Shared;
pub(super) use index::{IndexMessage, IndexStatus};
#[cfg(all(test, feature = "interleavings"))]
pub(super) use shard::ShardActorState;
#[cfg(test)]
pub(super) use shard::ShardMessage;
pub(super) use shard_handle::{ShardHandle, ShardTable};
#[cfg(all(test, feature = "interleavings"))]
pub(super) use supervisor::SupervisorState;
pub(super) use supervisor::{Supervisor, SupervisorMessage};
