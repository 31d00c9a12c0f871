//! What a plain scalar means to Dify's loader: the implicit types of YAML 1.1 (<https://yaml.org/type/>).
//!
//! A text that stands unquoted and looks like a number, a boolean or a date is no text to that loader, so it is no
//! prompt either. The rules are those of PyYAML, which reads less than the specification in places: `y` and `n` are
//! text, and so is `1e5`, since a float needs its dot.

use std::sync::LazyLock;

use regex::Regex;

use super::tree::ScalarType;

/// The type that a plain scalar resolves to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Resolved {
    /// Nothing.
    Null,
    /// Text.
    Text,
    /// Something else.
    Other(ScalarType),
}

/// Resolves a plain scalar without a tag.
pub(super) fn resolve(text: &str) -> Resolved {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Resolved::Null,
        "yes" | "Yes" | "YES" | "no" | "No" | "NO" | "true" | "True" | "TRUE" | "false" | "False"
        | "FALSE" | "on" | "On" | "ON" | "off" | "Off" | "OFF" => Resolved::Other(ScalarType::Bool),
        _ if text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '-' | '+' | '.')) => number(text),
        _ => Resolved::Text,
    }
}

fn number(text: &str) -> Resolved {
    static INT: LazyLock<Option<Regex>> = LazyLock::new(|| {
        Regex::new(concat!(
            r"^(?:[-+]?0b[0-1_]+|[-+]?0[0-7_]+|[-+]?(?:0|[1-9][0-9_]*)|[-+]?0x[0-9a-fA-F_]+",
            r"|[-+]?[1-9][0-9_]*(?::[0-5]?[0-9])+)$",
        ))
        .ok()
    });
    static FLOAT: LazyLock<Option<Regex>> = LazyLock::new(|| {
        Regex::new(concat!(
            r"^(?:[-+]?[0-9][0-9_]*\.[0-9_]*(?:[eE][-+][0-9]+)?|\.[0-9][0-9_]*(?:[eE][-+][0-9]+)?",
            r"|[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+\.[0-9_]*|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$",
        ))
        .ok()
    });
    static DATE: LazyLock<Option<Regex>> = LazyLock::new(|| {
        Regex::new(concat!(
            r"^(?:[0-9]{4}-[0-9]{2}-[0-9]{2}|[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}(?:[Tt]|[ \t]+)[0-9]{1,2}",
            r":[0-9]{2}:[0-9]{2}(?:\.[0-9]*)?(?:[ \t]*(?:Z|[-+][0-9]{1,2}(?::[0-9]{2})?))?)$",
        ))
        .ok()
    });
    let is = |pattern: &Option<Regex>| pattern.as_ref().is_some_and(|regex| regex.is_match(text));
    if is(&INT) {
        Resolved::Other(ScalarType::Int)
    } else if is(&FLOAT) {
        Resolved::Other(ScalarType::Float)
    } else if is(&DATE) {
        Resolved::Other(ScalarType::Date)
    } else {
        Resolved::Text
    }
}

/// Returns an integer of YAML 1.1 in decimal, as Python prints it; the source text when it exceeds 128 bits.
pub(super) fn decimal(source: &str) -> String {
    let bare = source.replace('_', "");
    let (sign, digits) = match bare.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, bare.strip_prefix('+').unwrap_or(&bare)),
    };
    let value = if let Some(binary) = digits.strip_prefix("0b") {
        i128::from_str_radix(binary, 2).ok()
    } else if let Some(hex) = digits.strip_prefix("0x") {
        i128::from_str_radix(hex, 16).ok()
    } else if digits.contains(':') {
        sexagesimal(digits)
    } else if let Some(octal) = digits.strip_prefix('0').filter(|rest| !rest.is_empty()) {
        i128::from_str_radix(octal, 8).ok()
    } else {
        digits.parse().ok()
    };
    value
        .and_then(|value: i128| value.checked_mul(sign))
        .map_or_else(|| source.to_owned(), |value| value.to_string())
}

fn sexagesimal(digits: &str) -> Option<i128> {
    digits.split(':').try_fold(0i128, |sum, part| {
        sum.checked_mul(60)?.checked_add(part.parse().ok()?)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(resolved: Resolved, texts: &[&str]) {
        for text in texts {
            assert_eq!(resolve(text), resolved, "{text:?}");
        }
    }

    #[test]
    fn plain_scalars_are_what_a_yaml_1_1_loader_takes_them_for() {
        check(Resolved::Null, &["", "~", "null", "NULL"]);
        check(
            Resolved::Text,
            &[
                "nULL",
                "y",
                "N",
                "oN",
                "1e5",
                "1.5e3",
                "-",
                "+",
                ".",
                "1.2.3",
                "0.6.0",
                "=",
                "<<",
                "09",
                "0o17",
                "1,000",
                "12:60",
                "2026-1-2",
                "٣",
                "-.nan",
                "1 2",
                "0x",
                "{{#a.b#}}",
            ],
        );
        check(
            Resolved::Other(ScalarType::Bool),
            &["yes", "No", "ON", "off", "true", "FALSE"],
        );
        check(
            Resolved::Other(ScalarType::Int),
            &[
                "0", "12", "-1", "+5", "1_000", "0b11", "0x1F", "017", "12:30:45", "1:5", "00",
            ],
        );
        check(
            Resolved::Other(ScalarType::Float),
            &[
                "0.3",
                "1.",
                ".5",
                "-.inf",
                ".NaN",
                "1.5e+3",
                "1:30.5",
                "685_230.15",
            ],
        );
        check(
            Resolved::Other(ScalarType::Date),
            &["2026-01-02", "2026-1-2 3:04:05", "2001-12-14t21:59:43.10-05:00"],
        );
    }

    #[test]
    fn integers_print_as_python_prints_them() {
        for (source, printed) in [
            ("12345", "12345"),
            ("1_000", "1000"),
            ("+7", "7"),
            ("-0x1f", "-31"),
            ("0b101", "5"),
            ("017", "15"),
            ("12:30:45", "45045"),
            ("0", "0"),
        ] {
            assert_eq!(decimal(source), printed, "{source}");
        }
        let huge = "9".repeat(50);
        assert_eq!(decimal(&huge), huge);
    }
}
