//! Other people's files, where they are at hand.

use std::path::PathBuf;

/// Returns a path in the folder of data that is not part of this project; says so when it is absent.
pub fn shared_data(path: &str) -> Option<PathBuf> {
    let found = std::env::var_os("PROMPTD_SHARED_DATA")
        .map(PathBuf::from)
        .into_iter()
        .chain(
            ["../shared/data", "../../shared/data"]
                .map(|up| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(up)),
        );
    let found = found
        .map(|base| base.join(path))
        .find(|candidate| candidate.exists());
    if found.is_none() {
        eprintln!("SKIPPED in part: {path} is not here (set PROMPTD_SHARED_DATA to the folder that has it)");
    }
    found
}
