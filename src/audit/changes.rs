//! How a change is logged: what is said before it, and what came of it.

use tokio::sync::MutexGuard;

use crate::model::{Author, Checksum, Label, PromptId, Version};
use crate::storage::{Action, Actor, Numbering, PutOutcome, PutVersion, StorageError};

use super::AuditLog;
use super::AuditedStorage;
use super::entry::{Draft, Outcome};
use super::storage::LOCKS;

/// Something that is being done: what was said of it before.
pub(super) struct Begun {
    log: AuditLog,
    pub(super) intended: Draft,
    seq: Option<u64>,
}

impl AuditedStorage {
    pub(super) async fn begin(&self, draft: Draft) -> Result<Begun, StorageError> {
        let seq = self.log.intend(draft.clone()).await?;
        Ok(Begun {
            log: self.log.clone(),
            intended: draft,
            seq,
        })
    }

    /// Begins several changes that are one call of the storage.
    pub(super) async fn begin_all(&self, drafts: Vec<Draft>) -> Result<Vec<Begun>, StorageError> {
        let mut begun = Vec::with_capacity(drafts.len());
        // All at once, so that they share an fsync.
        let intending = drafts.into_iter().map(|draft| {
            let this = self.clone();
            tokio::spawn(async move { this.begin(draft).await })
        });
        let mut refused = None;
        for intent in intending.collect::<Vec<_>>() {
            match intent.await {
                Ok(Ok(one)) => begun.push(one),
                Ok(Err(error)) => refused = Some(error),
                Err(_) => refused = Some(failed()),
            }
        }
        let Some(error) = refused else { return Ok(begun) };
        for one in begun {
            one.end(Outcome::Failed, |draft| {
                draft.detail = Some("not begun".to_owned());
            })
            .await;
        }
        Err(error)
    }

    pub(super) fn draft(&self, action: Action, id: &PromptId) -> Draft {
        Draft::new(&self.acting.actor, action, Outcome::Intended).about(id)
    }

    /// Says that an author does something for which nobody acts.
    pub(super) fn draft_by(&self, action: Action, id: &PromptId, author: &Author) -> Draft {
        if self.acting.actor.author == *author {
            self.draft(action, id)
        } else {
            Draft::new(&Actor::of(author.clone()), action, Outcome::Intended).about(id)
        }
    }

    pub(super) async fn lock(&self, id: &PromptId) -> Option<MutexGuard<'_, ()>> {
        let bytes = id.as_str().bytes();
        let sum = bytes.fold(0_usize, |sum, byte| {
            sum.wrapping_mul(31).wrapping_add(usize::from(byte))
        });
        match self.locks.get(sum % LOCKS) {
            Some(lock) => Some(lock.lock().await),
            None => None,
        }
    }

    pub(super) fn put_draft(&self, id: &PromptId, request: &PutVersion) -> Draft {
        let mut draft = self.draft(self.acting.put, id);
        let entry = self.inner.prompt(id);
        draft.from = entry
            .as_ref()
            .and_then(|entry| entry.latest())
            .map(ToString::to_string);
        draft.made_at = Some(request.document.created_at.clone());
        if request.numbering == Numbering::Exact {
            let version = request.document.version.clone();
            if entry.is_some_and(|entry| entry.has(&version)) {
                // Nothing can come of it but a conflict, or nothing at all: see `settle`.
                draft.made_at = None;
            }
            draft.version = Some(version);
        }
        draft
    }

    pub(super) async fn put_logged(
        self,
        id: PromptId,
        request: PutVersion,
    ) -> Result<PutOutcome, StorageError> {
        let begun = self.begin(self.put_draft(&id, &request)).await?;
        let done = self.inner.put(&id, request).await;
        match &done {
            Ok(PutOutcome::Created(stored)) => {
                let (version, checksum) = (stored.version.clone(), stored.checksum.clone());
                begun
                    .end(Outcome::Done, |draft| says(draft, version, Some(&checksum)))
                    .await;
            }
            Ok(PutOutcome::Unchanged(version)) => {
                let version = version.clone();
                begun
                    .end(Outcome::Unchanged, |draft| says(draft, version, None))
                    .await;
            }
            Err(error) => begun.fail(error).await,
        }
        done
    }

    pub(super) async fn delete_logged(
        self,
        id: PromptId,
        versions: Vec<Version>,
        author: Author,
        delete: impl Future<Output = Result<Vec<Version>, StorageError>>,
    ) -> Result<Vec<Version>, StorageError> {
        let _alone = self.lock(&id).await;
        let before = self.inner.prompt(&id);
        let all = || {
            before
                .iter()
                .flat_map(|entry| entry.versions.iter().cloned())
                .collect()
        };
        let versions: Vec<Version> = if versions.is_empty() { all() } else { versions };
        let labels: Vec<(Label, Version)> = before
            .iter()
            .flat_map(|entry| entry.labels.iter())
            .filter(|(_, target)| versions.contains(&target.version))
            .map(|(label, target)| (label.clone(), target.version.clone()))
            .collect();
        let of_labels = labels.into_iter().map(|(label, version)| {
            let mut draft = self.draft_by(Action::RemoveLabel, &id, &author);
            draft.label = Some(label);
            draft.from = Some(version.to_string());
            draft
        });
        let of_versions = versions.into_iter().map(|version| {
            let mut draft = self.draft_by(Action::Delete, &id, &author);
            draft.version = Some(version);
            draft
        });
        let begun = self.begin_all(of_labels.chain(of_versions).collect()).await?;
        let done = delete.await;
        for one in begun {
            match &done {
                Ok(deleted) => {
                    let of = one.intended.version.as_ref();
                    let is_done = of.is_none_or(|version| deleted.contains(version));
                    let outcome = if is_done {
                        Outcome::Done
                    } else {
                        Outcome::Unchanged
                    };
                    one.end(outcome, |_| {}).await;
                }
                Err(error) => one.fail(error).await,
            }
        }
        done
    }

    /// Does one change; it is not begun before it is logged.
    pub(super) async fn logged<T>(
        &self,
        draft: Draft,
        change: impl Future<Output = Result<T, StorageError>>,
        tell: impl FnOnce(&T, &mut Draft),
    ) -> Result<T, StorageError> {
        let begun = self.begin(draft).await?;
        let done = change.await;
        match &done {
            Ok(value) => begun.end(Outcome::Done, |draft| tell(value, draft)).await,
            Err(error) => begun.fail(error).await,
        }
        done
    }

    /// Logs what is done already and changes nothing of what is kept, so that it need not be said before.
    pub(super) async fn tell<T>(
        &self,
        action: Action,
        done: &Result<T, StorageError>,
        tell: impl FnOnce(&T, &mut Draft),
    ) {
        let mut draft = Draft::new(&self.acting.actor, action, Outcome::Done);
        match done {
            Ok(value) => tell(value, &mut draft),
            Err(error) => {
                draft.outcome = Outcome::Failed;
                draft.detail = Some(error.code().to_owned());
            }
        }
        self.log.note(draft).await;
    }

    pub(super) fn label_draft(&self, action: Action, id: &PromptId, label: &Label, author: &Author) -> Draft {
        let mut draft = self.draft_by(action, id, author);
        let entry = self.inner.prompt(id);
        let before = entry.as_ref().and_then(|entry| entry.labels.get(label));
        draft.from = before.map(|target| target.version.to_string());
        draft.label = Some(label.clone());
        draft
    }
}

fn says(draft: &mut Draft, version: Version, checksum: Option<&Checksum>) {
    draft.version = Some(version);
    draft.to = checksum.map(ToString::to_string);
}

/// A task of its own: whoever hangs up must not leave a change of which nobody says what came of it.
pub(super) async fn to_its_end<T: Send + 'static>(
    work: impl Future<Output = Result<T, StorageError>> + Send + 'static,
) -> Result<T, StorageError> {
    tokio::spawn(work).await.unwrap_or_else(|_| Err(failed()))
}

fn failed() -> StorageError {
    StorageError::Interrupted("the work panicked".into())
}

impl Begun {
    pub(super) async fn end(self, outcome: Outcome, tell: impl FnOnce(&mut Draft)) {
        let Some(seq) = self.seq else { return };
        let mut ended = self.intended.ended(seq, outcome);
        ended.made_at = None;
        tell(&mut ended);
        self.log.ended(ended).await;
    }

    pub(super) async fn fail(self, error: &StorageError) {
        let outcome = match error {
            StorageError::Interrupted(_) | StorageError::Io { .. } | StorageError::Unavailable(_) => {
                Outcome::Unknown
            }
            _ => Outcome::Failed,
        };
        let code = error.code().to_owned();
        self.end(outcome, |draft| draft.detail = Some(code)).await;
    }
}
