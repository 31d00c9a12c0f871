//! Shards that hang when they are told to, so that the watchdog can be tested. Not in any program that is installed: only
//! tests and the feature `hang-actor`, which does not compile in release builds, have it.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use super::shard::ShardMessage;

/// The first write to a prompt of a name that begins so makes the actor of its shard hang.
const PREFIX: &str = "hang.";
/// A write to this prompt makes every shard hang, and whoever is started in its place.
const ALWAYS: &str = "hang.always";

static DONE: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
static EVERYBODY: AtomicBool = AtomicBool::new(false);

/// Never returns when the message says so.
pub(super) async fn if_told_to(message: &ShardMessage) {
    let hangs = match message {
        ShardMessage::Write { id, .. } if id.as_str() == ALWAYS => {
            EVERYBODY.store(true, Ordering::Relaxed);
            true
        }
        ShardMessage::Write { id, .. } if id.as_str().starts_with(PREFIX) => DONE
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(id.as_str().to_owned()),
        ShardMessage::Ping(_) => EVERYBODY.load(Ordering::Relaxed),
        _ => false,
    };
    if hangs {
        std::future::pending::<()>().await;
    }
}
