//! Ages on the command line: `30d`, `12h`.

use std::str::FromStr;

/// An age in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Age {
    /// How many seconds.
    pub(crate) seconds: u64,
}

/// Why a text is no age.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is no age: write a number and s, m, h, d or w, such as 30d")]
pub(crate) struct InvalidAge(String);

impl FromStr for Age {
    type Err = InvalidAge;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let invalid = || InvalidAge(text.to_owned());
        let unit_at = text.char_indices().next_back().map_or(0, |(at, _)| at);
        let (number, unit) = text.split_at(unit_at);
        let unit = match unit {
            "s" => 1,
            "m" => 60,
            "h" => 3_600,
            "d" => 86_400,
            "w" => 7 * 86_400,
            _ => return Err(invalid()),
        };
        let is_plain = number.bytes().all(|byte| byte.is_ascii_digit());
        let number: u64 = number.parse().ok().filter(|_| is_plain).ok_or_else(invalid)?;
        let seconds = number.checked_mul(unit).ok_or_else(invalid)?;
        Ok(Self { seconds })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_age_is_a_number_and_a_unit() {
        for (text, seconds) in [
            ("0s", 0),
            ("5m", 300),
            ("12h", 43_200),
            ("30d", 2_592_000),
            ("2w", 1_209_600),
        ] {
            assert_eq!(text.parse(), Ok(Age { seconds }), "{text}");
        }
        for text in [
            "",
            "d",
            "30",
            "-1d",
            "+1d",
            "1.5d",
            "30 d",
            "30é",
            "99999999999999999999d",
            "9999999999999999999w",
        ] {
            assert!(text.parse::<Age>().is_err(), "{text}");
        }
    }
}
