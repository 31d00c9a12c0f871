//! How far the recovery of a store is, for whoever waits for it.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::log_events::LogEvent;

use super::FileSystemStorage;
use super::actors::ShardHandle;
use super::runtime::atomic::Ordering;

/// How long an opening waits for shards whose recovery makes no step before it goes on without them.
const STALL_PATIENCE: Duration = Duration::from_secs(60);
/// How often it looks.
const LOOK_INTERVAL: Duration = Duration::from_millis(250);

/// How far a recovery is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Recovery {
    /// How many shards there are; 0 while the store is being opened.
    pub shards: usize,
    /// How many of them have recovered, or could not.
    pub settled: usize,
    /// Steps so far: prompts looked at, temporary files settled.
    pub steps: u64,
}

impl FileSystemStorage {
    /// Waits until every shard is up, or failed once: one that does not recover must not keep the others from serving.
    /// One whose disk does not answer is left behind; it is served when it has recovered.
    pub(super) async fn await_recovery(&self, progress: &watch::Sender<Recovery>) {
        let handles = self.shared.shards.all();
        let mut ticks = interval(LOOK_INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut seen, mut since) = (Recovery::default(), Instant::now());
        for handle in &handles {
            let mut slot = handle.actor.subscribe();
            while slot.borrow_and_update().is_none() && !has_failed(handle) {
                tokio::select! {
                    changed = slot.changed() => if changed.is_err() { break },
                    _ = ticks.tick() => {
                        let now = look(&handles);
                        if now != seen {
                            (seen, since) = (now, Instant::now());
                        }
                        progress.send_replace(now);
                        if since.elapsed() >= STALL_PATIENCE {
                            leave_behind(&handles);
                            return;
                        }
                    }
                }
            }
        }
        progress.send_replace(look(&handles));
    }
}

fn has_failed(handle: &ShardHandle) -> bool {
    handle.state.restarts.load(Ordering::Relaxed) > 0
}

fn look(handles: &[std::sync::Arc<ShardHandle>]) -> Recovery {
    let settled = handles
        .iter()
        .filter(|handle| handle.is_up() || has_failed(handle));
    Recovery {
        shards: handles.len(),
        settled: settled.count(),
        steps: handles.iter().map(|handle| handle.disk.pulse.steps()).sum(),
    }
}

fn leave_behind(handles: &[std::sync::Arc<ShardHandle>]) {
    let rest = handles
        .iter()
        .filter(|handle| !handle.is_up() && !has_failed(handle));
    for handle in rest {
        tracing::error!(
            event = %LogEvent::ShardNotRecovered,
            shard = %handle.id,
            "the shard has not recovered and makes no progress: it is served when it has"
        );
        handle.leave_behind();
    }
}
