//! The watchdog: asks every actor and the thread of the audit log whether they live, has those actors that do not replaced, and tells the service manager that
//! work gets done only as long as it does.
//!
//! It is a thread of its own and not a task: it notices, too, when the runtime runs no tasks any more.

mod judge;

use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender, TryRecvError};
use std::time::{Duration, Instant};

use tokio::runtime::Handle;

use crate::http::AppState;
use crate::jobs::{JobQueue, QUEUE_ACTOR};
use crate::storage::VersionStorage;
use crate::storage::filesystem::FileSystemStorage;
use crate::storage::liveness::Vital;

use super::manager::{self, StatusLine};
use judge::{Judge, Round, Verdict};

/// So many rounds fit into the time that the service manager waits.
const ROUNDS_PER_INTERVAL: u32 = 3;
/// The shortest period.
const MIN_PERIOD: Duration = Duration::from_millis(50);

/// Everybody who is asked.
#[derive(Debug, Clone)]
pub(super) struct Patients {
    /// The storage, however it keeps what it keeps.
    pub(super) storage: Arc<dyn VersionStorage>,
    /// The storage on files, if that is what it is.
    pub(super) files: Option<Arc<FileSystemStorage>>,
    /// The job queue.
    pub(super) jobs: JobQueue,
    /// What shows the silences.
    pub(super) state: AppState,
}

/// The thread. It ends when this is dropped; it is not waited for, since what it waits for may hang.
#[derive(Debug)]
pub(super) struct Watchdog {
    _stop: SyncSender<()>,
}

/// What came of one round of questions.
struct Examination {
    vitals: Vec<Vital>,
    /// What is wrong beside that.
    concerns: Vec<String>,
}

/// What the thread owns.
struct Rounds {
    patients: Patients,
    runtime: Handle,
    line: Arc<StatusLine>,
    period: Duration,
    tells: bool,
    judge: Judge,
    /// The answer of a round that was not ready in time. No further one is begun before it is.
    overdue: Option<Receiver<Examination>>,
    said: Vec<String>,
}

impl Watchdog {
    /// Starts the thread: under a service manager that wants to hear of it, thrice in its interval, else every `period`,
    /// and not at all when that is zero. To be called on the runtime.
    ///
    /// # Errors
    /// When no thread can be started.
    pub(super) fn start(
        patients: Patients,
        line: &Arc<StatusLine>,
        period: Duration,
    ) -> std::io::Result<Option<Self>> {
        let interval = manager::watchdog_interval();
        let period = interval.map_or(period, |interval| interval / ROUNDS_PER_INTERVAL);
        if period.is_zero() {
            return Ok(None);
        }
        let rounds = Rounds {
            patients,
            runtime: Handle::current(),
            line: Arc::clone(line),
            period: period.max(MIN_PERIOD),
            tells: interval.is_some(),
            judge: Judge::default(),
            overdue: None,
            said: Vec::new(),
        };
        let (stop, stopped) = mpsc::sync_channel(0);
        std::thread::Builder::new()
            .name("promptd-watchdog".to_owned())
            .spawn(move || rounds.run(&stopped))?;
        Ok(Some(Self { _stop: stop }))
    }
}

impl Patients {
    /// Asks everybody, and waits for answers until `patience` is over.
    async fn examine(self, patience: Duration) -> Examination {
        let files = async {
            match &self.files {
                Some(files) => files.vitals(patience).await,
                None => Vec::new(),
            }
        };
        let audit = async {
            match self.state.audit() {
                Some(log) => Some(log.vital(patience).await),
                None => None,
            }
        };
        let (mut vitals, jobs, audit) = tokio::join!(files, self.jobs.vitals(patience), audit);
        vitals.extend(jobs.into_iter().chain(audit));
        vitals.sort_by(|a, b| a.actor.cmp(&b.actor));
        // The silences of this round come from the judge.
        let down = self.state.health().err();
        let concerns = down.into_iter().chain(self.storage.concerns()).collect();
        Examination { vitals, concerns }
    }

    fn replace(&self, actor: &str) {
        tracing::error!(
            actor,
            "an actor does not answer: another one is started in its place"
        );
        if actor == QUEUE_ACTOR {
            self.jobs.replace_actor();
        } else if !self
            .files
            .as_ref()
            .is_some_and(|files| files.replace_actor(actor))
        {
            tracing::error!(actor, "the supervisor cannot be told");
        }
    }
}

impl Rounds {
    fn run(mut self, stopped: &Receiver<()>) {
        loop {
            let began = Instant::now();
            let examined = self.examine();
            if matches!(stopped.try_recv(), Err(TryRecvError::Disconnected)) {
                return;
            }
            self.conclude(examined);
            let rest = self.period.saturating_sub(began.elapsed());
            match stopped.recv_timeout(rest) {
                Err(RecvTimeoutError::Timeout) => {}
                Ok(()) | Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    /// Has everybody asked on the runtime; `None` when it did not get to it within the period.
    fn examine(&mut self) -> Option<Examination> {
        let answer = self.overdue.take().unwrap_or_else(|| {
            let (examined, answer) = mpsc::sync_channel(1);
            let (patients, patience) = (self.patients.clone(), self.period / 4 * 3);
            drop(self.runtime.spawn(async move {
                // Nobody listens any more when the daemon stops.
                let _stopping = examined.send(patients.examine(patience).await);
            }));
            answer
        });
        match answer.recv_timeout(self.period) {
            Ok(examination) => Some(examination),
            Err(RecvTimeoutError::Timeout) => {
                self.overdue = Some(answer);
                None
            }
            // The task ended without an answer: it panicked, or the runtime is being shut down.
            Err(RecvTimeoutError::Disconnected) => None,
        }
    }

    fn conclude(&mut self, examined: Option<Examination>) {
        let (round, concerns) = match examined {
            Some(Examination { vitals, concerns }) => (Round::Asked(vitals), concerns),
            None => (Round::Starved, Vec::new()),
        };
        let Verdict {
            alive,
            replace,
            silences,
        } = self.judge.judge(round);
        if self.tells && alive {
            manager::alive();
        }
        replace.iter().for_each(|actor| self.patients.replace(actor));
        self.report(silences, concerns, alive);
    }

    fn report(&mut self, silences: Vec<String>, concerns: Vec<String>, alive: bool) {
        if silences != self.said {
            if silences.is_empty() {
                tracing::info!("every actor answers again");
            } else if alive {
                tracing::warn!(silences = silences.join("; "), "not every actor answers");
            } else {
                tracing::error!(
                    silences = silences.join("; "),
                    "the daemon does not work any more: only a restart helps"
                );
            }
            self.patients.state.set_silences(silences.clone());
            self.said.clone_from(&silences);
        }
        let wrong: Vec<String> = silences.into_iter().chain(concerns).collect();
        self.line.health((!wrong.is_empty()).then(|| wrong.join("; ")));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::{AuditLog, AuditOptions, OnFailure};
    use crate::http::HttpLimits;
    use crate::jobs::{JobLimits, MemoryLedger};
    use crate::optimizer::OptimizationSettings;
    use crate::storage::filesystem::disk::RealDisk;
    use crate::storage::memory::MemoryStorage;
    use crate::versions::VersionManager;

    async fn patients() -> Patients {
        let storage: Arc<dyn VersionStorage> = Arc::new(MemoryStorage::new(1 << 20));
        let versions = VersionManager::new(Arc::clone(&storage));
        let ledger = Arc::new(MemoryLedger::default());
        let jobs = JobQueue::start(versions.clone(), ledger, JobLimits::default())
            .await
            .unwrap();
        let (limits, optimization) = (HttpLimits::default(), OptimizationSettings::default());
        let state = AppState::new(versions, jobs.clone(), limits, optimization);
        let dir = tempfile::tempdir().unwrap();
        let disk = Arc::new(RealDisk::open(dir.path()).unwrap());
        let options = AuditOptions {
            max_segment_bytes: 1 << 20,
            max_segments: 0,
            on_failure: OnFailure::Refuse,
        };
        state.set_audit(AuditLog::open(disk, options).unwrap().0);
        Patients {
            state,
            storage,
            files: None,
            jobs,
        }
    }

    #[test]
    fn a_runtime_that_runs_no_tasks_is_noticed_and_so_is_its_return() {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let mut rounds = Rounds {
            patients: runtime.block_on(patients()),
            runtime: runtime.handle().clone(),
            line: Arc::default(),
            period: Duration::from_secs(60),
            tells: false,
            judge: Judge::default(),
            overdue: None,
            said: Vec::new(),
        };
        let asked = rounds.examine().unwrap();
        let names: Vec<&str> = asked.vitals.iter().map(|vital| vital.actor.as_str()).collect();
        assert_eq!(names, ["audit log", "job queue", "job supervisor"]);
        let (release, released) = mpsc::channel::<()>();
        let (blocks, blocked) = mpsc::channel();
        drop(runtime.spawn(async move {
            blocks.send(()).unwrap();
            let _released = released.recv();
        }));
        blocked.recv().unwrap();
        rounds.period = Duration::from_millis(50);
        for _ in 0..2 {
            let examined = rounds.examine();
            assert!(examined.is_none());
            rounds.conclude(examined);
        }
        assert_eq!(
            rounds.patients.state.silences(),
            ["no thread of the runtime is free"]
        );
        assert_eq!(rounds.line.text(), "degraded: no thread of the runtime is free");
        drop(release);
        rounds.period = Duration::from_secs(60);
        // The question that was overdue is answered now.
        let examined = rounds.examine();
        assert!(examined.is_some());
        rounds.conclude(examined);
        assert!(rounds.patients.state.silences().is_empty());
    }

    #[tokio::test]
    async fn a_job_queue_that_is_replaced_takes_jobs_again() {
        let patients = patients().await;
        patients.replace(QUEUE_ACTOR);
        let is_back = async {
            loop {
                let examination = patients.clone().examine(Duration::from_secs(5)).await;
                let answers: Vec<_> = examination.vitals.iter().map(|vital| vital.answer).collect();
                if patients.jobs.health().is_ok() && answers == [crate::storage::liveness::Answer::Lives; 3] {
                    break;
                }
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), is_back)
            .await
            .unwrap();
    }
}
