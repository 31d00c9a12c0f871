//! Fuzz targets: every file of a store, with any content.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;

use super::layout::{INDEX_FILE, METADATA_FILE, TRASH_DIR, belongs_to_trashed, trashed_of_file_name};
use super::*;
use crate::fuzz::fuzz_target;
use crate::model::{Integrity, PromptId, ShardDepth, Version};
use crate::storage::StoredVersion;

/// A store on a file system in memory, where there is one, with the shard of prompt `p`.
struct Place {
    dir: tempfile::TempDir,
    shard: ShardDisk,
}

impl Place {
    fn new() -> Self {
        let dir = tempfile::tempdir_in("/dev/shm").unwrap_or_else(|_| tempfile::tempdir().unwrap());
        let layout = Layout {
            depth: ShardDepth::DEFAULT,
        };
        let limits = DiskLimits {
            max_file_bytes: 64 << 10,
            min_free_bytes: 0,
        };
        let run = Run {
            id: Arc::from("run"),
            distrust: None,
        };
        let disk = Arc::new(RealDisk::open(dir.path()).unwrap());
        let shard = ShardDisk::new(disk, layout, layout.shard_of(&p()), limits, run);
        for sub in [
            layout.tmp_dir(&shard.shard),
            layout.prompt_dir(&p()),
            layout.trash_dir(&shard.shard),
        ] {
            std::fs::create_dir_all(dir.path().join(sub)).unwrap();
        }
        Self { dir, shard }
    }

    fn write(&self, path: PathBuf, bytes: &[u8]) {
        std::fs::write(self.dir.path().join(path), bytes).unwrap();
    }
}

fn p() -> PromptId {
    PromptId::new("p").unwrap()
}

fn one() -> Version {
    Version::FIRST
}

fuzz_target!(
    a_version_file_is_served_or_said_to_be_damaged,
    "version-file",
    |bytes: &[u8]| {
        let Ok((stored, mut document)) = StoredVersion::parse(Bytes::copy_from_slice(bytes)) else {
            return;
        };
        assert_eq!(stored.bytes, bytes, "what is served is the file");
        let sealed = StoredVersion::seal(&mut document).unwrap();
        let (again, mut same) = StoredVersion::parse(sealed.bytes.clone()).unwrap();
        assert_eq!(
            (again.integrity, &again.checksum),
            (Integrity::Sealed, &sealed.checksum)
        );
        assert_eq!(again.fingerprint, stored.fingerprint);
        let resealed = StoredVersion::seal(&mut same).unwrap();
        assert_eq!(resealed.bytes, sealed.bytes, "sealing twice changes nothing");
    }
);

fuzz_target!(
    a_manifest_reads_back_as_it_is_written,
    "manifest",
    |bytes: &[u8]| {
        if let Ok(manifest) = Manifest::parse(bytes, &p()) {
            let rendered = manifest.render(&p()).unwrap();
            assert_eq!(Manifest::parse(&rendered, &p()), Ok(manifest));
        }
    }
);

fuzz_target!(an_index_is_believed_only_with_its_checksum, "index", {
    let place = Place::new();
    move |bytes: &[u8]| {
        let prompts = String::from_utf8_lossy(bytes.trim_ascii());
        let checksum = crate::model::sha256_hex(prompts.as_bytes());
        let with_checksum = format!(
            r#"{{"version":"1.0.0","written_at_ns":1,"checksum":"sha256:{checksum}","index":{prompts}}}"#
        );
        for content in [bytes, with_checksum.as_bytes()] {
            place.write(PathBuf::from(INDEX_FILE), content);
            let (hints, source) = load_index(&*place.shard.disk);
            // It cannot know the state of the directory, and so is believed in nothing.
            assert!(hints.slot(&place.shard, &p(), &[]).is_none(), "{source:?}");
            let mut slot = Slot::empty(p());
            hints.note_used(&mut slot);
            assert!(slot.entry.versions.is_empty());
        }
    }
});

fuzz_target!(metadata_are_understood_or_refused_and_left_alone, "metadata", {
    let place = Place::new();
    move |bytes: &[u8]| {
        place.write(PathBuf::from(METADATA_FILE), bytes);
        match open_store(place.dir.path(), ShardDepth::DEFAULT) {
            Ok(opened) => assert!(opened.metadata.format_version <= 1),
            Err(error) => {
                assert!(error.to_string().contains("store") || error.to_string().contains(METADATA_FILE));
            }
        }
        assert_eq!(
            std::fs::read(place.dir.path().join(METADATA_FILE)).unwrap(),
            bytes
        );
    }
});

fuzz_target!(a_note_in_the_trash_says_what_it_can, "trash-note", {
    let place = Place::new();
    move |bytes: &[u8]| {
        place.write(place.shard.layout.trash_note(&p(), &one()), bytes);
        let read = place.shard.read_note(&p(), &one());
        assert_eq!((read.prompt_id, read.version), (p(), one()));
    }
});

fuzz_target!(a_file_name_means_one_thing, "file-name", |bytes: &[u8]| {
    let name = OsStr::from_bytes(bytes);
    let layout = Layout {
        depth: ShardDepth::DEFAULT,
    };
    let file_name = |path: PathBuf| path.file_name().unwrap().to_owned();
    if let Some(version) = version_of_file_name(name) {
        assert_eq!(file_name(layout.version_file(&p(), &version)), name);
    }
    if let Some((id, version)) = trashed_of_file_name(name) {
        let path = layout.trash_file(&id, &version, 0);
        assert!(path.starts_with(TRASH_DIR));
        assert_eq!(file_name(path), name);
        assert_eq!(belongs_to_trashed(name), Some((id, version)));
    }
});

fuzz_target!(a_leftover_is_put_again_dropped_or_set_aside, "leftover", {
    let place = Place::new();
    move |bytes: &[u8]| {
        let layout = place.shard.layout;
        let tmp = layout.tmp_dir(&place.shard.shard);
        place.write(tmp.join("old-1.tmp"), bytes);
        let recovered = recover_shard(&place.shard, &IndexHints::default()).unwrap();
        assert_eq!(
            recovered.replayed + recovered.discarded + recovered.quarantined,
            1
        );
        assert!(!place.dir.path().join(tmp.join("old-1.tmp")).exists());
        let parsed = StoredVersion::parse(Bytes::copy_from_slice(bytes));
        let whole = parsed.is_ok_and(|(stored, _)| stored.integrity == Integrity::Sealed);
        assert!(
            whole || recovered.replayed == 0,
            "only what is sealed is put again"
        );
        // For the next input the store is as it was.
        let _nothing = std::fs::remove_dir_all(place.dir.path().join(tmp.join("quarantine")));
        for id in recovered.slots.keys() {
            for entry in std::fs::read_dir(place.dir.path().join(layout.prompt_dir(id))).unwrap() {
                std::fs::remove_file(entry.unwrap().path()).unwrap();
            }
        }
    }
});

fuzz_target!(
    a_version_in_the_store_is_the_one_its_path_names,
    "version-file",
    {
        let place = Place::new();
        move |bytes: &[u8]| {
            place.write(place.shard.layout.version_file(&p(), &one()), bytes);
            let read = read_version(&*place.shard.disk, place.shard.layout, &p(), &one(), 64 << 10);
            if let Ok((stored, _)) = read {
                assert_eq!(stored.version, one());
            }
        }
    }
);
