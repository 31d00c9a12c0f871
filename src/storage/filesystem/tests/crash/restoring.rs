//! Taking in a prompt of a backup: what the backup holds, and what it makes of a prompt that is here.

use std::collections::BTreeSet;

use bytes::Bytes;

use super::oracle::{Picture, Promised, subsets};
use super::*;
use crate::storage::filesystem::disk::Manifest;
use crate::storage::filesystem::work::{AdoptFile, AdoptRequest};

/// Its live versions.
const LIVE: [(&str, &str); 2] = [("1.5.0", "kept"), ("1.5.2", "kept as well")];
/// Its version in the trash.
const TRASHED: (&str, &str) = ("1.5.1", "kept in the trash");
/// Its label.
const LABEL: (&str, &str) = ("kept", "1.5.2");
/// The test results of one of them.
const MEASURED: (&str, &str) = ("1.5.0", "kept");
/// The highest number that was used there; it is nowhere.
const HIGHEST: &str = "1.5.3";

/// What a job hands to the shard for one prompt.
pub(super) fn request(prompt: &str) -> AdoptRequest {
    let author = Author::daemon();
    let bytes = |number: &str, text: &str| Bytes::from(super::recovery::sealed(prompt, number, text));
    let live = LIVE.map(|(number, text)| AdoptFile::Version(version(number), bytes(number, text)));
    let note = json!({"deleted_at": "2026-01-02T03:04:05Z", "deleted_by": author, "deleted_from": "there"});
    let trashed = AdoptFile::Trashed(
        version(TRASHED.0),
        0,
        bytes(TRASHED.0, TRASHED.1),
        Some(Bytes::from(note.to_string())),
    );
    let results = super::daemon::results(&[MEASURED.1.to_owned()]);
    let results = crate::storage::evidence::render(&id(prompt), &version(MEASURED.0), &results);
    let evidence = AdoptFile::Evidence(version(MEASURED.0), Bytes::from(results), true);
    let mut manifest = Manifest::default();
    manifest.highest_used.note_all([&version(HIGHEST)]);
    manifest.set_label(&Label::new(LABEL.0).unwrap(), &version(LABEL.1), &author);
    let manifest = AdoptFile::Manifest {
        bytes: Bytes::from(manifest.render(&id(prompt)).unwrap()),
        restored: LIVE.map(|(number, _)| version(number)).into(),
        is_clean: true,
    };
    AdoptRequest {
        files: live.into_iter().chain([trashed, evidence, manifest]).collect(),
        dry_run: false,
        lost_too: true,
        author,
    }
}

/// The prompt with all of it.
pub(super) fn take_in(prompt: &mut Promised) {
    let all: Vec<&str> = LIVE
        .iter()
        .map(|(number, _)| *number)
        .chain([TRASHED.0])
        .collect();
    prompt.picture = with_some(&prompt.picture, &all.iter().collect::<Vec<_>>());
    prompt.picture.labels.insert(LABEL.0.into(), version(LABEL.1));
    add_results(&mut prompt.picture);
    let used: BTreeSet<Version> = all.into_iter().chain([HIGHEST]).map(version).collect();
    prompt.used.extend(used);
}

fn add_results(picture: &mut Picture) {
    let kept = vec![MEASURED.1.to_owned()];
    picture.evidence.insert(version(MEASURED.0), kept);
}

/// What a crash may leave: any of its files, each whole. Then come the test results, then the label.
pub(super) fn cut_off(before: &Picture) -> Vec<Picture> {
    let all: Vec<&str> = LIVE
        .iter()
        .map(|(number, _)| *number)
        .chain([TRASHED.0])
        .collect();
    let mut pictures: Vec<Picture> = subsets(&all).map(|some| with_some(before, &some)).collect();
    let mut measured = with_some(before, &all.iter().collect::<Vec<_>>());
    add_results(&mut measured);
    pictures.push(measured);
    pictures
}

fn with_some(before: &Picture, some: &[&&str]) -> Picture {
    let mut picture = before.clone();
    for (number, text) in LIVE.into_iter().filter(|(number, _)| some.contains(&number)) {
        picture.versions.insert(version(number), text.into());
    }
    if some.contains(&&TRASHED.0) {
        picture.trash.insert(version(TRASHED.0), TRASHED.1.into());
    }
    picture
}
