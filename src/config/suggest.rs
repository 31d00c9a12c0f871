//! "Did you mean": the nearest known name to one that is not known.

/// Returns the candidate that differs least from `name`, when it is near enough to be what was meant.
///
/// Case, `-` and `_` do not count; beyond that about one slip in three letters is forgiven. Of equally near
/// candidates the first is taken.
pub(super) fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let wanted = folded(name);
    let allowed = (wanted.len() / 3).max(1);
    let mut best: Option<(usize, &str)> = None;
    for candidate in candidates {
        let distance = distance(&wanted, &folded(candidate));
        if distance <= allowed && best.is_none_or(|(least, _)| distance < least) {
            best = Some((distance, candidate));
        }
    }
    best.map(|(_, candidate)| candidate)
}

fn folded(name: &str) -> Vec<char> {
    name.chars()
        .filter(|c| !matches!(c, '_' | '-'))
        .flat_map(char::to_lowercase)
        .take(MAX_COMPARED)
        .collect()
}

/// Names longer than this are cut before they are compared, so that a hostile key costs no quadratic time.
const MAX_COMPARED: usize = 128;

/// Edit distance with insertions, deletions, replacements, and swaps of neighbours.
fn distance(a: &[char], b: &[char]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (i, &x) in a.iter().enumerate() {
        let mut row = Vec::with_capacity(b.len() + 1);
        row.push(i + 1);
        for (j, &y) in b.iter().enumerate() {
            let at = |row: &[usize], index: usize| row.get(index).copied().unwrap_or(usize::MAX - 1);
            let mut cost = (at(&last, j) + usize::from(x != y))
                .min(at(&last, j + 1) + 1)
                .min(at(&row, j) + 1);
            let swapped = i > 0 && j > 0 && a.get(i - 1) == Some(&y) && b.get(j - 1) == Some(&x);
            if swapped {
                cost = cost.min(at(&before, j - 1) + 1);
            }
            row.push(cost);
        }
        before = std::mem::replace(&mut last, row);
    }
    last.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, expected: Option<&str>) {
        let known = ["cache_size", "max_cache_bytes", "shard_depth", "watch", "level"];
        assert_eq!(nearest(name, known), expected, "{name}");
    }

    #[test]
    fn slips_are_forgiven_and_strangers_are_not() {
        check("cachesize", Some("cache_size"));
        check("Cache-Size", Some("cache_size"));
        check("cache_szie", Some("cache_size"));
        check("sharddepht", Some("shard_depth"));
        check("wtach", Some("watch"));
        check("max_cache_byte", Some("max_cache_bytes"));
        check("colour", None);
        check("", None);
        check("x", None);
    }

    #[test]
    fn distances_are_those_of_pencil_and_paper() {
        let d = |a: &str, b: &str| distance(&folded(a), &folded(b));
        assert_eq!(d("kitten", "sitting"), 3);
        assert_eq!(d("ab", "ba"), 1);
        assert_eq!(d("", "abc"), 3);
        assert_eq!(d("abc", ""), 3);
        assert_eq!(d("same", "same"), 0);
    }
}
