//! Fuzz targets: what somebody else may hand over as a backup, and how clients name one.

use std::io::Write as _;
use std::path::{Component, Path};

use super::archive::{ArchiveError, read_archive};
use super::inventory::{FileFacts, Inventory};
use super::member::Member;
use super::place::Place;
use crate::fuzz::fuzz_target;
use crate::model::ShardDepth;
use crate::storage::filesystem::disk::Layout;

/// The largest file in an archive.
const LIMIT: u64 = 1000;

/// Tells whether a path leads down, step by step, and nowhere else.
fn leads_down(path: &Path) -> bool {
    path.components().all(|part| matches!(part, Component::Normal(_)))
}

/// Reads an archive: what is taken out of it has the path of a file of a store, and is what is said of it afterwards.
fn check_archive(archive: &[u8]) {
    let mut taken = Vec::new();
    let read = read_archive(archive, LIMIT, |member, path, bytes| {
        let (again, _) = Member::parse(path).unwrap();
        assert_eq!(again, *member);
        assert!(
            leads_down(Path::new(path)) && bytes.len() as u64 <= LIMIT,
            "{path}"
        );
        taken.push((path.to_owned(), FileFacts::of(bytes)));
        Ok(())
    });
    match read {
        Ok(contents) => {
            assert_eq!(contents.found.len(), taken.len(), "no file comes twice");
            assert!(
                taken
                    .iter()
                    .all(|(path, facts)| contents.found.get(path) == Some(facts))
            );
        }
        Err(ArchiveError::Invalid(why)) => assert!(!why.is_empty()),
        // The decoder speaks of damage so, too; there is no disk here that could fail.
        Err(ArchiveError::Io(e)) => assert_eq!(e.raw_os_error(), None),
    }
}

fuzz_target!(
    an_archive_gives_files_of_a_store_or_is_refused,
    "archive",
    |bytes: &[u8]| {
        check_archive(bytes);
        // Behind a checksum of the decoder nothing would ever be reached: what is inside is mixed as well.
        let mut encoder = zstd::Encoder::new(Vec::new(), 1).unwrap();
        encoder.write_all(bytes).unwrap();
        check_archive(&encoder.finish().unwrap());
    }
);

fuzz_target!(
    an_inventory_reads_back_and_names_files_of_a_store,
    "inventory",
    |bytes: &[u8]| {
        if let Ok(inventory) = Inventory::parse(bytes) {
            let again = Inventory::parse(&inventory.render().unwrap()).unwrap();
            assert_eq!(again, inventory);
            for path in inventory.files.keys() {
                assert!(
                    Member::parse(path).is_some() && leads_down(Path::new(path)),
                    "{path}"
                );
            }
        }
    }
);

fuzz_target!(
    a_path_in_a_backup_is_the_one_that_is_made_of_it,
    "backup-path",
    |bytes: &[u8]| {
        let Ok(text) = std::str::from_utf8(bytes) else {
            return;
        };
        if let Some((member, depth)) = Member::parse(text) {
            let depth = depth.unwrap_or(ShardDepth::DEFAULT);
            let made = member.path(Layout { depth });
            assert_eq!(made.to_str(), Some(text));
            assert!(leads_down(&made), "{text:?}");
        }
    }
);

fuzz_target!(
    a_place_for_a_backup_lies_in_the_directory_of_backups,
    "backup-place",
    |bytes: &[u8]| {
        let (root, text) = (Path::new("/srv/backups"), String::from_utf8_lossy(bytes));
        if let Ok(place) = Place::read(root, Some(&text)) {
            assert!(place.path.is_relative() && leads_down(&place.path), "{text:?}");
            let named = place.path.to_str().unwrap();
            assert!(!named.chars().any(char::is_control), "{text:?}");
            assert_eq!(Place::read(root, Some(named)).unwrap(), place);
        }
    }
);
