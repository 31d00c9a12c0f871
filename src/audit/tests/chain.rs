//! Whatever is done to the files is found.

use super::*;
use crate::audit::verify::{AuditReport, verify_directory};

fn check(dir: &TempDir, head: Option<Hash>) -> AuditReport {
    verify_directory(dir.path(), head).unwrap()
}

/// Rewrites the segment by its lines.
fn tamper(dir: &TempDir, change: impl FnOnce(&mut Vec<String>)) {
    let text = std::fs::read_to_string(segment(dir)).unwrap();
    let mut lines: Vec<String> = text.lines().map(ToOwned::to_owned).collect();
    change(&mut lines);
    std::fs::write(segment(dir), lines.join("\n") + "\n").unwrap();
}

fn check_broken(dir: &TempDir, line: u64, says: &str) {
    let broken = check(dir, None).broken.unwrap();
    assert_eq!(
        (broken.segment.as_str(), broken.line),
        ("audit-000001.jsonl", line),
        "{broken:?}"
    );
    assert!(broken.reason.contains(says), "{broken:?}");
}

#[tokio::test]
async fn a_log_is_whole_and_says_where_it_ends() {
    let dir = tempfile::tempdir().unwrap();
    log_of(&dir, options(), 5).await;
    let report = check(&dir, None);
    assert!(report.is_sound(), "{report:?}");
    assert_eq!(
        (report.entries, report.first_seq, report.last_seq),
        (5, Some(1), Some(5))
    );
    let (log, open) = super::open(&dir);
    assert_eq!((log.head().0, Some(log.head().1)), (5, report.head));
    assert!(open.is_empty());
    log.close().await;
}

#[tokio::test]
async fn every_flipped_byte_is_found_in_its_line_or_the_next() {
    let dir = tempfile::tempdir().unwrap();
    log_of(&dir, options(), 3).await;
    let whole = std::fs::read(segment(&dir)).unwrap();
    let head = check(&dir, None).head;
    for place in 0..whole.len() {
        let mut bytes = whole.clone();
        bytes[place] ^= 1;
        std::fs::write(segment(&dir), &bytes).unwrap();
        // Of the last line alone only who kept its hash can tell.
        let report = check(&dir, head.clone());
        assert!(!report.is_sound(), "byte {place}");
        let line = 1 + whole[..place].iter().filter(|byte| **byte == b'\n').count() as u64;
        if line < 3 {
            let broken = report.broken.unwrap();
            assert!(
                (line..=line + 1).contains(&broken.line),
                "byte {place}: {broken:?}"
            );
        }
    }
}

#[tokio::test]
async fn removed_swapped_and_repeated_lines_are_found() {
    let dir = tempfile::tempdir().unwrap();
    log_of(&dir, options(), 5).await;
    let whole = std::fs::read(segment(&dir)).unwrap();
    let restore = || std::fs::write(segment(&dir), &whole).unwrap();
    tamper(&dir, |lines| drop(lines.remove(2)));
    check_broken(&dir, 3, "lines are missing");
    restore();
    tamper(&dir, |lines| lines.swap(1, 2));
    check_broken(&dir, 2, "hash of the line before");
    restore();
    tamper(&dir, |lines| lines.insert(2, lines[1].clone()));
    check_broken(&dir, 3, "hash of the line before");
    restore();
    tamper(&dir, |lines| lines[3] = "not an entry".to_owned());
    check_broken(&dir, 4, "no entry");
    restore();
    assert!(check(&dir, None).is_sound());
}

#[tokio::test]
async fn a_tail_that_was_cut_off_is_found_by_who_kept_the_hash_of_the_head() {
    let dir = tempfile::tempdir().unwrap();
    log_of(&dir, options(), 5).await;
    let head = check(&dir, None).head;
    tamper(&dir, |lines| lines.truncate(3));
    assert!(check(&dir, None).is_sound());
    let report = check(&dir, head);
    assert_eq!((report.is_sound(), report.has_known_head), (false, Some(false)));
    // In the middle of a line everybody sees it.
    let bytes = std::fs::read(segment(&dir)).unwrap();
    std::fs::write(segment(&dir), &bytes[..bytes.len() - 5]).unwrap();
    check_broken(&dir, 3, "cut off");
}

#[tokio::test]
async fn the_chain_goes_on_over_files_and_a_missing_one_is_found() {
    let dir = tempfile::tempdir().unwrap();
    let small = AuditOptions {
        max_segment_bytes: 500,
        ..options()
    };
    log_of(&dir, small, 10).await;
    let report = check(&dir, None);
    assert!(report.is_sound() && report.segments > 2, "{report:?}");
    assert_eq!(report.entries, 10);
    std::fs::remove_file(dir.path().join(AUDIT_DIR).join("audit-000002.jsonl")).unwrap();
    assert!(
        check(&dir, None)
            .broken
            .unwrap()
            .reason
            .contains("audit-000002.jsonl, is missing")
    );
}

#[tokio::test]
async fn only_so_many_files_are_kept_as_are_configured_and_the_rest_of_the_chain_holds() {
    let dir = tempfile::tempdir().unwrap();
    let few = AuditOptions {
        max_segment_bytes: 500,
        max_segments: 2,
        ..options()
    };
    log_of(&dir, few, 20).await;
    let report = check(&dir, None);
    assert!(report.is_sound(), "{report:?}");
    assert_eq!((report.segments, report.last_seq), (2, Some(20)));
    assert!(report.first_seq > Some(1));
}

#[tokio::test]
async fn pages_go_through_the_log_in_both_directions_and_filters_hold() {
    let dir = tempfile::tempdir().unwrap();
    let small = AuditOptions {
        max_segment_bytes: 500,
        ..options()
    };
    log_of(&dir, small, 25).await;
    let (log, _) = open_with(&dir, small);
    for newest_first in [true, false] {
        let (mut seen, mut after) = (Vec::new(), None);
        loop {
            let page = log
                .page(&AuditQuery {
                    newest_first,
                    after,
                    limit: 4,
                    ..query()
                })
                .unwrap();
            seen.extend(page.items.iter().map(|entry| entry.seq));
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        let mut expected: Vec<u64> = (1..=25).collect();
        if newest_first {
            expected.reverse();
        }
        assert_eq!(seen, expected);
    }
    let none = AuditQuery {
        action: Some(Action::Purge),
        ..query()
    };
    assert_eq!(log.page(&none).unwrap().items, []);
    let user = |user: &str| {
        log.page(&AuditQuery {
            user: Some(user.into()),
            ..query()
        })
        .unwrap()
        .items
        .len()
    };
    // A page reads so many files and then says where to go on.
    assert!((1..25).contains(&user("promptd")));
    assert_eq!(user("somebody"), 0);
    log.close().await;
}

/// docs/format.md shows a log.
#[test]
fn the_log_in_the_document_is_one_and_ends_with_the_hash_that_is_said() {
    let document = include_str!("../../../docs/format.md");
    let (_, rest) = document.split_once("```jsonl audit\n").unwrap();
    let (block, rest) = rest.split_once("```").unwrap();
    let mut verifier = crate::audit::verify::Verifier::new(None);
    verifier.segment(1, block.as_bytes(), None).unwrap();
    let report = verifier.finish(None);
    assert!(report.is_sound(), "{report:?}");
    assert!(rest.contains(report.head.unwrap().as_str()));
    for line in block.lines() {
        let entry = Entry::parse(line.as_bytes()).unwrap();
        assert_eq!(
            String::from_utf8(entry.line()).unwrap(),
            format!("{line}\n"),
            "what is read is written so again"
        );
    }
    for action in Action::ALL {
        assert!(document.contains(&format!("`{action}`")), "{action}");
    }
}
