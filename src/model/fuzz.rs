//! Fuzz targets: names, numbers, times and checksums as they come from outside.

use std::ffi::OsStr;
use std::path::{Component, Path};

use super::*;
use crate::fuzz::fuzz_target;

fn with_text(check: impl Fn(&str)) -> impl Fn(&[u8]) {
    move |bytes| {
        if let Ok(text) = std::str::from_utf8(bytes) {
            check(text);
            check(text.trim());
        }
    }
}

/// A name that is one step down in a directory, is not hidden, and needs no care on a terminal.
fn check_file_name(name: &str) {
    let parts: Vec<Component<'_>> = Path::new(name).components().collect();
    assert_eq!(parts, [Component::Normal(OsStr::new(name))]);
    assert!(!name.starts_with('.') && name.bytes().all(|byte| byte.is_ascii_graphic()));
    assert!(name.len() < 250, "with an ending it must be a file name still");
}

fuzz_target!(
    a_prompt_id_is_one_step_down,
    "prompt-id",
    with_text(|text| {
        if let Ok(id) = PromptId::new(text) {
            assert_eq!(id.as_str(), text);
            check_file_name(id.as_str());
            for depth in 0..=ShardDepth::MAX {
                let depth = ShardDepth::new(depth).unwrap();
                assert_eq!(depth.shard_of(&id).as_str().len(), depth.digits());
            }
        }
    })
);

fuzz_target!(
    a_version_has_one_spelling_and_is_a_file_name,
    "version",
    with_text(|text| {
        if let Ok(version) = Version::new(text) {
            assert_eq!(version.to_string(), text);
            check_file_name(text);
            for bump in [Bump::Major, Bump::Minor, Bump::Patch] {
                if let Some(next) = version.bumped(bump) {
                    assert!(next > version && Version::new(&next.to_string()).is_ok());
                }
            }
        }
    })
);

fuzz_target!(
    a_reference_reads_back_as_it_is_shown,
    "version-ref",
    with_text(|text| {
        if let Ok(reference) = text.parse::<VersionRef>() {
            let shown = reference.to_string();
            assert_eq!(shown.parse::<VersionRef>().as_ref(), Ok(&reference), "{shown}");
        }
        if let Ok(selector) = text.parse::<VersionSelector>() {
            let shown = selector.to_string();
            assert_eq!(
                shown.parse::<VersionSelector>().as_ref(),
                Ok(&selector),
                "{shown}"
            );
        }
    })
);

fuzz_target!(
    a_label_is_never_anything_else,
    "label",
    with_text(|text| {
        if let Ok(label) = Label::new(text) {
            assert_eq!(label.as_str(), text);
            check_file_name(text);
            assert_eq!(text.parse(), Ok(VersionSelector::Label(label)));
            assert!(Version::new(text).is_err());
        }
    })
);

fuzz_target!(
    a_time_is_kept_to_the_letter_and_can_be_counted_with,
    "timestamp",
    with_text(|text| {
        if let Ok(time) = Timestamp::new(text) {
            assert_eq!(time.as_str(), text);
            assert!(!time.age().is_empty());
            let in_utc = Timestamp::from_instant(time.instant());
            assert!(Timestamp::new(in_utc.as_str()).is_ok(), "{in_utc:?}");
            assert_eq!(time.cmp(&time.clone()), std::cmp::Ordering::Equal);
        }
    })
);

fuzz_target!(
    a_checksum_is_hex_and_nothing_else,
    "checksum",
    with_text(|text| {
        if let Ok(checksum) = text.parse::<Checksum>() {
            assert_eq!((checksum.as_str(), text.len()), (text, 71));
        }
    })
);

fuzz_target!(
    a_document_of_a_client_is_one_for_the_disk,
    "version-file",
    |bytes: &[u8]| {
        let Ok(value) = strict_json::parse(bytes) else {
            return;
        };
        let Ok(mut sent) = PromptVersion::from_client(&value) else {
            return;
        };
        assert!(PromptVersion::from_value(&value).is_ok());
        let sealed = sent.seal().unwrap();
        let stored = strict_json::parse(&sealed).unwrap();
        assert_eq!(PromptVersion::from_client(&stored), Ok(sent));
    }
);

fuzz_target!(json_has_one_meaning, "strict-json", |bytes: &[u8]| {
    if let Ok(value) = strict_json::parse(bytes) {
        assert_eq!(
            serde_json::from_slice::<serde_json::Value>(bytes).as_ref().ok(),
            Some(&value)
        );
        let again = serde_json::to_vec(&value).unwrap();
        assert_eq!(strict_json::parse(&again), Ok(value));
    }
});
