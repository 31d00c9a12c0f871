//! Sizes in bytes, written as an integer or as text such as `64MiB`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Units in the order in which they are tried when a size is printed; the decimal ones are only read.
const UNITS: [(&str, u64); 9] = [
    ("TiB", 1 << 40),
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("TB", 1_000_000_000_000),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("KB", 1_000),
    ("B", 1),
];

/// How many of [`UNITS`] are binary: only these are printed, because they are the ones that defaults use.
const BINARY_UNITS: usize = 4;

/// A number of bytes.
///
/// Reads an integer (`4194304`) or text with a unit (`4MiB`, `4 MB`; KiB is 1024 and KB is 1000 bytes). Prints the
/// largest binary unit that divides it, which reads back to the same number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ByteSize(u64);

/// A text that is no size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "write a whole number of bytes, or a whole number with one of the units KiB, MiB, GiB, TiB, KB, MB, GB, TB"
)]
pub struct InvalidByteSize;

impl ByteSize {
    /// Makes a size from a number of bytes.
    #[must_use]
    pub const fn new(bytes: u64) -> Self {
        Self(bytes)
    }

    /// Makes a size from a number of KiB, saturating.
    #[must_use]
    pub const fn kib(count: u64) -> Self {
        Self(count.saturating_mul(1 << 10))
    }

    /// Makes a size from a number of MiB, saturating.
    #[must_use]
    pub const fn mib(count: u64) -> Self {
        Self(count.saturating_mul(1 << 20))
    }

    /// Returns the number of bytes.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }

    /// Returns the number of bytes for comparison with a length in memory, saturating where `usize` is small.
    #[must_use]
    pub fn as_usize(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = UNITS
            .iter()
            .take(BINARY_UNITS)
            .find(|(_, factor)| self.0 != 0 && self.0.is_multiple_of(*factor));
        match unit {
            Some((name, factor)) => write!(f, "{}{name}", self.0 / factor),
            None => write!(f, "{}", self.0),
        }
    }
}

impl FromStr for ByteSize {
    type Err = InvalidByteSize;

    fn from_str(text: &str) -> Result<Self, InvalidByteSize> {
        let text = text.trim();
        let digits_end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let (digits, unit) = text.split_at(digits_end);
        let count: u64 = digits.parse().map_err(|_| InvalidByteSize)?;
        let unit = unit.trim_start();
        let factor = if unit.is_empty() {
            1
        } else {
            let known = UNITS.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit));
            known.ok_or(InvalidByteSize)?.1
        };
        count.checked_mul(factor).map(Self).ok_or(InvalidByteSize)
    }
}

impl Serialize for ByteSize {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(self.0)
    }
}

impl<'de> Deserialize<'de> for ByteSize {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct SizeVisitor;

        impl de::Visitor<'_> for SizeVisitor {
            type Value = ByteSize;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a size: an integer or text such as \"64MiB\"")
            }

            fn visit_u64<E: de::Error>(self, bytes: u64) -> Result<ByteSize, E> {
                Ok(ByteSize(bytes))
            }

            fn visit_i64<E: de::Error>(self, bytes: i64) -> Result<ByteSize, E> {
                u64::try_from(bytes)
                    .map(ByteSize)
                    .map_err(|_| E::invalid_value(de::Unexpected::Signed(bytes), &self))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<ByteSize, E> {
                text.parse().map_err(E::custom)
            }
        }

        deserializer.deserialize_any(SizeVisitor)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(text: &str, expected: Option<u64>) {
        assert_eq!(
            text.parse::<ByteSize>().ok().map(ByteSize::get),
            expected,
            "{text:?}"
        );
    }

    #[test]
    fn sizes_are_read_with_and_without_unit() {
        check("0", Some(0));
        check("4096", Some(4096));
        check("64MiB", Some(64 << 20));
        check("4 MB", Some(4_000_000));
        check(" 2 kib ", Some(2048));
        check("1TiB", Some(1 << 40));
        check("7b", Some(7));
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            "",
            "MiB",
            "64M",
            "1.5GiB",
            "-1",
            "+1",
            "1 000",
            "18446744073709551615KiB",
            "0x10",
            "1MiBs",
        ] {
            check(text, None);
        }
    }

    #[test]
    fn the_largest_binary_unit_that_divides_is_printed() {
        let printed = |bytes| ByteSize::new(bytes).to_string();
        assert_eq!(printed(0), "0");
        assert_eq!(printed(1000), "1000");
        assert_eq!(printed(1024), "1KiB");
        assert_eq!(printed(3 << 20), "3MiB");
        assert_eq!(printed((1 << 30) + 1024), "1048577KiB");
    }

    #[test]
    fn integers_and_texts_deserialize() {
        assert_eq!(serde_json::from_str::<ByteSize>("12").unwrap().get(), 12);
        assert_eq!(
            serde_json::from_str::<ByteSize>("\"12KiB\"").unwrap().get(),
            12 << 10
        );
        assert!(serde_json::from_str::<ByteSize>("-12").is_err());
        assert!(serde_json::from_str::<ByteSize>("true").is_err());
    }

    proptest! {
        #[test]
        fn what_is_printed_reads_back(bytes in any::<u64>(), shift in 0_u32..64) {
            let size = ByteSize::new((bytes >> shift) << (shift / 2));
            prop_assert_eq!(size.to_string().parse::<ByteSize>(), Ok(size));
        }
    }
}
