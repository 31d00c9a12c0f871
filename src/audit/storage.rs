//! [`AuditedStorage`]: a storage before which the log stands. Every change passes here, whoever makes it.

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::Value;
use tokio::sync::Mutex;

use crate::model::{Author, Label, PromptId, TestResult, Version};
use crate::storage::feed::Feed;
use crate::storage::{
    Acting, Action, Actor, BackupCheck, BackupReport, BackupRequest, BackupSummary, EvidenceAdded,
    EvidenceLimits, LabelEntry, LabelMove, Mend, Performance, Progress, PromptEntry, PromptPage, PutOutcome,
    PutVersion, RepairStep, RestoreReport, RestoreRequest, SetLabel, StorageError, StoredVersion,
    TrashedVersion, VerifyReport, VerifyScope, VersionStorage,
};

use super::AuditLog;
use super::changes::to_its_end;
use super::entry::{Draft, Entry, Outcome};

/// How many locks keep changes of one prompt apart whose entries say what was before.
pub(super) const LOCKS: usize = 64;

/// A storage before which the log stands.
#[derive(Debug, Clone)]
pub struct AuditedStorage {
    pub(super) inner: Arc<dyn VersionStorage>,
    pub(super) log: AuditLog,
    pub(super) acting: Arc<Acting>,
    pub(super) locks: Arc<[Mutex<()>]>,
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

    async fn evidence(&self, id: &PromptId, version: &Version) -> Result<Vec<TestResult>, StorageError> {
        self.inner.evidence(id, version).await
    }

    fn evidence_limits(&self) -> EvidenceLimits {
        self.inner.evidence_limits()
    }

    async fn add_evidence(
        &self,
        id: &PromptId,
        version: &Version,
        results: &[TestResult],
    ) -> Result<EvidenceAdded, StorageError> {
        let mut draft = self.draft(Action::AddEvidence, id);
        draft.version = Some(version.clone());
        let (this, id, version, results) = (self.clone(), id.clone(), version.clone(), results.to_vec());
        to_its_end(async move {
            let add = this.inner.add_evidence(&id, &version, &results);
            let tell = |added: &EvidenceAdded, draft: &mut Draft| {
                let EvidenceAdded { added, known, total } = added;
                draft.detail = Some(format!("{added} added, {known} there already, {total} in all"));
            };
            this.logged(draft, add, tell).await
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
        let done = self.inner.rebuild_index(progress).await;
        self.tell(Action::RebuildIndex, &done, |(prompts, versions), draft| {
            draft.detail = Some(format!("{prompts} prompts, {versions} versions"));
        })
        .await;
        done
    }

    async fn backup(
        &self,
        request: BackupRequest,
        progress: &Progress,
    ) -> Result<BackupReport, StorageError> {
        let done = self.inner.backup(request, progress).await;
        self.tell(Action::Backup, &done, |report, draft| {
            draft.to = Some(report.path.clone());
        })
        .await;
        done
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

    fn parts(&self) -> Vec<Value> {
        self.inner.parts()
    }

    async fn observe(&self) {
        self.inner.observe().await;
    }

    fn performance(&self, slow_read: f64, slow_write: f64) -> Option<Performance> {
        self.inner.performance(slow_read, slow_write)
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

    fn feed(&self) -> &Feed {
        self.inner.feed()
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
