//! Kept answers: over restarts, damaged, too many.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use super::*;
use crate::storage::filesystem::disk::RealDisk;

struct Place {
    dir: tempfile::TempDir,
    counters: Arc<Counters>,
}

impl Place {
    fn new() -> Self {
        Self {
            dir: tempfile::tempdir().unwrap(),
            counters: Arc::default(),
        }
    }

    fn open(&self, max_bytes: u64) -> Arc<AnswerCache> {
        let disk: Arc<dyn Disk> = Arc::new(RealDisk::open(self.dir.path()).unwrap());
        Arc::new(AnswerCache::open(
            Some(disk),
            max_bytes,
            30,
            Arc::clone(&self.counters),
        ))
    }

    fn file(&self, number: u8) -> PathBuf {
        self.dir.path().join(format!("{}{ENDING}", key(number)))
    }

    fn damaged(&self) -> u64 {
        self.counters
            .cache_damaged
            .load(std::sync::atomic::Ordering::Relaxed)
    }
}

fn key(number: u8) -> String {
    format!("{number:02x}").repeat(32)
}

fn answer(number: u8) -> KeptAnswer {
    KeptAnswer {
        key: key(number),
        job_id: "job".into(),
        is_usable: true,
        content: "日本 said".into(),
        is_cut_off: false,
        usage: Usage {
            prompt_tokens: 3,
            answer_tokens: 4,
        },
        created_at: Timestamp::now(),
    }
}

#[tokio::test]
async fn an_answer_that_was_kept_is_there_after_a_restart() {
    let place = Place::new();
    assert_eq!(place.open(1 << 20).get(&key(1), "job").await, None);
    let kept = answer(1);
    place.open(1 << 20).put(kept.clone()).await;
    std::fs::write(place.dir.path().join("left.tmp"), "half").unwrap();
    let cache = place.open(1 << 20);
    assert_eq!(cache.get(&key(1), "other").await, Some(kept));
    assert_eq!(cache.size().0, 1);
    let mode = std::fs::metadata(place.file(1)).unwrap().permissions().mode();
    assert_eq!(
        (mode & 0o777, place.dir.path().join("left.tmp").exists()),
        (0o640, false)
    );
}

#[tokio::test]
async fn an_answer_without_a_text_is_one_for_its_own_job_alone() {
    let place = Place::new();
    let cache = place.open(1 << 20);
    let unusable = KeptAnswer {
        is_usable: false,
        ..answer(1)
    };
    cache.put(unusable).await;
    assert!(cache.get(&key(1), "job").await.is_some());
    assert!(cache.get(&key(1), "other").await.is_none());
}

#[tokio::test]
async fn a_damaged_answer_is_none_and_is_counted() {
    let place = Place::new();
    let cache = place.open(1 << 20);
    cache.put(answer(1)).await;
    let good = std::fs::read(place.file(1)).unwrap();
    let mut flipped = good.clone();
    *flipped.iter_mut().rev().nth(30).unwrap() ^= 1;
    let cases: [(&str, Vec<u8>); 5] = [
        ("empty", Vec::new()),
        ("cut off", good[..good.len() / 2].to_vec()),
        ("flipped", flipped),
        ("no answer", b"{}".to_vec()),
        ("large", vec![b' '; 2 << 20]),
    ];
    for (number, (name, bytes)) in cases.into_iter().enumerate() {
        std::fs::write(place.file(1), bytes).unwrap();
        assert_eq!(cache.get(&key(1), "job").await, None, "{name}");
        assert_eq!(place.damaged(), number as u64 + 1, "{name}");
    }
    std::fs::write(place.file(2), &good).unwrap();
    assert_eq!(
        cache.get(&key(2), "job").await,
        None,
        "the answer to another request"
    );
    cache.put(answer(1)).await;
    assert!(cache.get(&key(1), "job").await.is_some());
}

#[tokio::test]
async fn the_oldest_answers_go_when_there_are_too_many_bytes() {
    let place = Place::new();
    let cache = place.open(1 << 20);
    cache.put(answer(1)).await;
    let size = cache.size().1;
    let cache = place.open(size * 2);
    cache.put(answer(2)).await;
    cache.put(answer(3)).await;
    assert_eq!(cache.size(), (2, size * 2));
    assert!(!place.file(1).exists() && place.file(2).exists() && place.file(3).exists());
    assert_eq!(place.open(size).size().0, 1, "a lower limit holds from the start");
}

#[test]
fn what_is_too_old_goes_whatever_room_there_is() {
    let day = i64::try_from(DAY.as_nanos()).unwrap();
    let mut index: BTreeMap<String, (u64, i64)> = [
        ("a".into(), (1, day)),
        ("b".into(), (1, 3 * day)),
        ("c".into(), (1, 5 * day)),
    ]
    .into();
    assert_eq!(surplus(&mut index, 100, DAY * 3, 5 * day), ["a"]);
    assert_eq!(surplus(&mut index, 1, DAY * 3, 5 * day), ["b"]);
    assert_eq!(index.into_keys().collect::<Vec<_>>(), ["c"]);
}
