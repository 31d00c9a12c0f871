//! [`AuditedStorage`]: a storage before which the log stands. Every change passes here, whoever makes it.

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::Value;
use tokio::sync::{Mutex, MutexGuard};

use crate::model::{Author, Checksum, Label, PromptId, Version};
use crate::storage::{
    Acting, Action, Actor, BackupCheck, BackupReport, BackupRequest, BackupSummary, LabelEntry, LabelMove,
    Mend, Numbering, Progress, PromptEntry, PromptPage, PutOutcome, PutVersion, RepairStep, RestoreReport,
    RestoreRequest, Revision, SetLabel, StorageError, StoredVersion, TrashedVersion, VerifyReport,
    VerifyScope, VersionStorage,
};

use super::AuditLog;
use super::entry::{Draft, Entry, Outcome};

/// How many locks keep changes of one prompt apart whose entries say what was before.
const LOCKS: usize = 64;

/// A storage before which the log stands.
#[derive(Debug, Clone)]
pub struct AuditedStorage {
    inner: Arc<dyn VersionStorage>,
    log: AuditLog,
    acting: Arc<Acting>,
    locks: Arc<[Mutex<()>]>,
}

/// Something that is being done: what was said of it before.
struct Begun {
    log: AuditLog,
    intended: Draft,
    seq: Option<u64>,
}

impl AuditedStorage {
    /// Puts a log before a storage, and looks up what became of changes that were intended when the daemon ended the last
    /// time. What nobody acts for is done by the daemon.
    pub async fn new(inner: Arc<dyn VersionStorage>, log: AuditLog, open: Vec<Entry>) -> Arc<Self> {
        super::settle::settle(&*inner, &log, open).await;
        let acting = Acting {
            actor: Actor::daemon(),
            put: Action::Save,
        };
        Arc::new(Self {
            inner,
            log,
            acting: Arc::new(acting),
            locks: (0..LOCKS).map(|_| Mutex::new(())).collect(),
        })
    }

    async fn begin(&self, draft: Draft) -> Result<Begun, StorageError> {
        let seq = self.log.intend(draft.clone()).await?;
        Ok(Begun {
            log: self.log.clone(),
            intended: draft,
            seq,
        })
    }

    /// Begins several changes that are one call of the storage.
    async fn begin_all(&self, drafts: Vec<Draft>) -> Result<Vec<Begun>, StorageError> {
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
                draft.detail = Some("not begun".to_owned())
            })
            .await;
        }
        Err(error)
    }

    fn draft(&self, action: Action, id: &PromptId) -> Draft {
        Draft::new(&self.acting.actor, action, Outcome::Intended).about(id)
    }

    /// Says that an author does something for which nobody acts.
    fn draft_by(&self, action: Action, id: &PromptId, author: &Author) -> Draft {
        if self.acting.actor.author == *author {
            self.draft(action, id)
        } else {
            Draft::new(&Actor::of(author.clone()), action, Outcome::Intended).about(id)
        }
    }

    async fn lock(&self, id: &PromptId) -> Option<MutexGuard<'_, ()>> {
        let bytes = id.as_str().bytes();
        let sum = bytes.fold(0_usize, |sum, byte| {
            sum.wrapping_mul(31).wrapping_add(usize::from(byte))
        });
        match self.locks.get(sum % LOCKS) {
            Some(lock) => Some(lock.lock().await),
            None => None,
        }
    }

    fn put_draft(&self, id: &PromptId, request: &PutVersion) -> Draft {
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

    async fn put_logged(self, id: PromptId, request: PutVersion) -> Result<PutOutcome, StorageError> {
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

    async fn delete_logged(
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
    async fn logged<T>(
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

    fn label_draft(&self, action: Action, id: &PromptId, label: &Label, author: &Author) -> Draft {
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
async fn to_its_end<T: Send + 'static>(
    work: impl Future<Output = Result<T, StorageError>> + Send + 'static,
) -> Result<T, StorageError> {
    tokio::spawn(work).await.unwrap_or_else(|_| Err(failed()))
}

fn failed() -> StorageError {
    StorageError::Interrupted("the work panicked".into())
}

impl Begun {
    async fn end(self, outcome: Outcome, tell: impl FnOnce(&mut Draft)) {
        let Some(seq) = self.seq else { return };
        let mut ended = self.intended.ended(seq, outcome);
        ended.made_at = None;
        tell(&mut ended);
        self.log.ended(ended).await;
    }

    async fn fail(self, error: &StorageError) {
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

#[async_trait]
impl VersionStorage for AuditedStorage {
    fn acting(&self, acting: Acting) -> Option<Arc<dyn VersionStorage>> {
        Some(Arc::new(Self {
            acting: Arc::new(acting),
            ..self.clone()
        }))
    }

    async fn put(&self, id: &PromptId, request: PutVersion) -> Result<PutOutcome, StorageError> {
        to_its_end(self.clone().put_logged(id.clone(), request)).await
    }

    async fn delete(
        &self,
        id: &PromptId,
        versions: &[Version],
        force: bool,
        author: &Author,
    ) -> Result<Vec<Version>, StorageError> {
        let (id, versions, author) = (id.clone(), versions.to_vec(), author.clone());
        let this = self.clone();
        to_its_end(async move {
            let (of, these, by) = (id.clone(), versions.clone(), author.clone());
            let inner = Arc::clone(&this.inner);
            let delete = async move { inner.delete(&of, &these, force, &by).await };
            this.delete_logged(id, versions, author, delete).await
        })
        .await
    }

    async fn delete_chosen(
        &self,
        seen: &PromptEntry,
        versions: &[Version],
        author: &Author,
    ) -> Result<Vec<Version>, StorageError> {
        let (seen, versions, author) = (seen.clone(), versions.to_vec(), author.clone());
        let this = self.clone();
        to_its_end(async move {
            let (id, these, by) = (seen.id.clone(), versions.clone(), author.clone());
            let inner = Arc::clone(&this.inner);
            let delete = async move { inner.delete_chosen(&seen, &these, &by).await };
            this.delete_logged(id, versions, author, delete).await
        })
        .await
    }

    async fn restore(&self, id: &PromptId, version: &Version, author: &Author) -> Result<(), StorageError> {
        let mut draft = self.draft_by(Action::Restore, id, author);
        draft.version = Some(version.clone());
        let (this, id, version, author) = (self.clone(), id.clone(), version.clone(), author.clone());
        to_its_end(async move {
            let _alone = this.lock(&id).await;
            let restore = this.inner.restore(&id, &version, &author);
            this.logged(draft, restore, |(), _| {}).await
        })
        .await
    }

    async fn purge(&self, id: &PromptId, force: bool) -> Result<(), StorageError> {
        let (this, id) = (self.clone(), id.clone());
        to_its_end(async move {
            let _alone = this.lock(&id).await;
            let mut draft = this.draft(Action::Purge, &id);
            let entry = this.inner.prompt(&id);
            draft.from = entry
                .as_ref()
                .and_then(|entry| entry.latest())
                .map(ToString::to_string);
            draft.detail = entry.map(|entry| {
                let (versions, trash) = (entry.versions.len(), entry.trash.len());
                format!(
                    "{versions} versions, {trash} in the trash, {} labels",
                    entry.labels.len()
                )
            });
            this.logged(draft, this.inner.purge(&id, force), |(), _| {}).await
        })
        .await
    }

    async fn purge_trashed(&self, id: &PromptId, version: &Version) -> Result<(), StorageError> {
        self.purge_all_trashed(id, std::slice::from_ref(version)).await
    }

    async fn purge_all_trashed(&self, id: &PromptId, versions: &[Version]) -> Result<(), StorageError> {
        let (this, id, versions) = (self.clone(), id.clone(), versions.to_vec());
        to_its_end(async move {
            let drafts = versions.iter().map(|version| {
                let mut draft = this.draft(Action::Forget, &id);
                draft.version = Some(version.clone());
                draft
            });
            let begun = this.begin_all(drafts.collect()).await?;
            let done = match versions.as_slice() {
                [one] => this.inner.purge_trashed(&id, one).await,
                several => this.inner.purge_all_trashed(&id, several).await,
            };
            for one in begun {
                let of = one.intended.version.clone();
                let is_there = || {
                    let entry = this.inner.prompt(&id);
                    of.as_ref()
                        .is_some_and(|v| entry.is_some_and(|entry| entry.has_trashed(v)))
                };
                match &done {
                    Ok(()) => one.end(Outcome::Done, |_| {}).await,
                    // Of several, some may be forgotten when one cannot be.
                    Err(_) if versions.len() > 1 && !is_there() => one.end(Outcome::Done, |_| {}).await,
                    Err(error) => one.fail(error).await,
                }
            }
            done
        })
        .await
    }

    async fn set_label(&self, id: &PromptId, request: SetLabel) -> Result<LabelEntry, StorageError> {
        let (this, id) = (self.clone(), id.clone());
        to_its_end(async move {
            let _alone = this.lock(&id).await;
            let mut draft = this.label_draft(Action::SetLabel, &id, &request.label, &request.author);
            draft.to = Some(request.version.to_string());
            draft.version = Some(request.version.clone());
            this.logged(draft, this.inner.set_label(&id, request), |_, _| {})
                .await
        })
        .await
    }

    async fn remove_label(
        &self,
        id: &PromptId,
        label: &Label,
        expected: Option<&Version>,
        author: &Author,
    ) -> Result<(), StorageError> {
        let (this, id, label) = (self.clone(), id.clone(), label.clone());
        let (expected, author) = (expected.cloned(), author.clone());
        to_its_end(async move {
            let _alone = this.lock(&id).await;
            let draft = this.label_draft(Action::RemoveLabel, &id, &label, &author);
            let remove = this.inner.remove_label(&id, &label, expected.as_ref(), &author);
            this.logged(draft, remove, |(), _| {}).await
        })
        .await
    }

    async fn mend(&self, mend: &Mend) -> Result<Vec<RepairStep>, StorageError> {
        let mut draft = Draft::new(&self.acting.actor, Action::Repair, Outcome::Intended);
        let proposal = mend.proposal();
        draft.detail = Some(format!("{} {}", proposal.action, proposal.path));
        match mend {
            Mend::Manifest(id) | Mend::Seal(id) => draft.prompt_id = Some(id.clone()),
            Mend::AcceptEdit(id, version) => {
                draft.prompt_id = Some(id.clone());
                draft.version = Some(version.clone());
            }
            Mend::Leftovers | Mend::Index => {}
        }
        let (this, mend) = (self.clone(), mend.clone());
        to_its_end(async move {
            let mending = this.inner.mend(&mend);
            let tell = |steps: &Vec<RepairStep>, draft: &mut Draft| {
                draft.detail = Some(format!("{} steps", steps.len()));
            };
            let steps = this.logged(draft, mending, tell).await?;
            for step in &steps {
                let outcome = if step.has_failed() {
                    Outcome::Failed
                } else {
                    Outcome::Done
                };
                let mut note = Draft::new(&this.acting.actor, Action::Repair, outcome);
                note.detail = Some(format!("{} {}", step.action, step.path));
                this.log.note(note).await;
            }
            Ok(steps)
        })
        .await
    }

    async fn rebuild_index(&self, progress: &Progress) -> Result<(u64, u64), StorageError> {
        let draft = Draft::new(&self.acting.actor, Action::RebuildIndex, Outcome::Intended);
        let work = self.inner.rebuild_index(progress);
        let tell = |(prompts, versions): &(u64, u64), draft: &mut Draft| {
            draft.detail = Some(format!("{prompts} prompts, {versions} versions"));
        };
        self.logged(draft, work, tell).await
    }

    async fn backup(
        &self,
        request: BackupRequest,
        progress: &Progress,
    ) -> Result<BackupReport, StorageError> {
        let draft = Draft::new(&self.acting.actor, Action::Backup, Outcome::Intended);
        let work = self.inner.backup(request, progress);
        let tell = |report: &BackupReport, draft: &mut Draft| draft.to = Some(report.path.clone());
        self.logged(draft, work, tell).await
    }

    async fn restore_backup(
        &self,
        request: RestoreRequest,
        progress: &Progress,
    ) -> Result<RestoreReport, StorageError> {
        if request.dry_run {
            return self.inner.restore_backup(request, progress).await;
        }
        let mut draft = Draft::new(&self.acting.actor, Action::RestoreBackup, Outcome::Intended);
        draft.from = Some(request.source.clone());
        let work = self.inner.restore_backup(request, progress);
        let tell = |report: &RestoreReport, draft: &mut Draft| {
            draft.detail = Some(format!(
                "{} versions, {} in the trash, {} labels",
                report.versions, report.trashed, report.labels
            ));
        };
        self.logged(draft, work, tell).await
    }

    async fn status(&self) -> Value {
        let mut status = self.inner.status().await;
        if let Value::Object(status) = &mut status {
            status.insert("audit".to_owned(), self.log.status());
        }
        status
    }

    fn concerns(&self) -> Vec<String> {
        let mut concerns = self.inner.concerns();
        concerns.extend(self.log.concerns());
        concerns
    }

    async fn close(&self) {
        self.inner.close().await;
        let stop = Draft::new(&Actor::daemon(), Action::Stop, Outcome::Done);
        self.log.note(stop).await;
        self.log.close().await;
    }

    fn prompt(&self, id: &PromptId) -> Option<Arc<PromptEntry>> {
        self.inner.prompt(id)
    }

    fn available(&self, id: &PromptId) -> Result<(), StorageError> {
        self.inner.available(id)
    }

    fn prompts(&self, page: &PromptPage) -> Vec<Arc<PromptEntry>> {
        self.inner.prompts(page)
    }

    fn totals(&self) -> (u64, u64) {
        self.inner.totals()
    }

    fn revision(&self) -> Revision {
        self.inner.revision()
    }

    fn health(&self) -> Result<(), String> {
        self.inner.health()
    }

    async fn read(&self, id: &PromptId, version: &Version) -> Result<Arc<StoredVersion>, StorageError> {
        self.inner.read(id, version).await
    }

    async fn read_many(
        &self,
        id: &PromptId,
        versions: &[Version],
    ) -> Vec<Result<Arc<StoredVersion>, StorageError>> {
        self.inner.read_many(id, versions).await
    }

    async fn trash(
        &self,
        after: Option<(&PromptId, &Version)>,
        prompt: Option<&PromptId>,
        limit: usize,
    ) -> Result<Vec<TrashedVersion>, StorageError> {
        self.inner.trash(after, prompt, limit).await
    }

    async fn label_history(&self, id: &PromptId) -> Result<Vec<LabelMove>, StorageError> {
        self.inner.label_history(id).await
    }

    async fn verify_within(
        &self,
        scope: &VerifyScope,
        progress: &Progress,
    ) -> Result<VerifyReport, StorageError> {
        self.inner.verify_within(scope, progress).await
    }

    async fn verify_backup(&self, source: &str, progress: &Progress) -> Result<BackupCheck, StorageError> {
        self.inner.verify_backup(source, progress).await
    }

    async fn backups(&self) -> Result<Vec<BackupSummary>, StorageError> {
        self.inner.backups().await
    }
}
