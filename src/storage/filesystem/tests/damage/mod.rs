//! Damage: each kind of it, at each place of a store, before a start and while the store is open.
//!
//! One body does all of it. What must come of each case stands in `expected.txt`, one line each, which is written anew with
//! `UPDATE_DAMAGE=1` and then read by a person. What must hold in every case is asserted here: everything else is served
//! and can be written, nothing that was damaged is removed or overwritten, and nobody waits for a FIFO.

mod action;
mod extremes;
mod names;
mod place;

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::recovery::sealed;
use super::*;
use crate::storage::Progress;
use action::{Action, Impossible};
use place::{Location, plant_store};

/// Nothing may take longer: who waits on a FIFO waits for ever.
const PATIENCE: Duration = Duration::from_secs(60);

/// How many test results the versions have that nothing happened to. They are mentioned where it is not so.
const RESULTS: &str = "1 2 0";

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum When {
    BeforeStart,
    WhileRunning,
}

/// One case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Case {
    location: Location,
    action: Action,
    when: When,
}

fn is_full() -> bool {
    std::env::var("PROMPTD_FAULTS").is_ok_and(|size| size == "full")
}

/// Every case of the form that is asked for.
fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for location in Location::ALL {
        for action in location.actions() {
            for when in [When::BeforeStart, When::WhileRunning] {
                let often = matches!(
                    location,
                    Location::Latest | Location::Manifest | Location::PromptDir
                );
                // What recovery has settled is not there any more.
                let is_there = when == When::BeforeStart || location != Location::Leftover;
                if is_there && (when == When::BeforeStart || is_full() || often) {
                    cases.push(Case {
                        location,
                        action: *action,
                        when,
                    });
                }
            }
        }
    }
    cases
}

/// What a person may look up: what is told, what is served, what is written next.
async fn observe(storage: &FileSystemStorage) -> String {
    let mut seen = String::new();
    let report = storage.verify(&Progress::default()).await;
    let mut problems: Vec<String> = match &report {
        Ok(report) => report
            .problems
            .iter()
            .map(|p| format!("{} {}", p.kind, p.path))
            .collect(),
        Err(error) => vec![format!("!{}", error.code())],
    };
    let status = storage.status().await;
    let first = status["problems"]["first"].as_array().unwrap().clone();
    for problem in first {
        let told = format!(
            "{} {}",
            problem["kind"].as_str().unwrap(),
            problem["path"].as_str().unwrap()
        );
        if !problems.contains(&told) {
            problems.push(format!("{told} (status)"));
        }
    }
    problems.dedup();
    let _ = write!(seen, "told [{}]", problems.join(", "));
    let entry = storage.prompt(&id("p"));
    let latest = entry.as_ref().and_then(|entry| entry.latest().cloned());
    let labels = entry.map(|entry| entry.labels.len()).unwrap_or_default();
    let _ = write!(
        seen,
        " latest {}",
        latest.map_or("none".into(), |latest| latest.to_string())
    );
    // Before the texts: whoever reads a damaged one makes the shard look.
    let mut results = Vec::new();
    for number in ["1.0.0", "1.0.1", "1.0.2"] {
        let found = storage.evidence(&id("p"), &version(number)).await;
        results.push(found.map_or_else(|e| format!("!{}", e.code()), |found| found.len().to_string()));
    }
    let results = results.join(" ");
    let _ = write!(seen, " labels {labels} reads");
    for number in ["1.0.0", "1.0.1", "1.0.2"] {
        let read = text_of(storage, "p", number).await;
        let _ = write!(
            seen,
            " {}",
            read.unwrap_or_else(|error| format!("!{}", error.code()))
        );
    }
    if results != RESULTS {
        let _ = write!(seen, " results {results}");
    }
    let trash = storage.trash(None, None, 10).await;
    let _ = write!(
        seen,
        " trash {}",
        trash.map_or_else(|e| format!("!{}", e.code()), |list| list.len().to_string())
    );
    if storage.judge_health().is_err() {
        seen += " unhealthy";
    }
    seen
}

/// Whoever is not damaged is served and can be written. Says who is not, and why.
async fn look_at_others(storage: &FileSystemStorage) -> String {
    let mut others = String::new();
    for (prompt, text) in [(neighbour(1), "beside"), (STRANGER.to_owned(), "elsewhere")] {
        match text_of(storage, &prompt, "1.0.0").await {
            Ok(found) if found == text => {}
            Ok(found) => panic!("{prompt} is {found}"),
            Err(error) => others += &format!(" no-{text} !{}", error.code()),
        }
        match put(storage, &prompt, "more").await {
            Ok(number) if number == version("1.0.1") => {}
            Ok(number) => others += &format!(" {text} next {number}"),
            Err(error) => others += &format!(" {text} next !{}", error.code()),
        }
    }
    if let Err(error) = put(storage, "fresh", "new").await {
        let _ = write!(others, " new prompt !{}", error.code());
    }
    others
}

/// Does one case and returns the line about it; `None` where it cannot be done.
async fn run(case: Case, expected: Option<&str>) -> Result<String, Impossible> {
    let (mut store, outside) = (Store::quiet(), tempfile::tempdir_in("/dev/shm").unwrap());
    store.options.use_index = true;
    plant_store(store.dir.path()).await;
    let root = store.dir.path().to_owned();
    let damage = || case.location.damage(case.action, &root, outside.path());
    let storage = if case.when == When::BeforeStart {
        damage()?;
        match FileSystemStorage::open(&root, store.options.clone()).await {
            Ok(storage) => storage,
            Err(error) => {
                let told = error.to_string().replace(&root.display().to_string(), "STORE");
                return Ok(format!("refused: {told}"));
            }
        }
    } else {
        store.options.watch.mode = WatchMode::Inotify;
        let storage = store.open().await;
        damage()?;
        storage
    };
    let damaged = case.location.image(&root);
    let mut seen = observe(&storage).await;
    if case.when == When::WhileRunning {
        seen = settled(&storage, seen, expected).await;
        if case.action == Action::Duplicate {
            // What was told was read from the disk: the catalog may not have looked yet.
            storage.rebuild_index(&Progress::default()).await.unwrap();
        }
    }
    let others = look_at_others(&storage).await;
    let next = put(&storage, "p", "next").await;
    let _ = write!(
        seen,
        " next {}",
        next.map_or_else(|e| format!("!{}", e.code()), |next| next.to_string())
    );
    if let Err(error) = storage
        .add_evidence(&id("p"), &version("1.0.1"), &measured("c"))
        .await
    {
        let _ = write!(seen, " next result !{}", error.code());
    }
    seen += &others;
    storage.close().await;
    if case.location.image(&root) != damaged {
        seen += " replaced";
    }
    Ok(seen)
}

/// Observes until what is expected is seen, or until it stays as it is.
async fn settled(storage: &FileSystemStorage, mut seen: String, expected: Option<&str>) -> String {
    let mut calm = 0;
    for _ in 0..2_000 {
        let is_expected = expected.is_some_and(|line| line.starts_with(&seen));
        if is_expected || (expected.is_none() && calm > 20) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
        let now = observe(storage).await;
        calm = if now == seen { calm + 1 } else { 0 };
        seen = now;
    }
    seen
}

const EXPECTED: &str = include_str!("expected.txt");

fn key(case: Case) -> String {
    format!("{:?} {:?} {:?}", case.location, case.action, case.when)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_damage_is_told_survived_and_left_as_it_is() {
    let update = std::env::var("UPDATE_DAMAGE").is_ok();
    let mut expected: BTreeMap<String, String> = EXPECTED
        .lines()
        .filter_map(|line| line.split_once(": "))
        .map(|(case, line)| (case.to_owned(), line.to_owned()))
        .collect();
    let (mut wrong, mut done, mut skipped) = (Vec::new(), 0, BTreeMap::new());
    let cases = cases();
    for chunk in cases.chunks(8) {
        let running = chunk.iter().map(|case| {
            let line = expected.get(&key(*case)).cloned().filter(|_| !update);
            let case = *case;
            tokio::spawn(tokio::time::timeout(PATIENCE, async move {
                run(case, line.as_deref()).await
            }))
        });
        for (case, run) in chunk.iter().zip(running.collect::<Vec<_>>()) {
            let ended = match run.await {
                Ok(in_time) => in_time.unwrap_or_else(|_| Ok("waits for ever".into())),
                Err(panic) => Ok(format!("panics: {panic}")),
            };
            match ended {
                Err(Impossible(why)) => *skipped.entry(why).or_insert(0) += 1,
                Ok(seen) => {
                    done += 1;
                    let before = expected.insert(key(*case), seen.clone());
                    if before.as_ref() != Some(&seen) {
                        wrong.push(format!(
                            "{}\n  expected {}\n  but was  {seen}",
                            key(*case),
                            before.unwrap_or_default()
                        ));
                    }
                }
            }
        }
    }
    if update {
        let lines: String = expected
            .iter()
            .map(|(case, line)| format!("{case}: {line}\n"))
            .collect();
        let file =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("src/storage/filesystem/tests/damage/expected.txt");
        std::fs::write(file, lines).unwrap();
    } else {
        assert!(
            wrong.is_empty(),
            "{} of {done}:\n{}",
            wrong.len(),
            wrong.join("\n")
        );
    }
    for (why, count) in skipped {
        eprintln!("SKIPPED: {count} kinds of damage: {why}");
    }
    eprintln!(
        "covered: damage: {done} of {} cases of kind, place and time",
        cases.len()
    );
}
