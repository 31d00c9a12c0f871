//! Times, sizes and counts as people say them.

use crate::model::Timestamp;

const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// Returns how long ago a time was: `just now`, `5m ago`, `3h ago`, `2d ago`; the date (UTC) after a month, and the whole
/// time when it lies in the future, since clocks differ.
pub(crate) fn ago(at: &Timestamp) -> String {
    let seconds = jiff::Timestamp::now().as_second() - at.instant().as_second();
    ago_in_words(seconds, at)
}

fn ago_in_words(seconds: i64, at: &Timestamp) -> String {
    match seconds {
        ..0 => utc(at, "%Y-%m-%d %H:%M:%SZ"),
        0..MINUTE => "just now".to_owned(),
        MINUTE..HOUR => format!("{}m ago", seconds / MINUTE),
        HOUR..DAY => format!("{}h ago", seconds / HOUR),
        _ if seconds < 30 * DAY => format!("{}d ago", seconds / DAY),
        _ => utc(at, "%Y-%m-%d"),
    }
}

fn utc(at: &Timestamp, format: &str) -> String {
    at.instant().strftime(format).to_string()
}

/// Returns a number of things: `1 version`, `3 versions`.
pub(crate) fn counted(count: u64, thing: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {thing}{plural}")
}

/// Returns a number of seconds as people say it, to two units.
pub(crate) fn duration(seconds: u64) -> String {
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{minutes}m {}s", seconds % 60),
        3600..86_400 => format!("{hours}h {}m", minutes % 60),
        _ => format!("{days}d {}h", hours % 24),
    }
}

/// Returns a number of bytes as people say it.
#[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
pub(crate) fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut value = bytes as f64 / 1024.0;
    let mut units = UNITS.into_iter();
    let mut unit = units.next().unwrap_or_default();
    while value >= 1024.0
        && let Some(next) = units.next()
    {
        (value, unit) = (value / 1024.0, next);
    }
    format!("{value:.1} {unit}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_past_is_told_in_the_largest_unit() {
        let at = Timestamp::new("2026-01-02T12:00:00Z").unwrap();
        let check = |seconds: i64, expected: &str| assert_eq!(ago_in_words(seconds, &at), expected);
        check(5, "just now");
        check(90, "1m ago");
        check(3 * HOUR + 5, "3h ago");
        check(29 * DAY, "29d ago");
        check(40 * DAY, "2026-01-02");
        check(-90, "2026-01-02 12:00:00Z");
    }

    #[test]
    fn one_is_singular() {
        assert_eq!(
            [0, 1, 2].map(|count| counted(count, "version")),
            ["0 versions", "1 version", "2 versions"]
        );
    }

    #[test]
    fn durations_and_sizes_are_short() {
        assert_eq!(
            [0, 59, 61, 3700, 90_000].map(duration),
            ["0s", "59s", "1m 1s", "1h 1m", "1d 1h"]
        );
        assert_eq!(
            [0, 1023, 1024, 1536 << 10, 5 << 40].map(bytes),
            ["0 B", "1023 B", "1.0 KiB", "1.5 MiB", "5.0 TiB"]
        );
    }
}
