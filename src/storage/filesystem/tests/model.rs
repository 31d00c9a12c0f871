//! The file system backend against [`MemoryStorage`], which by definition is right: whatever is asked, in whatever order, with
//! restarts, crashes and killed actors in between, both answer the same and hold the same.
//!
//! `PROMPTD_PROPTEST_CASES` sets how many sequences are tried.

use proptest::sample::Index;
use proptest::test_runner::Config;
use proptest_state_machine::StateMachineTest;

use super::steps::{LABELS, NUMBERS, PROMPTS, Pick, Step, Steps, TEXTS, prompt_name};
use super::*;
use crate::model::{TestResult, TestStatus, Timestamp};
use crate::storage::feed::Origin;
use crate::storage::memory::MemoryStorage;
use crate::storage::{Fingerprint, PromptEntry, Revision};
use crate::versions::numbering::next_version_after;

/// Both storages, and what it takes to run them.
struct Both {
    runtime: tokio::runtime::Runtime,
    store: Store,
    files: Arc<FileSystemStorage>,
    memory: MemoryStorage,
    /// Up to where the changes of the files, and those of the memory, were followed.
    followed: [Revision; 2],
    clock: i64,
    /// Whether inodes are not used again at once: by them a prompt that was forgotten is told from one that was not, when
    /// the index is older than a crash.
    tells_new_directories: bool,
}

impl Both {
    fn new(watch: WatchMode) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let mut store = Store::quiet();
        store.options.watch.mode = watch;
        store.options.use_index = true;
        store.options.index_interval = Duration::from_millis(1);
        // Actors are killed on purpose, and often.
        store.options.restart.max_restarts = usize::MAX;
        store.options.restart.max_backoff = Duration::from_millis(1);
        let tells_new_directories = store.dir.path().starts_with("/dev/shm");
        store.options.evidence.max_results = 2;
        let files = runtime.block_on(store.open());
        let memory = MemoryStorage::new(store.options.disk.max_file_bytes)
            .with_evidence_limits(store.options.evidence);
        Self {
            runtime,
            store,
            followed: [files.revision(), memory.revision()],
            files,
            memory,
            clock: 0,
            tells_new_directories,
        }
    }

    /// A document that is the same for both storages.
    fn document(&mut self, prompt: usize, number: &Version, text: usize) -> PromptVersion {
        self.clock += 1;
        let at = Timestamp::from_instant(jiff::Timestamp::from_second(1_700_000_000 + self.clock).unwrap());
        let mut document = document(prompt_name(prompt).as_str(), &number.to_string(), TEXTS[text]);
        document.created_at = at.clone();
        document.prompt.extracted_at = at.clone();
        document.analysis.analyzed_at = at;
        document
    }

    fn choose(&self, prompt: usize, pick: &Pick) -> Version {
        let entry = self.memory.prompt(&prompt_name(prompt));
        let among =
            |versions: &[Version], index: &Index| (!versions.is_empty()).then(|| index.get(versions).clone());
        let chosen = match (pick, &entry) {
            (Pick::Live(index), Some(entry)) => among(&entry.versions, index),
            (Pick::Trashed(index), Some(entry)) => among(&entry.trash, index),
            (Pick::Any(number), _) => Some(version(NUMBERS[*number])),
            _ => None,
        };
        chosen.unwrap_or(Version::FIRST)
    }

    /// What `VersionManager` would have read of the latest version.
    fn latest_seen(&self, prompt: usize) -> Option<(Version, Fingerprint)> {
        let name = prompt_name(prompt);
        let latest = self.memory.prompt(&name)?.latest()?.clone();
        let read = self.runtime.block_on(self.memory.read(&name, &latest)).unwrap();
        Some((latest, read.fingerprint.clone()))
    }

    fn put(&self, prompt: usize, request: PutVersion) {
        let name = prompt_name(prompt);
        let shown = |outcome: Result<PutOutcome, StorageError>| match outcome {
            Ok(PutOutcome::Created(stored)) => format!("created {} {:?}", stored.version, stored.bytes),
            Ok(PutOutcome::Unchanged(version)) => format!("unchanged {version}"),
            Err(error) => error.code().to_owned(),
        };
        let expected = self.runtime.block_on(self.memory.put(&name, request.clone()));
        let found = self.runtime.block_on(self.files.put(&name, request));
        assert_eq!(shown(found), shown(expected));
    }

    /// Asks both the same.
    #[expect(clippy::needless_pass_by_value, reason = "reads better where it is called")]
    fn same<T: std::fmt::Debug>(&self, ask: impl AsyncFn(&dyn VersionStorage) -> Result<T, StorageError>) {
        let shown = |answer: Result<T, StorageError>| match answer {
            Ok(answer) => format!("{answer:?}"),
            Err(error) => error.code().to_owned(),
        };
        let expected = shown(self.runtime.block_on(ask(&self.memory)));
        let found = self.runtime.block_on(ask(&*self.files));
        assert_eq!(shown(found), expected);
    }

    fn reopen(&mut self) {
        let (store, runtime) = (&self.store, &self.runtime);
        // After a crash, the actors of the dropped storage are still on their way out.
        self.files = runtime.block_on(async {
            for _ in 0..2000 {
                match FileSystemStorage::open(store.dir.path(), store.options.clone()).await {
                    Err(OpenError::Locked { .. }) => tokio::time::sleep(Duration::from_millis(1)).await,
                    opened => return opened.unwrap(),
                }
            }
            panic!("the lock is never given back");
        });
        self.followed[0] = self.files.revision();
    }

    /// Drops the storage as a crash would: nothing is closed.
    fn crash(&mut self) {
        let elsewhere = Store::quiet();
        let other = self.runtime.block_on(elsewhere.open());
        drop(std::mem::replace(&mut self.files, other));
        self.reopen();
    }

    fn kill_shard(&self, prompt: usize) {
        let shard = self.files.shared.layout.shard_of(&prompt_name(prompt));
        let Some(shard) = self.files.shared.shards.get(&shard) else {
            return;
        };
        let restarts = || shard.state.restarts.load(Ordering::Relaxed);
        let before = restarts();
        let actor = shard.actor.borrow().clone();
        actor.iter().for_each(|actor| actor.kill());
        self.runtime.block_on(eventually("it is back", async || {
            restarts() > before && shard.is_up()
        }));
    }

    fn step(&mut self, step: Step) {
        let author = Author::daemon();
        match step {
            Step::PutNext {
                prompt,
                text,
                bump,
                sameness,
            } => {
                let request = PutVersion {
                    document: self.document(prompt, &Version::FIRST, text),
                    numbering: Numbering::Next(bump),
                    sameness,
                    latest_seen: self.latest_seen(prompt),
                };
                self.put(prompt, request);
            }
            Step::PutExact {
                prompt,
                text,
                version,
            } => {
                let number = self.choose(prompt, &version);
                let document = self.document(prompt, &number, text);
                self.put(prompt, PutVersion::exact(document));
            }
            Step::Delete {
                prompt,
                versions,
                force,
            } => {
                let name = prompt_name(prompt);
                let versions: Vec<Version> = versions.iter().map(|pick| self.choose(prompt, pick)).collect();
                self.same(async |storage| storage.delete(&name, &versions, force, &author).await);
            }
            Step::Restore { prompt, version } => {
                let (name, version) = (prompt_name(prompt), self.choose(prompt, &version));
                self.same(async |storage| storage.restore(&name, &version, &author).await);
            }
            Step::PurgeTrashed { prompt, version } => {
                let (name, version) = (prompt_name(prompt), self.choose(prompt, &version));
                self.same(async |storage| storage.purge_trashed(&name, &version).await);
            }
            Step::Purge { prompt, force } => {
                let name = prompt_name(prompt);
                self.same(async |storage| storage.purge(&name, force).await);
            }
            Step::SetLabel {
                prompt,
                label,
                version,
                expected,
            } => {
                let name = prompt_name(prompt);
                let request = SetLabel {
                    label: Label::new(LABELS[label]).unwrap(),
                    version: self.choose(prompt, &version),
                    expected: expected.map(|pick| pick.map(|pick| self.choose(prompt, &pick))),
                    author,
                };
                self.same(async |storage| {
                    let set = storage.set_label(&name, request.clone()).await;
                    set.map(|entry| entry.version)
                });
            }
            Step::RemoveLabel {
                prompt,
                label,
                expected,
            } => {
                let (name, label) = (prompt_name(prompt), Label::new(LABELS[label]).unwrap());
                let expected = expected.map(|pick| self.choose(prompt, &pick));
                self.same(async |storage| {
                    storage
                        .remove_label(&name, &label, expected.as_ref(), &author)
                        .await
                });
            }
            Step::AddEvidence {
                prompt,
                version,
                executions,
            } => {
                let (name, version) = (prompt_name(prompt), self.choose(prompt, &version));
                let result = |(execution, is_slow): &(usize, bool)| {
                    let seconds = if *is_slow { 9.0 } else { 1.0 };
                    crate::model::test_result::tests::result(
                        &execution.to_string(),
                        TestStatus::Success,
                        seconds,
                    )
                };
                let results: Vec<TestResult> = executions.iter().map(result).collect();
                self.same(async |storage| storage.add_evidence(&name, &version, &results).await);
            }
            Step::Reopen { without_index } => {
                self.runtime.block_on(self.files.close());
                if without_index {
                    std::fs::remove_file(self.store.dir.path().join(".index.json")).unwrap();
                }
                self.reopen();
            }
            Step::Crash => self.crash(),
            Step::KillShard { prompt } => self.kill_shard(prompt),
            Step::Rebuild => {
                self.same(async |storage| storage.rebuild_index(&crate::storage::Progress::default()).await);
            }
        }
    }

    /// Takes what both tell of the last step: the same, in the same order, and nothing of it made by others.
    fn follow(&mut self) {
        let storages: [&dyn VersionStorage; 2] = [&*self.files, &self.memory];
        let [of_files, of_memory] = [0, 1].map(|which| {
            let mut following = storages[which]
                .feed()
                .subscribe(Some(self.followed[which]))
                .unwrap();
            let (mut told, mut last) = (Vec::new(), self.followed[which].counter);
            loop {
                let events = following.take_ready().unwrap();
                if events.is_empty() {
                    self.followed[which] = following.revision();
                    return told;
                }
                for event in events {
                    assert!(event.revision.counter > last, "{event:?}");
                    last = event.revision.counter;
                    assert_eq!(event.origin, Origin::Daemon, "{event:?}");
                    told.push((event.prompt_id.clone(), event.change.clone()));
                }
            }
        });
        assert_eq!(of_files, of_memory);
    }

    fn compare(&self) {
        assert_eq!(self.files.totals(), self.memory.totals());
        for name in (0..PROMPTS).map(prompt_name) {
            let (found, expected) = (self.files.prompt(&name), self.memory.prompt(&name));
            assert_eq!(
                found.as_deref().map(|entry| self.shown(entry)),
                expected.as_deref().map(|entry| self.shown(entry)),
                "{name}"
            );
            self.same(async |storage| {
                let history = storage.label_history(&name).await?;
                Ok(history
                    .into_iter()
                    .map(|m| (m.label, m.from, m.to))
                    .collect::<Vec<_>>())
            });
            let versions = expected.map(|entry| entry.versions.clone()).unwrap_or_default();
            for number in versions.iter().chain([&version("9.9.9")]) {
                self.same(async |storage| Ok(storage.read(&name, number).await?.bytes.clone()));
                self.same(async |storage| storage.evidence(&name, number).await);
            }
            self.same(async |storage| {
                let read = storage.read_many(&name, &versions).await;
                Ok(read
                    .into_iter()
                    .map(|read| read.unwrap().checksum.clone())
                    .collect::<Vec<_>>())
            });
        }
        self.compare_lists();
    }

    /// What both must say of a prompt, and the numbers that they would give out next.
    fn shown(&self, entry: &PromptEntry) -> String {
        let labels: Vec<_> = entry
            .labels
            .iter()
            .map(|(label, target)| (label, &target.version))
            .collect();
        let next = |bump| next_version_after(entry.used(), bump).filter(|_| self.tells_new_directories);
        let next = [Bump::Patch, Bump::Minor, Bump::Major].map(next);
        format!(
            "versions {:?} trash {:?} labels {labels:?} next {next:?} created {:?} updated {:?}",
            entry.versions, entry.trash, entry.created_at, entry.updated_at
        )
    }

    fn compare_lists(&self) {
        for label in [None, Some(Label::new(LABELS[0]).unwrap())] {
            let mut after = None;
            loop {
                let page = PromptPage {
                    prefix: String::new(),
                    label: label.clone(),
                    after: after.clone(),
                    limit: 2,
                };
                let ids = |storage: &dyn VersionStorage| -> Vec<PromptId> {
                    storage
                        .prompts(&page)
                        .iter()
                        .map(|entry| entry.id.clone())
                        .collect()
                };
                let found = ids(&*self.files);
                assert_eq!(found, ids(&self.memory));
                after = found.last().cloned();
                if after.is_none() {
                    break;
                }
            }
        }
        self.same(async |storage| {
            let (mut all, mut after) = (Vec::new(), None);
            loop {
                let from = after.as_ref().map(|(id, version)| (id, version));
                let page = storage.trash(from, None, 3).await?;
                let Some(last) = page.last() else { return Ok(all) };
                after = Some((last.prompt_id.clone(), last.version.clone()));
                let authors = |by: &Author| by.name.clone();
                all.extend(page.iter().map(|t| {
                    (
                        t.prompt_id.clone(),
                        t.version.clone(),
                        t.deleted_by.as_ref().map(authors),
                    )
                }));
            }
        });
    }
}

struct Unwatched;
struct Watched;

impl StateMachineTest for Unwatched {
    type SystemUnderTest = Both;
    type Reference = Steps;

    fn init_test((): &()) -> Both {
        Both::new(WatchMode::Off)
    }

    fn apply(mut both: Both, (): &(), step: Step) -> Both {
        both.step(step);
        both.follow();
        both
    }

    fn check_invariants(both: &Both, (): &()) {
        both.compare();
    }
}

impl StateMachineTest for Watched {
    type SystemUnderTest = Both;
    type Reference = Steps;

    fn init_test((): &()) -> Both {
        Both::new(WatchMode::Auto)
    }

    fn apply(mut both: Both, (): &(), step: Step) -> Both {
        both.step(step);
        both.follow();
        both
    }

    fn check_invariants(both: &Both, (): &()) {
        both.compare();
    }
}

fn config() -> Config {
    let cases = std::env::var("PROMPTD_PROPTEST_CASES");
    Config {
        cases: cases.ok().and_then(|cases| cases.parse().ok()).unwrap_or(128),
        max_shrink_time: 60_000,
        failure_persistence: None,
        ..Config::default()
    }
}

proptest_state_machine::prop_state_machine! {
    #![proptest_config(config())]

    #[test]
    fn the_file_system_holds_what_memory_holds(sequential 1..40 => Unwatched);

    #[test]
    fn the_file_system_holds_what_memory_holds_also_when_it_is_watched(sequential 1..40 => Watched);
}
