//! Which number the next version gets. Pure: what was used is said by the caller.

use crate::model::{Bump, Version};
use crate::optimizer::rules;

/// Returns the number of the next release, or `None` at the end of the range.
///
/// Both numbers are the highest *ever used*, deleted versions included, so that a number that was once given out is never
/// given out again. There are two of them because a candidate that was never promoted must not push releases up:
/// - With a release, the next number is that release raised by `bump`: above every release ever used. After 1.0.0 and the
///   candidate 2.0.0-rc.1, a patch is 1.0.1, a minor 1.1.0, a major 2.0.0.
/// - With pre-releases only, it is the release that the highest of them announces, whatever the bump, since there is
///   nothing to raise: after 2.0.0-rc.1 it is 2.0.0.
/// - With nothing, it is [`Version::FIRST`].
///
/// A number passed in the wrong place is taken for what it is.
#[must_use]
pub fn next_version(
    highest_release: Option<&Version>,
    highest_prerelease: Option<&Version>,
    bump: Bump,
) -> Option<Version> {
    next_version_after(highest_release.into_iter().chain(highest_prerelease), bump)
}

/// Returns the number of the next release after all that were ever used; the rules are those of [`next_version`].
#[must_use]
pub fn next_version_after<'a>(used: impl IntoIterator<Item = &'a Version>, bump: Bump) -> Option<Version> {
    let (prereleases, releases): (Vec<_>, Vec<_>) = used.into_iter().partition(|v| v.is_prerelease());
    match (releases.into_iter().max(), prereleases.into_iter().max()) {
        (Some(release), _) => release.bumped(bump),
        (None, Some(prerelease)) => Some(prerelease.without_prerelease()),
        (None, None) => Some(Version::FIRST),
    }
}

/// What the pre-release part of a candidate begins with.
const CANDIDATE: &str = "-opt.";

/// Returns the number of the next candidate: the release that it would become, and the first count that was never used
/// with it, from 1. `None` at the end of the range.
///
/// ```
/// use promptd::model::{Bump, Version};
/// use promptd::versions::numbering::next_candidate_after;
/// let used = ["1.0.0", "1.1.0-opt.2", "2.0.0-opt.7"].map(|text| Version::new(text).unwrap());
/// assert_eq!(next_candidate_after(&used, Bump::Minor).unwrap().to_string(), "1.1.0-opt.3");
/// assert_eq!(next_candidate_after(&used, Bump::Patch).unwrap().to_string(), "1.0.1-opt.1");
/// ```
#[must_use]
pub fn next_candidate_after<'a>(
    used: impl IntoIterator<Item = &'a Version> + Clone,
    bump: Bump,
) -> Option<Version> {
    let announced = format!("{}{CANDIDATE}", next_version_after(used.clone(), bump)?);
    let counts = used.into_iter().filter_map(|version| {
        let text = version.to_string();
        text.strip_prefix(&announced)?.parse::<u64>().ok()
    });
    let next = counts.max().unwrap_or(0).checked_add(1)?;
    Version::new(&format!("{announced}{next}")).ok()
}

/// Returns which part of the number a gain in overall score raises: 15 points the major, 5 the minor, else (a loss and
/// NaN too) the patch number.
#[must_use]
pub fn bump_for_improvement(improvement: f64) -> Bump {
    rules::bump_for(improvement)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;
    use crate::model::MAX_COMPONENT;
    use crate::optimizer::golden::{items, read, text};

    fn version(text: &str) -> Version {
        Version::new(text).unwrap()
    }

    fn bump(name: &str) -> Bump {
        serde_json::from_value(name.into()).unwrap()
    }

    fn check(used: &[&str], raise: &str, expected: Option<&str>) {
        let versions: Vec<Version> = used.iter().map(|text| version(text)).collect();
        let found = next_version_after(&versions, bump(raise));
        assert_eq!(found, expected.map(version), "{raise} after {used:?}");
    }

    #[test]
    fn the_first_number_is_one_whatever_the_bump() {
        for raise in ["major", "minor", "patch"] {
            check(&[], raise, Some("1.0.0"));
        }
        assert_eq!(next_version(None, None, Bump::Patch), Some(Version::FIRST));
    }

    #[test]
    fn the_highest_release_is_raised_whatever_the_order_of_use() {
        check(&["1.9.9", "1.10.0", "1.2.0"], "minor", Some("1.11.0"));
        check(&["10.0.0", "9.9.9"], "patch", Some("10.0.1"));
        check(&["0.0.9"], "major", Some("1.0.0"));
    }

    #[test]
    fn candidates_do_not_push_releases_up() {
        check(&["1.0.0", "2.0.0-rc.1"], "patch", Some("1.0.1"));
        check(&["1.0.0", "2.0.0-rc.1"], "major", Some("2.0.0"));
        check(&["2.0.0-rc.1", "2.0.0"], "patch", Some("2.0.1"));
        let (release, candidate) = (version("1.0.0"), version("2.0.0-rc.1"));
        assert_eq!(
            next_version(Some(&release), Some(&candidate), Bump::Patch),
            Some(version("1.0.1"))
        );
        assert_eq!(
            next_version(Some(&candidate), Some(&release), Bump::Patch),
            Some(version("1.0.1"))
        );
    }

    #[test]
    fn the_first_release_after_candidates_is_the_one_they_announce() {
        for raise in ["major", "minor", "patch"] {
            check(&["1.0.0-opt.1"], raise, Some("1.0.0"));
            check(&["2.0.0-rc.1", "2.0.0-rc.2", "1.5.0-rc.1"], raise, Some("2.0.0"));
        }
    }

    #[test]
    fn the_end_of_the_range_is_said_and_not_wrapped() {
        let last = format!("{MAX_COMPONENT}.0.0");
        check(&[&last], "major", None);
        check(&[&last], "minor", Some(&format!("{MAX_COMPONENT}.1.0")));
    }

    #[test]
    fn increments_are_those_of_the_python_system() {
        let Some(golden) = read("versions.json") else {
            return;
        };
        for case in items(&golden["increment"]) {
            let from = text(&case["from"]);
            match Version::new(from) {
                Ok(_) => check(&[from], text(&case["bump"]), Some(text(&case["to"]))),
                // It accepts spellings and sizes that make no number here.
                Err(_) => assert!(from.starts_with('0') || from.len() > 20, "{from}"),
            }
        }
        let listed: Vec<Version> = items(&golden["list_order"])
            .iter()
            .map(|v| version(text(v)))
            .collect();
        assert!(listed.is_sorted());
    }

    #[test]
    fn sequences_are_those_of_the_python_system_until_a_number_would_be_reused() {
        let Some(golden) = read("versions.json") else {
            return;
        };
        for sequence in items(&golden["sequences"]) {
            let mut used: Vec<Version> = Vec::new();
            let mut deleted: Vec<String> = Vec::new();
            for step in items(sequence) {
                if let Some(number) = step["step"].as_str().and_then(|s| s.strip_prefix("delete:")) {
                    deleted.push(number.to_owned());
                }
                let Some(expected) = step.get("version") else {
                    continue;
                };
                let next = next_version_after(&used, raise_of(&step["step"])).unwrap();
                if deleted.iter().any(|number| number == text(expected)) {
                    assert!(
                        next > version(text(expected)),
                        "a deleted number is not given out again"
                    );
                } else {
                    assert_eq!(next, version(text(expected)), "{sequence}");
                }
                used.push(next);
            }
        }
    }

    /// A step is a gain, a manual edit or a rollback; the latter two raise the patch number.
    fn raise_of(step: &Value) -> Bump {
        step.as_f64().map_or(Bump::Patch, bump_for_improvement)
    }

    fn any_version() -> impl Strategy<Value = Version> {
        let candidate = prop::option::of(0_u8..4);
        (0_u64..4, 0_u64..4, 0_u64..4, candidate).prop_map(|(major, minor, patch, candidate)| match candidate
        {
            Some(n) => version(&format!("{major}.{minor}.{patch}-rc.{n}")),
            None => Version::release(major, minor, patch),
        })
    }

    proptest! {
        #[test]
        fn a_new_number_is_unused_and_above_every_release(
            used in prop::collection::vec(any_version(), 0..12),
            raise in prop_oneof![Just(Bump::Major), Just(Bump::Minor), Just(Bump::Patch)],
        ) {
            let next = next_version_after(&used, raise).unwrap();
            prop_assert!(!next.is_prerelease());
            prop_assert!(!used.contains(&next));
            prop_assert!(used.iter().filter(|v| !v.is_prerelease()).all(|v| *v < next));
            if used.iter().all(Version::is_prerelease) {
                prop_assert!(used.iter().all(|v| *v < next));
            }
        }
    }
}
