//! Collecting old versions by itself, where that is configured: a job every so often.

use std::time::Duration;

use serde_json::{Map, Value, json};
use tokio::task::JoinHandle;

use crate::config::RetentionConfig;
use crate::http::wire::JobRequest;
use crate::jobs::JobQueue;
use crate::model::Author;

/// Starts the task that submits the jobs; `None` when everything is kept.
pub(super) fn start(config: &RetentionConfig, jobs: JobQueue) -> Option<JoinHandle<()>> {
    let params = params(config)?;
    let pause = Duration::from_secs(config.interval_hours.saturating_mul(3_600));
    Some(tokio::spawn(async move {
        loop {
            tokio::time::sleep(pause).await;
            let request = JobRequest {
                kind: "collect".to_owned(),
                params: params.clone(),
            };
            match jobs.submit(request, Author::daemon()).await {
                Ok(job) => tracing::info!(job_id = %job.job_id, "collecting old versions"),
                Err(error) => {
                    tracing::warn!(%error, "old versions could not be collected: tried again later");
                }
            }
        }
    }))
}

/// Returns the parameters of the job; `None` when everything is kept.
fn params(config: &RetentionConfig) -> Option<Map<String, Value>> {
    if config.keep_last == 0 {
        return None;
    }
    let mut params = Map::new();
    params.insert("apply".into(), json!(true));
    params.insert("keep_last".into(), json!(config.keep_last));
    if config.keep_newer_than_days > 0 {
        let seconds = u64::from(config.keep_newer_than_days) * 86_400;
        params.insert("keep_newer_than_seconds".into(), json!(seconds));
    }
    Some(params)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::jobs::{JobLimits, MemoryLedger};
    use crate::storage::VersionStorage;
    use crate::storage::memory::MemoryStorage;
    use crate::versions::VersionManager;

    #[test]
    fn nothing_is_collected_unless_it_is_configured() {
        assert_eq!(params(&RetentionConfig::default()), None);
        let config = RetentionConfig {
            keep_last: 5,
            keep_newer_than_days: 2,
            ..RetentionConfig::default()
        };
        let expected = json!({"apply": true, "keep_last": 5, "keep_newer_than_seconds": 172_800});
        assert_eq!(params(&config).map(Value::Object), Some(expected));
    }

    #[tokio::test(start_paused = true)]
    async fn a_job_is_submitted_every_so_often() {
        let storage: Arc<dyn VersionStorage> = Arc::new(MemoryStorage::new(1 << 20));
        let ledger = Arc::new(MemoryLedger::default());
        let queue = JobQueue::start(VersionManager::new(storage), ledger, JobLimits::default())
            .await
            .unwrap();
        let config = RetentionConfig {
            keep_last: 1,
            ..RetentionConfig::default()
        };
        let task = start(&config, queue.clone()).unwrap();
        for expected in 1..=2 {
            let collections = || queue.list(None, None, 10).0;
            while collections().len() < expected {
                tokio::time::sleep(Duration::from_secs(3_600)).await;
            }
            assert!(collections().iter().all(|job| job.kind == "collect"));
        }
        task.abort();
        queue.close().await;
    }
}
