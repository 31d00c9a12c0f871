//! How much memory the daemon has while it is under load.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::task::JoinHandle;

use crate::cli::exit::CliError;
use crate::client::{Client, ClientError};

/// How often is looked.
const PERIOD: Duration = Duration::from_millis(200);

/// The metric that says it.
const METRIC: &str = "process_resident_memory_bytes ";

/// What was seen, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Memory {
    pub(super) before: u64,
    pub(super) highest: u64,
    pub(super) after: u64,
}

/// Somebody who looks again and again.
#[derive(Debug)]
pub(super) struct MemoryWatch {
    client: Client,
    before: u64,
    stop: Arc<AtomicBool>,
    task: JoinHandle<u64>,
}

impl MemoryWatch {
    pub(super) async fn start(client: &Client) -> Result<Self, CliError> {
        let watcher = client.clone();
        let before = look(&watcher).await?;
        let stop = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&stop);
        let task = tokio::spawn(async move {
            let mut highest = before;
            while !told.load(Ordering::Relaxed) {
                // A look that is refused is made up for by the next one.
                highest = highest.max(look(&watcher).await.unwrap_or(0));
                tokio::time::sleep(PERIOD).await;
            }
            highest
        });
        Ok(Self {
            client: client.clone(),
            before,
            stop,
            task,
        })
    }

    pub(super) async fn stop(self) -> Result<Memory, CliError> {
        self.stop.store(true, Ordering::Relaxed);
        let highest = self.task.await;
        let highest = highest.map_err(|error| CliError::failure(format!("watching the memory: {error}")))?;
        let after = look(&self.client).await?;
        Ok(Memory {
            before: self.before,
            highest: highest.max(after),
            after,
        })
    }
}

async fn look(client: &Client) -> Result<u64, ClientError> {
    let text = client.metrics().await?;
    parse(&text).ok_or_else(|| ClientError::Malformed {
        reason: format!("there is no {}", METRIC.trim_end()),
    })
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "bytes of memory, which are written as a number with a point"
)]
fn parse(metrics: &str) -> Option<u64> {
    let value = metrics.lines().find_map(|line| line.strip_prefix(METRIC))?;
    let value: f64 = value.trim().parse().ok()?;
    Some(value as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_memory_is_read_from_the_metrics() {
        let text =
            "# TYPE process_resident_memory_bytes gauge\nprocess_resident_memory_bytes 1048576.0\nx 1\n";
        assert_eq!(parse(text), Some(1 << 20));
        assert_eq!(parse("process_resident_memory_bytes 7"), Some(7));
        assert_eq!(parse("nothing"), None);
    }
}
