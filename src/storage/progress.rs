//! How far a long operation is, and whether it shall stop.

use std::sync::atomic::{AtomicU64, Ordering};

use tokio_util::sync::CancellationToken;

/// Shared between the one who works and the one who watches.
#[derive(Debug, Default)]
pub struct Progress {
    done: AtomicU64,
    total: AtomicU64,
    cancelled: CancellationToken,
}

impl Progress {
    /// Says how many steps there are.
    pub fn set_total(&self, total: u64) {
        self.total.store(total, Ordering::Relaxed);
    }

    /// Says that some steps are done.
    pub fn advance(&self, steps: u64) {
        self.done.fetch_add(steps, Ordering::Relaxed);
    }

    /// Returns the steps done and the steps in all (0 when that is not known yet).
    #[must_use]
    pub fn get(&self) -> (u64, u64) {
        (
            self.done.load(Ordering::Relaxed),
            self.total.load(Ordering::Relaxed),
        )
    }

    /// Asks the work to stop at its next step.
    pub fn cancel(&self) {
        self.cancelled.cancel();
    }

    /// Resolves when the work shall stop, for what would wait longer than a step takes.
    pub async fn cancelled(&self) {
        self.cancelled.cancelled().await;
    }

    /// Tells whether the work shall stop.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.cancelled.is_cancelled()
    }
}
