//! Archives that nobody should have made.

use std::io::Write;

use super::*;
use crate::model::{ShardDepth, Timestamp};
use crate::storage::BackupCounts;

/// The largest file in these archives.
const LIMIT: u64 = 1000;
const VERSION: &str = "69/wf_001_llm_1/1.0.0.json";

/// An archive under construction.
struct Making {
    tar: tar::Builder<Vec<u8>>,
    files: BTreeMap<String, FileFacts>,
}

impl Making {
    fn new() -> Self {
        Self {
            tar: tar::Builder::new(Vec::new()),
            files: BTreeMap::new(),
        }
    }

    /// Adds an entry as it is told, without any check.
    fn raw(mut self, path: &[u8], kind: tar::EntryType, bytes: &[u8]) -> Self {
        let mut header = tar::Header::new_gnu();
        header.as_old_mut().name[..path.len()].copy_from_slice(path);
        header.set_entry_type(kind);
        header.set_size(bytes.len() as u64);
        header.set_mode(0o640);
        header.set_cksum();
        self.tar.append(&header, bytes).unwrap();
        self
    }

    fn file(mut self, path: &str, bytes: &[u8]) -> Self {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        self.tar.append_data(&mut header, path, bytes).unwrap();
        self.files.insert(path.to_owned(), FileFacts::of(bytes));
        self
    }

    fn inventory(self) -> Self {
        let mut inventory = Inventory {
            store_id: "s".into(),
            shard_depth: ShardDepth::DEFAULT,
            created_at: Timestamp::now(),
            promptd_version: "1".into(),
            counts: BackupCounts::default(),
            problems: Vec::new(),
            files: self.files.clone(),
        };
        inventory.count();
        let bytes = inventory.render().unwrap();
        self.file(INVENTORY_FILE, &bytes)
    }

    fn tar(self) -> Vec<u8> {
        self.tar.into_inner().unwrap()
    }

    fn compressed(self) -> Vec<u8> {
        compress(&self.tar())
    }
}

fn compress(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = zstd::Encoder::new(Vec::new(), 3).unwrap();
    encoder.include_checksum(true).unwrap();
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn read(archive: &[u8]) -> Result<Contents, ArchiveError> {
    read_archive(archive, LIMIT, |_, _, _| Ok(()))
}

#[track_caller]
fn refused(archive: &[u8], says: &str) {
    match read(archive) {
        Err(ArchiveError::Invalid(why)) => assert!(why.contains(says), "{why}"),
        other => panic!("{other:?}, not {says:?}"),
    }
}

#[test]
fn an_archive_is_read_with_long_names_and_all() {
    let long = format!("{}/1.0.0-{}.json", "p".repeat(128), "r".repeat(80));
    let depth = ShardDepth::DEFAULT;
    let shard = depth.shard_of(&crate::model::PromptId::new(&"p".repeat(128)).unwrap());
    let long = format!("{}/{long}", shard.as_str());
    let archive = Making::new()
        .file(VERSION, b"one")
        .file(&long, b"two")
        .inventory()
        .compressed();
    let contents = read(&archive).unwrap();
    assert_eq!(contents.found, contents.inventory.files);
    assert_eq!(contents.found[&long], FileFacts::of(b"two"));
}

#[test]
fn no_entry_leads_out_of_the_backup() {
    let file = tar::EntryType::Regular;
    for path in [
        "../../etc/cron.d/x",
        "/etc/passwd",
        "69/../../x/1.0.0.json",
        "./69/wf_001_llm_1/1.0.0.json",
        "69/wf_001_llm_1/../../../x",
        "70/wf_001_llm_1/1.0.0.json",
        ".jobs/x.json",
        ".lock",
        "",
    ] {
        let archive = Making::new()
            .raw(path.as_bytes(), file, b"x")
            .inventory()
            .compressed();
        refused(&archive, "no path of a backup");
    }
    let archive = Making::new()
        .raw(b"69/\xff\xfe/1.0.0.json", file, b"x")
        .compressed();
    refused(&archive, "no UTF-8");
    eprintln!("covered: hostile paths: 10 names of entries that lead out of an archive");
}

#[test]
fn nothing_but_regular_files_is_taken() {
    for kind in [
        tar::EntryType::Symlink,
        tar::EntryType::Link,
        tar::EntryType::Directory,
        tar::EntryType::Fifo,
        tar::EntryType::Char,
        tar::EntryType::Block,
        tar::EntryType::GNUSparse,
        tar::EntryType::GNULongLink,
        tar::EntryType::XHeader,
        tar::EntryType::XGlobalHeader,
        tar::EntryType::Continuous,
    ] {
        let archive = Making::new()
            .raw(VERSION.as_bytes(), kind, b"x")
            .inventory()
            .compressed();
        refused(&archive, "no regular file");
    }
}

#[test]
fn a_long_name_is_bounded_and_comes_once() {
    let name = tar::EntryType::GNULongName;
    let huge = Making::new()
        .raw(b"././@LongLink", name, &[b'a'; 5000])
        .compressed();
    refused(&huge, "the limit is");
    let twice = Making::new()
        .raw(b"././@LongLink", name, b"69/x\0")
        .raw(b"././@LongLink", name, b"69/x\0")
        .compressed();
    refused(&twice, "no regular file");
    let hidden = Making::new()
        .raw(b"././@LongLink", name, b"../../x\0")
        .raw(VERSION.as_bytes(), tar::EntryType::Regular, b"x")
        .compressed();
    refused(&hidden, "no path of a backup");
}

#[test]
fn a_file_that_is_too_large_is_not_unpacked() {
    let archive = Making::new()
        .file(VERSION, &[b'0'; 1001])
        .inventory()
        .compressed();
    refused(&archive, "1001 bytes; the limit is 1000");
    // A header that promises what does not follow, however much: nothing is reserved for it.
    let mut header = tar::Header::new_gnu();
    header.set_path(INVENTORY_FILE).unwrap();
    header.set_size(MAX_INVENTORY_BYTES);
    header.set_cksum();
    refused(&compress(header.as_bytes()), "cut");
    header.set_size(1 << 40);
    header.set_cksum();
    refused(&compress(header.as_bytes()), "the limit is");
}

#[test]
fn a_file_that_is_in_it_twice_is_refused() {
    let archive = Making::new()
        .file(VERSION, b"one")
        .file(VERSION, b"two")
        .inventory()
        .compressed();
    refused(&archive, "is in it twice");
}

#[test]
fn an_archive_that_is_cut_off_anywhere_is_refused() {
    let whole = Making::new()
        .file(VERSION, b"one")
        .file(".metadata.json", b"{}")
        .inventory()
        .compressed();
    for length in 0..whole.len() {
        let cut = read(&whole[..length]);
        assert!(matches!(cut, Err(ArchiveError::Invalid(_))), "{length}: {cut:?}");
    }
    let tar = Making::new().file(VERSION, b"one").inventory().tar();
    for length in (0..tar.len() - 1024).step_by(64) {
        let cut = read(&compress(&tar[..length]));
        assert!(matches!(cut, Err(ArchiveError::Invalid(_))), "{length}: {cut:?}");
    }
}

#[test]
fn a_flipped_byte_never_goes_unnoticed() {
    let whole = Making::new().file(VERSION, b"one").inventory().compressed();
    let good = read(&whole).unwrap();
    for place in 0..whole.len() {
        let mut flipped = whole.clone();
        flipped[place] ^= 0x20;
        if let Ok(contents) = read(&flipped) {
            // A bit of the frame that means nothing for what is in it.
            assert_eq!(contents.found, good.found, "{place}");
            assert_eq!(contents.inventory, good.inventory, "{place}");
        }
    }
}

#[test]
fn nothing_may_follow_the_inventory() {
    let archive = Making::new()
        .file(".metadata.json", b"{}")
        .inventory()
        .file(VERSION, b"one")
        .compressed();
    refused(&archive, "follows the inventory");
    let mut tar = Making::new().file(VERSION, b"one").inventory().tar();
    tar.extend_from_slice(b"more");
    refused(&compress(&tar), "follows its end");
    let mut bomb = Making::new().file(VERSION, b"one").inventory().tar();
    bomb.resize(bomb.len() + 64 * 1024 * 1024, 0);
    refused(&compress(&bomb), "follows its end");
}

#[test]
fn what_is_no_archive_at_all_is_refused() {
    refused(b"", "it ");
    refused(b"hello", "cannot be read to its end");
    refused(&compress(b"hello"), "");
    let damaged = Making::new().raw(INVENTORY_FILE.as_bytes(), tar::EntryType::Regular, b"{}");
    refused(&damaged.compressed(), "its inventory .backup.json");
}
