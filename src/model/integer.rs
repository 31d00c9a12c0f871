//! Whole numbers as JSON allows them: `5` and `5.0` are the same number.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, Unexpected, Visitor};

/// The largest magnitude below which every whole number has its own double: 2^53.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// A whole number, however it is written.
struct Integer(i64);

impl<'de> Deserialize<'de> for Integer {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyInteger).map(Self)
    }
}

struct AnyInteger;

impl Visitor<'_> for AnyInteger {
    type Value = i64;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a whole number")
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<i64, E> {
        Ok(value)
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<i64, E> {
        i64::try_from(value).map_err(|_| E::invalid_value(Unexpected::Unsigned(value), &self))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<i64, E> {
        if value.fract() == 0.0 && value.abs() <= EXACT {
            #[expect(
                clippy::cast_possible_truncation,
                reason = "whole and within 2^53, as was just checked"
            )]
            Ok(value as i64)
        } else {
            Err(E::invalid_value(Unexpected::Float(value), &self))
        }
    }
}

/// Reads two whole numbers, or null.
pub(super) fn optional_pair<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<(i64, i64)>, D::Error> {
    let pair: Option<(Integer, Integer)> = Deserialize::deserialize(deserializer)?;
    Ok(pair.map(|(start, end)| (start.0, end.0)))
}

/// Reads a whole number from 1 to 10.
pub(super) fn one_to_ten<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u8, D::Error> {
    let Integer(value) = Deserialize::deserialize(deserializer)?;
    match u8::try_from(value) {
        Ok(number @ 1..=10) => Ok(number),
        _ => Err(D::Error::invalid_value(
            Unexpected::Signed(value),
            &"a number from 1 to 10",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Option<i64>) {
        let read: Option<Integer> = serde_json::from_str(text).ok();
        assert_eq!(read.map(|Integer(value)| value), expected, "{text}");
    }

    #[test]
    fn a_whole_number_may_be_written_with_a_fraction_of_nothing() {
        check("5", Some(5));
        check("5.0", Some(5));
        check("-1631097.0", Some(-1_631_097));
        check("5e2", Some(500));
        check("9223372036854775807", Some(i64::MAX));
        check("9223372036854775808", None);
        check("5.5", None);
        check("1e300", None);
        check("\"5\"", None);
        check("null", None);
    }

    #[test]
    fn a_pair_may_be_absent_and_a_small_number_has_its_bounds() {
        let pair = |text: &str| optional_pair(&mut serde_json::Deserializer::from_str(text)).ok();
        assert_eq!(pair("[1.0, 2]"), Some(Some((1, 2))));
        assert_eq!(pair("null"), Some(None));
        assert_eq!(pair("[1]"), None);
        let number = |text: &str| one_to_ten(&mut serde_json::Deserializer::from_str(text)).ok();
        let numbers = ["1", "10.0", "0", "11", "-1"].map(number);
        assert_eq!(numbers, [Some(1), Some(10), None, None, None]);
    }
}
