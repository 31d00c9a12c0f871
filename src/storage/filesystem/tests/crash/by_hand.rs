//! What a person did to the store before it is mended: versions without a checksum, edited ones, a damaged manifest.

use std::path::Path;

use super::memory_disk::MemoryDisk;
use super::oracle::Oracle;
use super::*;

/// What a person did.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Deed {
    /// Made a version of `p` without a checksum.
    Wrote(&'static str),
    /// Changed the text of a version of `p` that promptd had written.
    Edited(&'static str),
    /// Saved the manifest of `p` with a value that is none.
    BrokeManifest,
}

/// The words that a text of such a version carries in these tests.
pub(super) fn marked(text: &str, integrity: crate::model::Integrity) -> String {
    match integrity {
        crate::model::Integrity::Sealed => text.to_owned(),
        other => format!("{text} ({other:?})"),
    }
}

/// Takes these words away, as sealing does; `None` when there are none.
pub(super) fn sealed(text: &str) -> Option<String> {
    let text = text
        .strip_suffix(" (Unsealed)")
        .or(text.strip_suffix(" (Edited)"));
    text.map(str::to_owned)
}

/// Does it, and writes down what holds from then on.
pub(super) fn act(deed: Deed, memory: &MemoryDisk, oracle: &mut Oracle) {
    let (path, bytes) = match deed {
        Deed::Wrote(number) => {
            oracle.add_foreign("p", number, "made by hand (Unsealed)");
            let bytes = serde_json::to_vec(&document("p", number, "made by hand")).unwrap();
            (LAYOUT.version_file(&id("p"), &super::version(number)), bytes)
        }
        Deed::Edited(number) => {
            oracle.add_foreign("p", number, "made otherwise (Edited)");
            let bytes = String::from_utf8(super::recovery::sealed("p", number, "made by hand")).unwrap();
            let bytes = bytes.replace("made by hand", "made otherwise").into_bytes();
            (LAYOUT.version_file(&id("p"), &super::version(number)), bytes)
        }
        Deed::BrokeManifest => {
            let path = LAYOUT.manifest_file(&id("p"));
            let bytes = memory.read(&path, 1 << 20).unwrap().bytes;
            let mut manifest: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
            manifest["tags"] = json!(5);
            let bytes = serde_json::to_vec(&manifest).unwrap();
            // Labels are not served from a manifest that cannot be trusted.
            let promised = oracle.prompts.get_mut("p").unwrap();
            promised.hidden_labels = std::mem::take(&mut promised.picture.labels);
            oracle.may_be_reported = ["corrupt-manifest", "quarantined"].into();
            oracle.kept = Some(bytes.clone());
            (path, bytes)
        }
    };
    write(memory, &path, &bytes);
}

fn write(memory: &MemoryDisk, path: &Path, bytes: &[u8]) {
    let saved = path.with_extension("saved");
    let mut file = memory.create_new(&saved).unwrap();
    file.write_all(bytes).unwrap();
    file.sync().unwrap();
    memory.rename_over(&saved, path).unwrap();
    memory.sync_all().unwrap();
}
