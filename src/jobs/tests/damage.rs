//! The ledger damaged: each kind of damage to an entry and to the directory. The queue starts, tells, and leaves it alone.

use std::os::unix::fs::symlink;
use std::path::Path;

use rustix::fs::{CWD, FileType, Mode, mknodat};

use super::disk::OnDisk;
use super::fixture::{ended, submit};
use crate::http::wire::JobState;

/// Does something to the entry of a job that ended, and tells what is said of it.
fn check_entry(what: &str, damage: impl Fn(&Path), reason: Option<&str>) {
    let on_disk = OnDisk::new();
    let (damaged, good) = on_disk.fixture.life(async |queue| {
        let (one, other) = (
            submit(&queue, "verify").await.unwrap(),
            submit(&queue, "verify").await.unwrap(),
        );
        (ended(&queue, &one).await, ended(&queue, &other).await)
    });
    let entry = on_disk.root().join(format!(".jobs/{}.json", damaged.job_id));
    damage(&entry);
    let before = std::fs::symlink_metadata(&entry)
        .map(|found| (found.len(), found.file_type()))
        .ok();
    on_disk.fixture.life(async |queue| {
        let problems = queue.problems();
        match reason {
            Some(reason) => {
                assert_eq!(problems.len(), 1, "{what}: {problems:?}");
                assert_eq!(
                    (problems[0].kind.as_str(), problems[0].path.as_str()),
                    ("corrupt-job", format!(".jobs/{}.json", damaged.job_id).as_str()),
                    "{what}"
                );
                assert!(problems[0].message.contains(reason), "{what}: {problems:?}");
            }
            None => assert!(problems.is_empty(), "{what}: {problems:?}"),
        }
        assert_eq!(queue.get(&damaged.job_id), None, "{what}");
        assert_eq!(queue.get(&good.job_id).as_ref(), Some(&good), "{what}");
        let next = submit(&queue, "verify").await.unwrap();
        assert_eq!(ended(&queue, &next).await.state, JobState::Succeeded, "{what}");
    });
    let after = std::fs::symlink_metadata(&entry)
        .map(|found| (found.len(), found.file_type()))
        .ok();
    assert_eq!(after, before, "{what}: it is left as it is");
}

fn edit(change: impl Fn(String) -> String) -> impl Fn(&Path) {
    move |entry| {
        let text = std::fs::read_to_string(entry).unwrap();
        std::fs::write(entry, change(text)).unwrap();
    }
}

/// Puts something else in the place of a file or directory.
fn instead(make: impl Fn(&Path)) -> impl Fn(&Path) {
    move |place| {
        std::fs::remove_file(place).unwrap();
        make(place);
    }
}

fn special(kind: FileType) -> impl Fn(&Path) {
    instead(move |place| mknodat(CWD, place, kind, Mode::from_raw_mode(0o600), 0).unwrap())
}

#[test]
fn each_damage_to_an_entry_is_told_and_stops_nothing() {
    let deep = "[".repeat(100_000) + &"]".repeat(100_000);
    check_entry(
        "truncated",
        edit(|text| text[..text.len() / 2].to_owned()),
        Some("cut off"),
    );
    check_entry("empty", edit(|_| String::new()), Some("cut off"));
    check_entry("deleted", |entry| std::fs::remove_file(entry).unwrap(), None);
    check_entry(
        "another job",
        edit(|text| text.replace("job_0", "job_1")),
        Some("another job"),
    );
    check_entry(
        "newer",
        edit(|text| text.replace("\"format\":1", "\"format\":2")),
        Some("format 2"),
    );
    check_entry(
        "a huge number",
        edit(|text| {
            text.replace(
                "\"attempts\":",
                &format!("\"attempts\":{},\"x\":", "9".repeat(400)),
            )
        }),
        Some("not"),
    );
    check_entry(
        "deep",
        edit(move |text| text.replace("\"result\":", &format!("\"result\":{deep},\"x\":"))),
        Some("not valid json"),
    );
    check_entry(
        "a key twice",
        edit(|text| text.replace("\"attempts\":", "\"attempts\":1,\"attempts\":")),
        Some("not a ledger entry"),
    );
    check_entry(
        "a directory",
        instead(|place| std::fs::create_dir(place).unwrap()),
        Some("not a ledger entry"),
    );
    check_entry(
        "a symlink",
        instead(|place| symlink("/etc/hostname", place).unwrap()),
        Some("not a ledger entry"),
    );
    check_entry(
        "a dangling symlink",
        instead(|place| symlink("nowhere", place).unwrap()),
        Some("not a ledger entry"),
    );
    check_entry("a FIFO", special(FileType::Fifo), Some("not a ledger entry"));
    check_entry("a socket", special(FileType::Socket), Some("not a ledger entry"));
    eprintln!("covered: damage: 13 kinds at an entry of the job ledger");
}

/// Something else stands where the ledger belongs: jobs are refused, and nothing is written through it.
fn check_directory(what: &str, make: impl Fn(&Path, &Path)) {
    let (on_disk, outside) = (OnDisk::new(), tempfile::tempdir().unwrap());
    make(&on_disk.root().join(".jobs"), outside.path());
    on_disk.fixture.life(async |queue| {
        let problems = queue.problems();
        assert_eq!(
            (problems.len(), problems[0].path.as_str()),
            (1, ".jobs"),
            "{what}: {problems:?}"
        );
        let refused = submit(&queue, "verify").await.unwrap_err();
        assert_eq!(refused.code(), "unavailable", "{what}: {refused}");
    });
    assert_eq!(
        std::fs::read_dir(outside.path()).unwrap().count(),
        0,
        "{what}: followed"
    );
}

#[test]
fn a_ledger_that_is_no_directory_stops_no_start_and_is_never_followed() {
    check_directory("a symlink to a directory", |jobs, outside| {
        symlink(outside, jobs).unwrap();
    });
    check_directory("a dangling symlink", |jobs, _| symlink("nowhere", jobs).unwrap());
    check_directory("a file", |jobs, _| std::fs::write(jobs, "x").unwrap());
    check_directory("a FIFO", |jobs, _| {
        mknodat(CWD, jobs, FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
    });
    eprintln!("covered: damage: 4 kinds at the directory of the job ledger");
}

#[test]
fn a_thousand_strange_names_in_the_ledger_are_told_in_few_words() {
    let on_disk = OnDisk::new();
    for n in 0..1_200 {
        on_disk.plant(&format!("{n}.txt"), "x");
    }
    on_disk
        .fixture
        .life(async |queue| assert!(queue.problems().len() <= 1_000));
}
