//! The book of what is spent, on disk: a call is written down with its worst case before it is made.
//!
//! So a daemon that is killed in the middle of a call has counted it, and a restart cannot be used to spend the budget of
//! a day twice.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::{Mutex, Notify};

use super::budget::{Book, JobBudget, OverBudget, Reservation, Spent};
use super::durable;
use super::settings::BudgetSettings;
use crate::storage::filesystem::disk::{Disk, StoreLock};

/// The file of the book.
const FILE: &str = "spending.json";
/// The largest book that is read.
const MAX_BYTES: u64 = 4 << 20;

/// Why nothing may be spent.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub(super) enum SpendingError {
    /// A limit is reached.
    #[error(transparent)]
    Over(#[from] OverBudget),
    /// What was spent so far is not known, or the call could not be written down.
    #[error("{0}")]
    Book(String),
}

/// Where the book is kept, and what keeps other daemons out.
type Place = (Arc<dyn Disk>, StoreLock);

/// The book, and where it is kept.
#[derive(Debug)]
pub(super) struct Spending {
    settings: BudgetSettings,
    /// Where it is kept, and what keeps others out; none keeps it in memory alone.
    disk: Option<Place>,
    /// The book, or why it cannot be read.
    book: Mutex<Result<Book, String>>,
    /// How many calls have something set aside.
    open: AtomicUsize,
    /// Told whenever one of them has not any more.
    changed: Notify,
}

/// What is set aside for a call. Dropped without a settlement it stays spent, since nobody knows what the call took.
#[derive(Debug)]
pub(super) struct Held<'a> {
    spending: &'a Spending,
    reservation: Reservation,
}

impl Held<'_> {
    /// Replaces what was set aside by what the call took. A failure to write it down leaves the worst case in the file.
    pub(super) async fn settle(self, actual: Spent) {
        self.spending.settle(&self.reservation, actual).await;
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.spending.open.fetch_sub(1, Ordering::SeqCst);
        self.spending.changed.notify_waiters();
    }
}

impl Spending {
    /// Reads the book. One that is damaged is not replaced, and one that cannot be kept is none: nothing is spent until
    /// somebody looked at it. Without a disk it is kept in memory alone. Blocks on the disk.
    pub(super) fn open(settings: BudgetSettings, disk: Result<Option<Place>, String>) -> Self {
        let (disk, book) = match disk {
            Ok(None) => (None, Ok(Book::default())),
            Ok(Some((disk, lock))) => {
                let book = read(disk.as_ref());
                (Some((disk, lock)), book)
            }
            Err(reason) => (None, Err(reason)),
        };
        if let Err(reason) = &book {
            tracing::error!(reason, "no language model is asked");
        }
        Self {
            settings,
            disk,
            book: Mutex::new(book),
            open: AtomicUsize::new(0),
            changed: Notify::new(),
        }
    }

    /// Sets the worst case of a call aside; when this returns, that is durable. While there is no room for it, and other
    /// calls may give back some of what is set aside for them, this waits.
    pub(super) async fn reserve(
        &self,
        day: &str,
        job: &JobBudget,
        worst: Spent,
    ) -> Result<Held<'_>, SpendingError> {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            // From here on, so that no call that ends meanwhile is missed.
            changed.as_mut().enable();
            match self.try_reserve(day, job, worst).await {
                Err(SpendingError::Over(_)) if self.open.load(Ordering::SeqCst) > 0 => changed.await,
                result => return result,
            }
        }
    }

    async fn try_reserve(&self, day: &str, job: &JobBudget, worst: Spent) -> Result<Held<'_>, SpendingError> {
        let mut guard = self.book.lock().await;
        let book = guard
            .as_mut()
            .map_err(|reason| SpendingError::Book(reason.clone()))?;
        let mut next = book.clone();
        let reservation = next.reserve(day, job, worst, &self.settings)?;
        self.write(&next).await.map_err(|error| {
            SpendingError::Book(format!(
                "a call is not made, since its cost cannot be written down: {error}"
            ))
        })?;
        *book = next;
        self.open.fetch_add(1, Ordering::SeqCst);
        Ok(Held {
            spending: self,
            reservation,
        })
    }

    async fn settle(&self, reservation: &Reservation, actual: Spent) {
        let mut guard = self.book.lock().await;
        let Ok(book) = guard.as_mut() else {
            return;
        };
        book.settle(reservation, actual);
        if let Err(error) = self.write(book).await {
            tracing::warn!(%error, "what a call took cannot be written down: its worst case stands");
        }
    }

    /// Returns what a job has spent.
    pub(super) async fn spent_by(&self, job_id: &str) -> Spent {
        let guard = self.book.lock().await;
        guard
            .as_ref()
            .map_or(Spent::default(), |book| book.spent_by(job_id))
    }

    /// Returns what was spent on a day; `None` while that is being written down.
    pub(super) fn spent_on(&self, day: &str) -> Option<Spent> {
        let guard = self.book.try_lock().ok()?;
        guard.as_ref().ok().map(|book| book.spent_on(day))
    }

    async fn write(&self, book: &Book) -> io::Result<()> {
        let Some((disk, _)) = &self.disk else {
            return Ok(());
        };
        let bytes = serde_json::to_vec(book)?;
        let disk = Arc::clone(disk);
        let written = tokio::task::spawn_blocking(move || durable::replace(disk.as_ref(), FILE, &bytes));
        written.await.map_err(io::Error::other)?
    }
}

fn read(disk: &dyn Disk) -> Result<Book, String> {
    let damaged = |why: &dyn std::fmt::Display| {
        format!("what was spent is not known ({FILE}: {why}): remove the file to begin at nothing")
    };
    match disk.read(Path::new(FILE), MAX_BYTES) {
        Ok(file) => serde_json::from_slice(&file.bytes).map_err(|error| damaged(&error)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Book::default()),
        Err(error) => Err(damaged(&error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::filesystem::disk::RealDisk;

    const DAY: &str = "2026-11-28";

    fn open(dir: &Path) -> Spending {
        let settings = BudgetSettings {
            max_tokens_per_day: 100,
            ..BudgetSettings::default()
        };
        let disk = RealDisk::open(dir).unwrap();
        let lock = disk.lock(Path::new(".lock")).unwrap();
        Spending::open(settings, Ok(Some((Arc::new(disk), lock))))
    }

    fn job() -> JobBudget {
        JobBudget {
            job_id: "a".into(),
            ..JobBudget::default()
        }
    }

    const fn tokens(tokens: u64) -> Spent {
        Spent { tokens, nanos: 0 }
    }

    #[tokio::test]
    async fn what_was_set_aside_and_what_was_spent_survive_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let before = open(dir.path());
        let reservation = before.reserve(DAY, &job(), tokens(60)).await.unwrap();
        // As after a kill in the middle of the call.
        let disk = RealDisk::open(dir.path()).unwrap();
        assert_eq!(read(&disk).unwrap().spent_on(DAY), tokens(60));
        reservation.settle(tokens(25)).await;
        drop(before);
        let after = open(dir.path());
        assert_eq!(
            (after.spent_on(DAY), after.spent_by("a").await),
            (Some(tokens(25)), tokens(25))
        );
        assert!(matches!(
            after.reserve(DAY, &job(), tokens(76)).await,
            Err(SpendingError::Over(_))
        ));
        after.reserve(DAY, &job(), tokens(75)).await.unwrap();
        let mut names: Vec<_> = std::fs::read_dir(dir.path())
            .unwrap()
            .map(|e| e.unwrap().file_name())
            .collect();
        names.sort();
        assert_eq!(names, [".lock", FILE], "nothing temporary is left");
    }

    #[tokio::test]
    async fn a_call_waits_for_what_others_may_give_back_and_no_longer() {
        let dir = tempfile::tempdir().unwrap();
        let (spending, who) = (open(dir.path()), job());
        let first = spending.reserve(DAY, &job(), tokens(60)).await.unwrap();
        let ((), second) = tokio::join!(first.settle(tokens(10)), spending.reserve(DAY, &who, tokens(60)));
        let second = second.unwrap();
        let waiting = spending.reserve(DAY, &who, tokens(60));
        // Nobody knows what a call took that was dropped: it stays spent, and nobody waits for it.
        let (third, ()) = tokio::join!(waiting, async { drop(second) });
        assert!(matches!(third, Err(SpendingError::Over(_))), "{third:?}");
        assert_eq!(spending.spent_on(DAY), Some(tokens(70)));
    }

    #[tokio::test]
    async fn a_damaged_book_is_kept_and_nothing_is_spent() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join(FILE);
        std::fs::write(&file, "{\"day\":").unwrap();
        let spending = open(dir.path());
        let refused = spending.reserve(DAY, &job(), tokens(1)).await.unwrap_err();
        assert!(refused.to_string().contains("remove the file"), "{refused}");
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "{\"day\":");
    }

    #[tokio::test]
    async fn a_call_that_cannot_be_written_down_is_not_made() {
        let dir = tempfile::tempdir().unwrap();
        let spending = open(dir.path());
        std::fs::remove_dir_all(dir.path()).unwrap();
        let refused = spending.reserve(DAY, &job(), tokens(1)).await;
        assert!(matches!(refused, Err(SpendingError::Book(_))), "{refused:?}");
        assert_eq!(spending.spent_on(DAY), Some(tokens(0)));
    }
}
