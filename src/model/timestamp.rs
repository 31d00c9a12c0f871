//! Points in time as they stand in files.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use jiff::{SpanRound, Unit};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A point in time, kept in exactly the text it came in.
///
/// What promptd writes is RFC 3339 in UTC with microseconds (`2026-11-22T18:53:11.123456Z`). The Python system wrote
/// naive local times (`2025-01-02T03:04:05`); those are accepted, kept to the letter, and ordered as local time.
#[derive(utoipa::ToSchema, Clone, PartialEq, Eq, Hash)]
#[schema(value_type = String, max_length = 40, pattern = r"^(?:[0-8][0-9]{3}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)|02-(?:0[1-9]|1[0-9]|2[0-8]))|(?:[0-8][0-9](?:0[48]|[2468][048]|[13579][26])|(?:[02468][048]|[1357][26])00)-02-29)[Tt ](?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]{1,9})?(?:[Zz]|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])?$", example = "2026-11-22T18:53:11.123456Z")]
pub struct Timestamp(Arc<str>);

/// Why a text is no [`Timestamp`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid time {text:?}: expected RFC 3339, such as 2026-11-22T18:53:11Z")]
pub struct InvalidTimestamp {
    /// The refused text, cut to a printable length.
    pub text: String,
}

impl Timestamp {
    /// Returns the current time in UTC, to the microsecond.
    #[must_use]
    pub fn now() -> Self {
        Self::from_instant(jiff::Timestamp::now())
    }

    /// Makes a timestamp from an instant, in UTC, to the microsecond.
    #[must_use]
    pub fn from_instant(instant: jiff::Timestamp) -> Self {
        let micros = instant.round(Unit::Microsecond).unwrap_or(instant);
        Self(Arc::from(format!("{micros:.6}").as_str()))
    }

    /// Checks a text: RFC 3339, or the naive local form of the Python system.
    ///
    /// # Errors
    /// [`InvalidTimestamp`] when it is neither.
    pub fn new(text: &str) -> Result<Self, InvalidTimestamp> {
        match instant_of(text) {
            Some(_) => Ok(Self(Arc::from(text))),
            None => Err(InvalidTimestamp {
                text: text.chars().take(60).collect(),
            }),
        }
    }

    /// Returns the text as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the instant; a naive time is taken as local time.
    #[must_use]
    pub fn instant(&self) -> jiff::Timestamp {
        instant_of(&self.0).unwrap_or(jiff::Timestamp::UNIX_EPOCH)
    }

    /// Returns how long ago this was, rounded to whole seconds, in words such as `3h 4m`.
    #[must_use]
    pub fn age(&self) -> String {
        let span = self.instant().until(jiff::Timestamp::now()).unwrap_or_default();
        let rounding = SpanRound::new()
            .smallest(Unit::Second)
            .largest(Unit::Day)
            .days_are_24_hours();
        span.round(rounding)
            .map_or_else(|_| "?".into(), |rounded| format!("{rounded:#}"))
    }
}

fn instant_of(text: &str) -> Option<jiff::Timestamp> {
    if text.len() > 40 || !text.contains(['T', 't', ' ']) {
        return None;
    }
    if let Ok(instant) = text.parse::<jiff::Timestamp>() {
        return Some(instant);
    }
    let naive: jiff::civil::DateTime = text.parse().ok()?;
    naive
        .to_zoned(jiff::tz::TimeZone::system())
        .ok()
        .map(|zoned| zoned.timestamp())
}

impl PartialOrd for Timestamp {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Timestamp {
    /// By instant, then by text, so that equal order means equal value.
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.instant()
            .cmp(&other.instant())
            .then_with(|| self.0.cmp(&other.0))
    }
}

impl FromStr for Timestamp {
    type Err = InvalidTimestamp;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::new(text)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Timestamp({})", self.0)
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        Self::new(&text).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_naive_time_is_kept_to_the_letter() {
        for text in [
            "2025-01-02T03:04:05",
            "2025-01-02T03:04:05.678901",
            "2025-01-02T03:04:05Z",
            "2025-01-02T03:04:05+02:00",
        ] {
            assert_eq!(Timestamp::new(text).unwrap().as_str(), text);
        }
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in [
            "",
            "yesterday",
            "2025-13-01T00:00:00Z",
            "2025-01-02",
            "1700000000",
        ] {
            assert!(Timestamp::new(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn our_own_times_are_utc_with_microseconds_and_read_back() {
        let now = Timestamp::now();
        assert!(now.as_str().ends_with('Z') && now.as_str().len() == 27, "{now}");
        assert_eq!(Timestamp::new(now.as_str()).unwrap(), now);
    }
}
