//! The watches on directories: which are set, and setting more of them.

use std::collections::BTreeSet;
use std::path::PathBuf;

use notify::{ErrorKind, EventHandler, RecommendedWatcher, RecursiveMode, Watcher as _};

/// The watches of one watcher. Each is on one directory alone.
#[derive(Debug)]
pub(super) struct Watches {
    root: PathBuf,
    watcher: Option<RecommendedWatcher>,
    watched: BTreeSet<PathBuf>,
    max_watches: usize,
}

impl Watches {
    /// Makes an empty set of watches in a store; nothing can be watched before [`Self::open`].
    #[must_use]
    pub(super) const fn new(root: PathBuf) -> Self {
        Self {
            root,
            watcher: None,
            watched: BTreeSet::new(),
            max_watches: usize::MAX,
        }
    }

    /// Behaves as if the kernel allowed no more watches than this.
    #[cfg(test)]
    pub(super) const fn at_most(mut self, max_watches: usize) -> Self {
        self.max_watches = max_watches;
        self
    }

    /// Begins to watch; what happens is told to the handler, on a thread of its own.
    ///
    /// # Errors
    /// A sentence when inotify cannot be used.
    pub(super) fn open(&mut self, handler: impl EventHandler) -> Result<(), String> {
        let watcher =
            notify::recommended_watcher(handler).map_err(|e| format!("inotify cannot be used: {e}"))?;
        self.watcher = Some(watcher);
        Ok(())
    }

    /// Returns how many directories are watched.
    #[must_use]
    pub(super) fn count(&self) -> usize {
        self.watched.len()
    }

    /// Forgets what is watched, before everything is watched anew.
    pub(super) fn forget(&mut self) {
        self.watched.clear();
    }

    /// Watches directories of the store; asking again for a watched one is harmless, and needed when it was made anew. On a
    /// blocking thread: each watch waits for the watching thread to take it.
    ///
    /// # Errors
    /// A sentence on the first directory that could not be watched; a directory that is gone is none of them.
    pub(super) async fn add(&mut self, dirs: Vec<PathBuf>) -> Result<(), String> {
        let Some(watcher) = self.watcher.take() else {
            return Ok(());
        };
        let (root, room) = (
            self.root.clone(),
            self.max_watches.saturating_sub(self.watched.len()),
        );
        let set = tokio::task::spawn_blocking(move || set_all(watcher, &root, dirs, room));
        let (watcher, outcome) = set.await.map_err(|e| format!("setting watches failed: {e}"))?;
        self.watcher = Some(watcher);
        self.watched.extend(outcome.done);
        for gone in &outcome.gone {
            self.watched.remove(gone);
        }
        outcome.failure.map_or(Ok(()), Err)
    }
}

#[derive(Default)]
struct Outcome {
    done: Vec<PathBuf>,
    gone: Vec<PathBuf>,
    failure: Option<String>,
}

fn set_all(
    mut watcher: RecommendedWatcher,
    root: &std::path::Path,
    dirs: Vec<PathBuf>,
    room: usize,
) -> (RecommendedWatcher, Outcome) {
    let mut outcome = Outcome::default();
    for dir in dirs {
        let set = if outcome.done.len() < room {
            watcher.watch(&root.join(&dir), RecursiveMode::NonRecursive)
        } else {
            Err(notify::Error::new(ErrorKind::MaxFilesWatch))
        };
        match set {
            Ok(()) => outcome.done.push(dir),
            Err(e) if is_gone(&e) => outcome.gone.push(dir),
            Err(e) if matches!(e.kind, ErrorKind::MaxFilesWatch) => {
                outcome.failure = Some(format!(
                    "fs.inotify.max_user_watches is reached at {}: raise it (config/60-promptd-inotify.conf)",
                    dir.display()
                ));
                break;
            }
            Err(e) => {
                let failure = format!("watching {}: {e}", dir.display());
                outcome.failure.get_or_insert(failure);
            }
        }
    }
    (watcher, outcome)
}

fn is_gone(error: &notify::Error) -> bool {
    match &error.kind {
        ErrorKind::PathNotFound => true,
        ErrorKind::Io(e) => matches!(
            e.kind(),
            std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory
        ),
        _ => false,
    }
}
