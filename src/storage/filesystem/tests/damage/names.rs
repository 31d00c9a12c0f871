//! Names that no prompt and no version can have, and more of them than anybody wants.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use super::*;
use crate::storage::Problem;

/// The name, and how it is shown.
const ODD: [(&[u8], &str); 8] = [
    (b"1.0.0\xff.json", "1.0.0\\xFF.json"),
    (b"1.0.0\xfe.json", "1.0.0\\xFE.json"),
    (b"1.0.0\n.json", "1.0.0\\n.json"),
    (b"1.0.0\x1b[31m.json", "1.0.0\\u{1b}[31m.json"),
    (b"1.0.0.JSON", "1.0.0.JSON"),
    (b"18446744073709551616.0.0.json", "18446744073709551616.0.0.json"),
    ("1.0.0\u{202e}.json".as_bytes(), "1.0.0\\u{202e}.json"),
    (b"-rf", "-rf"),
];

async fn reported(storage: &FileSystemStorage) -> Vec<Problem> {
    storage.verify(&Progress::default()).await.unwrap().problems
}

#[tokio::test]
async fn a_name_of_odd_bytes_is_told_so_that_it_can_be_found_and_steers_nothing() {
    let store = Store::quiet();
    let storage = store.open().await;
    put(&storage, "p", "live").await.unwrap();
    storage.close().await;
    for (name, _) in ODD {
        std::fs::write(store.path("p", "").join(OsStr::from_bytes(name)), "x").unwrap();
    }
    let longest = "n".repeat(255);
    std::fs::write(store.path("p", &longest), "x").unwrap();
    let storage = store.open().await;
    let mut shown: Vec<String> = reported(&storage)
        .await
        .into_iter()
        .map(|problem| problem.path)
        .collect();
    shown.sort();
    let mut expected: Vec<String> = ODD.iter().map(|(_, shown)| format!("14/p/{shown}")).collect();
    expected.push(format!("14/p/{longest}"));
    expected.sort();
    assert_eq!(shown, expected);
    assert_eq!(put(&storage, "p", "next").await.unwrap(), version("1.0.1"));
}

#[tokio::test]
async fn names_that_differ_in_case_are_different_prompts() {
    let store = Store::quiet();
    let storage = store.open().await;
    for (prompt, text) in [("a", "small"), ("A", "large"), ("CA", "hex"), ("ca", "shard")] {
        put(&storage, prompt, text).await.unwrap();
    }
    storage.close().await;
    let storage = store.open().await;
    for (prompt, text) in [("a", "small"), ("A", "large"), ("CA", "hex"), ("ca", "shard")] {
        assert_eq!(text_of(&storage, prompt, "1.0.0").await.unwrap(), text);
    }
    assert_eq!(reported(&storage).await, []);
}

/// Puts many names into one place of a store that has `p`, and serves it all the same.
async fn check_many(dir: &str, ending: &str, count: usize) {
    let mut store = Store::quiet();
    // So many would fill a file system in memory.
    if count > 10_000 {
        store.dir = tempfile::tempdir().unwrap();
    }
    let storage = store.open().await;
    put(&storage, "p", "live").await.unwrap();
    storage.close().await;
    let dir = store.dir.path().join(dir);
    std::fs::create_dir_all(&dir).unwrap();
    for n in 0..count {
        drop(std::fs::File::create(dir.join(format!("{n}{ending}"))).unwrap());
    }
    let storage = store.open().await;
    assert_eq!(text_of(&storage, "p", "1.0.0").await.unwrap(), "live");
    let problems = reported(&storage).await;
    assert!(problems.len() <= 102, "{dir:?}: {} problems", problems.len());
    assert_eq!(put(&storage, STRANGER, "x").await.unwrap(), version("1.0.0"));
    eprintln!("covered: damage: {count} strange names in one directory");
}

#[tokio::test]
async fn more_strange_names_than_anybody_wants_to_read_stop_nothing() {
    let count = if is_full() { 1_000_000 } else { 2_000 };
    check_many("14/p", ".txt", count).await;
    for (dir, ending) in [("14", "!"), (".trash/14", ".txt"), ("14/.tmp", ".tmp"), ("", "!")] {
        check_many(dir, ending, 2_000).await;
    }
}
