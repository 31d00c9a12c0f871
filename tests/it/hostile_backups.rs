//! Archives and snapshots that somebody else made, handed to the real programs: nothing of them leaves the store, and nothing
//! of them is taken in.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use tar::EntryType;

use crate::harness::Host;

/// Every file, directory and link beneath a directory; the log and the job ledger are the daemon's own.
fn everything(dir: &Path) -> Vec<PathBuf> {
    let (mut found, mut open) = (Vec::new(), vec![dir.to_owned()]);
    while let Some(dir) = open.pop() {
        for entry in std::fs::read_dir(dir).unwrap().map(Result::unwrap) {
            if entry.file_type().unwrap().is_dir() && entry.file_name() != ".jobs" {
                open.push(entry.path());
            }
            found.push(entry.path());
        }
    }
    found.sort();
    found
}

/// An archive with one entry that no backup has.
fn archive_with(name: &str, kind: EntryType, link: &str, bytes: &[u8]) -> Vec<u8> {
    let mut header = tar::Header::new_gnu();
    // Past the checks of the library, as whoever means harm does it.
    header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
    header.as_old_mut().linkname[..link.len()].copy_from_slice(link.as_bytes());
    header.set_entry_type(kind);
    header.set_size(bytes.len() as u64);
    header.set_mode(0o644);
    header.set_cksum();
    let mut tar = tar::Builder::new(Vec::new());
    tar.append(&header, bytes).unwrap();
    zstd::encode_all(&*tar.into_inner().unwrap(), 3).unwrap()
}

/// The archives, each with a word of what is said of it.
fn archives() -> Vec<(Vec<u8>, &'static str)> {
    let file = |name: &str| archive_with(name, EntryType::Regular, "", b"x");
    let link = |kind| archive_with("69/wf_001_llm_1/1.0.0.json", kind, "/etc/passwd", b"");
    let mut cut_off = file("69/wf_001_llm_1/1.0.0.json");
    cut_off.truncate(cut_off.len() / 2);
    vec![
        (file("../../evil"), "no path of a backup"),
        (file("/tmp/evil"), "no path of a backup"),
        (file("69/../../evil/1.0.0.json"), "no path of a backup"),
        (file(".jobs/job_1.json"), "no path of a backup"),
        (file("CA/wf_001_llm_1/1.0.0.json"), "no path of a backup"),
        (file("69/wf_001_llm_1/01.0.0.json"), "no path of a backup"),
        (link(EntryType::Symlink), "no regular file"),
        (link(EntryType::Link), "no regular file"),
        (link(EntryType::Fifo), "no regular file"),
        (file("69/wf_001_llm_1/1.0.0.json"), "inventory"),
        (cut_off, "cannot be"),
        (b"no archive at all".to_vec(), "cannot be"),
    ]
}

#[tokio::test]
async fn a_hostile_archive_is_refused_by_every_verb_and_leaves_nothing() {
    let host = Host::new();
    let daemon = host.start().await;
    host.ctl_with(&["put", "greet", "-"], "Greet the guest.", &[])
        .success();
    host.ctl(&["backup"]).success();
    let backups = host.path().join("backups");
    let archives = archives();
    for (number, (bytes, says)) in archives.iter().enumerate() {
        let name = format!("{number}.tar.zst");
        std::fs::write(backups.join(&name), bytes).unwrap();
        let before = everything(host.path());
        for verb in [
            ["restore", &name, "--all"],
            ["restore", &name, "--prompt=greet"],
            ["backup", "verify", &name],
        ] {
            let output = host.ctl(&verb);
            assert!(
                output.code != 0 && !output.stderr.contains("panicked"),
                "{verb:?}: {output:?}"
            );
            assert!(output.stderr.contains(says), "{verb:?}, not {says}: {output:?}");
        }
        let strays: Vec<_> = everything(host.path())
            .into_iter()
            .filter(|path| !before.contains(path) && !path.starts_with(host.store().join(".jobs")))
            .collect();
        assert_eq!(strays, [] as [PathBuf; 0], "{number}");
    }
    assert_eq!(
        host.ctl(&["get", "greet"]).success().trim_end(),
        "Greet the guest."
    );
    eprintln!(
        "covered: hostile paths: {} archives through the verbs of backups",
        archives.len()
    );
    assert!(daemon.stop().success());
}

#[tokio::test]
async fn a_snapshot_with_links_in_it_is_refused_and_none_is_followed() {
    let host = Host::new();
    let daemon = host.start().await;
    host.ctl_with(&["put", "greet", "-"], "Greet the guest.", &[])
        .success();
    let snapshot = host.ctl(&["backup"]).success();
    let backups = host.path().join("backups");
    let snapshot = backups.join(snapshot.trim_end());
    let secret = host.path().join("secret");
    std::fs::write(&secret, "sesame").unwrap();
    let inside = snapshot.join(
        host.version_file("greet", "1.0.0")
            .strip_prefix(host.store())
            .unwrap(),
    );
    std::fs::remove_file(&inside).unwrap();
    symlink(&secret, &inside).unwrap();
    // The directory of backups itself may hold links that lead elsewhere.
    symlink("/etc", backups.join("away")).unwrap();
    for source in ["default", "away"] {
        for verb in [["restore", source, "--all"], ["backup", "verify", source]] {
            let output = host.ctl(&verb);
            assert!(output.code != 0, "{verb:?}: {output:?}");
            assert!(!format!("{output:?}").contains("sesame"), "{verb:?}: {output:?}");
        }
    }
    let refused = host.ctl(&["backup", "away"]);
    assert!(refused.code != 0, "{refused:?}");
    assert_eq!(std::fs::read_to_string(&secret).unwrap(), "sesame");
    assert_eq!(
        host.ctl(&["get", "greet"]).success().trim_end(),
        "Greet the guest."
    );
    assert!(daemon.stop().success());
}
