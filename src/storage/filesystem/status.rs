//! What an operator sees of a storage.

use std::sync::PoisonError;

use serde_json::{Value, json};

use crate::storage::VersionStorage;

use super::FileSystemStorage;
use super::actors::ShardHandle;
use super::disk::STORE_MOVED;
use super::runtime::atomic::{AtomicU64, Ordering};

impl FileSystemStorage {
    /// Returns everything that an operator asks.
    pub(super) fn describe(&self) -> Value {
        let shared = &self.shared;
        let (prompts, versions) = self.totals();
        let shards = shared.shards.all();
        let those = |choose: fn(&ShardHandle) -> bool| -> Vec<Value> {
            let chosen = shards.iter().filter(|shard| choose(shard));
            chosen.map(|shard| shard.status()).collect()
        };
        let down = those(|shard| !shard.is_up() || shard.disk.refusal().is_some());
        let hanging: Vec<Value> = shards
            .iter()
            .filter(|shard| shard.hangs(shared.write_timeout()).is_some())
            .map(|shard| shard.status())
            .collect();
        let busy = those(|shard| shard.is_up() && shard.queue_depth() > 0);
        let sum = |count: fn(&ShardHandle) -> &AtomicU64| -> u64 {
            let counts = shards.iter().map(|shard| count(shard).load(Ordering::Relaxed));
            counts.sum()
        };
        let restarts = sum(|shard| &shard.state.restarts);
        let commits = sum(|shard| &shard.state.commits);
        let writes = sum(|shard| &shard.state.writes);
        let mut problems = shared
            .problems
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        shared
            .catalog
            .parts()
            .iter()
            .for_each(|part| problems.extend(part.problems()));
        let count = problems.len();
        problems.truncate(100);
        let index = shared
            .index_status
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let watch = shared
            .watch_status
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let child_restarts: serde_json::Map<String, Value> = shared
            .restarts
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .iter()
            .map(|(child, (count, reason))| {
                (child.to_string(), json!({"count": count, "last_error": reason}))
            })
            .collect();
        let space = *shared.space.lock().unwrap_or_else(PoisonError::into_inner);
        let bounds = shared.room.bounds();
        let scrub = shared
            .scrub
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .describe();
        json!({
            "backend": "filesystem",
            "path": self.store.path,
            "store_id": self.store.store_id,
            "shard_depth": u8::from(shared.layout.depth),
            "opened_in_ms": self.store.opened_in_ms,
            "prompts": prompts,
            "versions": versions,
            "actors": {"restarts": child_restarts},
            "shards": {"count": shards.len(), "restarts": restarts, "commits": commits, "writes": writes, "down": down, "hanging": hanging, "busy": busy},
            "cache": shared.cache.stats(),
            "index": {"enabled": shared.options.use_index, "stale": shared.index_is_stale.load(Ordering::Relaxed), "state": index},
            "watch": watch,
            "disk": space.map(|space| json!({
                "free_bytes": space.free, "total_bytes": space.total, "read_only": space.read_only,
                "min_free_bytes": bounds.min_free_bytes, "resume_free_bytes": bounds.resume_free_bytes,
                "full": shared.room.full(),
            })),
            "scrub": scrub,
            "problems": {"count": count, "first": problems},
        })
    }

    /// Returns what an operator should look at although everything is served.
    pub(super) fn find_concerns(&self) -> Vec<String> {
        let full = self.shared.room.full().map(|full| {
            format!(
                "the disk is full since {}: nothing new is stored, reads and deletes work",
                full.since
            )
        });
        let damage = self
            .shared
            .scrub
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .concern();
        full.into_iter().chain(damage).collect()
    }

    /// Tells whether every part is up.
    ///
    /// # Errors
    /// A sentence for the operator.
    pub(super) fn judge_health(&self) -> Result<(), String> {
        if self.closed.load(Ordering::Acquire) {
            return Err("the store is closed".into());
        }
        let mut complaints = Vec::new();
        if self.shared.is_read_only() {
            complaints.push("the store is on a read-only file system".to_owned());
        }
        if !self.shared.disk.is_in_place() {
            complaints.push(STORE_MOVED.to_owned());
        }
        let shards = self.shared.shards.all();
        let names = |choose: fn(&ShardHandle) -> bool| -> Vec<String> {
            let chosen = shards.iter().filter(|shard| choose(shard));
            chosen.map(|shard| shard.id.to_string()).collect()
        };
        let down = names(|shard| !shard.is_up());
        if !down.is_empty() {
            complaints.push(format!("shards down: {}", down.join(", ")));
        }
        let hanging: Vec<String> = shards
            .iter()
            .filter_map(|shard| Some((shard, shard.hangs(self.shared.write_timeout())?)))
            .map(|(shard, took)| format!("{} (for {} s)", shard.id, took.as_secs()))
            .collect();
        if !hanging.is_empty() {
            complaints.push(format!(
                "shards on whose writes the disk does not answer: {}",
                hanging.join(", ")
            ));
        }
        let refusing = names(|shard| shard.is_up() && shard.disk.refusal().is_some());
        if !refusing.is_empty() {
            complaints.push(format!("shards that write no more: {}", refusing.join(", ")));
        }
        if complaints.is_empty() {
            Ok(())
        } else {
            Err(complaints.join("; "))
        }
    }
}
