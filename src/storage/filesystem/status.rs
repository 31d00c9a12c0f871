//! What an operator sees of a storage.

use std::sync::PoisonError;

use serde_json::{Map, Value, json};

use crate::storage::VersionStorage;

use super::FileSystemStorage;
use super::actors::{ChildId, ShardHandle};
use super::disk::STORE_MOVED;
use super::liveness::SUPERVISOR;
use super::runtime;
use super::runtime::atomic::Ordering;

/// How many problems of the store the status lists; `verify` lists all.
const MAX_PROBLEMS_SHOWN: usize = 100;

impl FileSystemStorage {
    /// Returns everything that an operator asks.
    pub(super) fn describe(&self) -> Value {
        let shared = &self.shared;
        let (prompts, versions) = self.totals();
        let index = shared
            .index_status
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let mut watch = to_object(&*shared.watch_status.lock().unwrap_or_else(PoisonError::into_inner));
        let waiting = shared.metrics.watch_delay();
        watch.insert(
            "oldest_event_seconds".into(),
            json!(waiting.map(|age| age.as_secs_f64())),
        );
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
            "actors": self.describe_actors(),
            "shards": self.describe_shard_totals(),
            "cache": shared.cache.stats(shared.metrics.lookups()),
            "index": {
                "enabled": shared.options.use_index, "stale": shared.index_is_stale.load(Ordering::Relaxed),
                "lag_seconds": shared.metrics.index_lag().map(|age| age.as_secs_f64()),
                "failed_writes": shared.metrics.index_failures(), "state": index,
            },
            "watch": watch,
            "disk": self.describe_disk(),
            "scrub": scrub,
            "problems": self.describe_problems(),
        })
    }

    fn describe_actors(&self) -> Map<String, Value> {
        let mut actors: Map<String, Value> = self
            .shared
            .other_children()
            .into_iter()
            .map(|(name, status)| (name, json!(status)))
            .collect();
        let up = runtime::is_alive(&self.supervisor);
        let silent = self.shared.is_silent(SUPERVISOR);
        actors.insert("supervisor".into(), json!({"up": up, "silent": silent}));
        if let Some(Value::Object(janitor)) = actors.get_mut("janitor") {
            let tick = self.shared.metrics.janitor_tick.age();
            let seconds = tick.map(|age| age.as_secs());
            janitor.insert("last_round_seconds".into(), json!(seconds));
        }
        actors
    }

    fn describe_shard_totals(&self) -> Value {
        let shards = self.shared.shards.all();
        let those = |choose: &dyn Fn(&ShardHandle) -> bool| -> Vec<Value> {
            let chosen = shards.iter().filter(|shard| choose(shard));
            chosen.map(|shard| self.describe_shard(shard)).collect()
        };
        let patience = self.shared.write_timeout();
        let totals = self.shared.shard_totals();
        json!({
            "count": totals.count, "up": totals.up, "resting": totals.resting,
            "queue_depth": totals.queue_depth, "deepest_queue": totals.deepest_queue,
            "max_queue_depth": self.shared.options.max_queue_depth, "in_flight": totals.in_flight,
            "oldest_work_seconds": totals.oldest_work.map(|age| age.as_secs_f64()),
            "restarts": totals.restarts, "commits": totals.commits, "writes": totals.writes,
            "down": those(&|shard| !shard.is_up() || shard.disk.refusal().is_some()),
            "hanging": those(&|shard| shard.hangs(patience).is_some()),
            "busy": those(&|shard| shard.is_up() && shard.queue_depth() > 0),
            "restarted": those(&|shard| shard.is_up() && shard.state.restarts.load(Ordering::Relaxed) > 0),
        })
    }

    /// Returns the state of every shard.
    pub(super) fn describe_shards(&self) -> Vec<Value> {
        let shards = self.shared.shards.all();
        shards.iter().map(|shard| self.describe_shard(shard)).collect()
    }

    fn describe_shard(&self, shard: &ShardHandle) -> Value {
        let mut status = shard.status();
        if let Value::Object(status) = &mut status {
            let name = ChildId::Shard(shard.id.clone()).to_string();
            status.insert("silent".into(), self.shared.is_silent(&name).into());
        }
        status
    }

    fn describe_disk(&self) -> Option<Value> {
        let shared = &self.shared;
        let space = *shared.space.lock().unwrap_or_else(PoisonError::into_inner);
        let (space, bounds) = (space?, shared.room.bounds());
        let used = space.total.saturating_sub(space.free);
        #[expect(clippy::cast_precision_loss, reason = "a part for people")]
        let used_percent = (space.total > 0).then(|| used as f64 * 100.0 / space.total as f64);
        Some(json!({
            "free_bytes": space.free, "total_bytes": space.total, "used_percent": used_percent,
            "read_only": space.read_only, "min_free_bytes": bounds.min_free_bytes,
            "resume_free_bytes": bounds.resume_free_bytes, "full": shared.room.full(),
        }))
    }

    fn describe_problems(&self) -> Value {
        let mut problems = self
            .shared
            .problems
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        for part in self.shared.catalog.parts() {
            problems.extend(part.problems());
        }
        let count = problems.len();
        problems.truncate(MAX_PROBLEMS_SHOWN);
        json!({"count": count, "first": problems})
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

fn to_object(value: &impl serde::Serialize) -> Map<String, Value> {
    match serde_json::to_value(value) {
        Ok(Value::Object(object)) => object,
        _ => Map::new(),
    }
}
