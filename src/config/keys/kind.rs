//! The types of values, and what each accepts.

use std::fmt;
use std::net::SocketAddr;

use serde_json::Value;

use crate::config::yaml::{Content, Node, Scalar};
use crate::config::{AccessRule, ByteSize, SocketMode};

/// The longest name of a user or group, in bytes.
const MAX_ACCOUNT_BYTES: usize = 256;

/// The longest name in a list of names, in bytes: that of a host, with a scheme and a port.
const MAX_NAME_BYTES: usize = 300;

/// The most names in a list.
const MAX_NAMES: usize = 100;

/// The most rules of access.
const MAX_RULES: usize = 1_000;

/// The type of a key's value, with its bounds (both included).
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum KeyKind {
    /// `true` or `false`.
    Flag,
    /// A whole number.
    Count {
        /// The least value.
        min: u64,
        /// The greatest value.
        max: u64,
    },
    /// A number, whole or not.
    Number {
        /// The least value.
        min: f64,
        /// The greatest value.
        max: f64,
    },
    /// A number of bytes.
    Size {
        /// The least value in bytes.
        min: u64,
        /// The greatest value in bytes.
        max: u64,
    },
    /// One of some words.
    Choice(&'static [&'static str]),
    /// One or more of some words, none twice, in brackets: `[auto]`.
    Choices(&'static [&'static str]),
    /// A path, or null for the default that depends on the environment.
    Path,
    /// The permission bits of a socket.
    Mode,
    /// Any text, or null for none.
    Text,
    /// A number, whole or not, or null for none.
    OptionalNumber {
        /// The least value.
        min: f64,
        /// The greatest value.
        max: f64,
    },
    /// A group of the host by name or number, or null.
    Group,
    /// The rules of access: a list of sections.
    Rules,
    /// An address of the loopback with a port, or null.
    Loopback,
    /// A list of names without blanks, which may be empty: `[a.example, b.example:80]`.
    Names,
}

/// Why a value was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::config) enum Problem {
    /// It has another type than the key; the text says what it is.
    WrongType(String),
    /// It has the right type and is not allowed; the text is the value.
    OutOfBounds(String),
}

impl KeyKind {
    /// Checks a scalar and returns it in the form in which [`Config`](crate::config::Config) reads it.
    pub(in crate::config) fn check(self, scalar: &Scalar) -> Result<Value, Problem> {
        let wrong = || Problem::WrongType(scalar.to_string());
        match (self, scalar) {
            (Self::Flag, Scalar::Bool(flag)) => Ok(Value::Bool(*flag)),
            (Self::Count { min, max } | Self::Size { min, max }, Scalar::Int(number)) => {
                within(*number, min, max).map(Value::from)
            }
            (
                Self::OptionalNumber { .. } | Self::Text | Self::Path | Self::Group | Self::Loopback,
                Scalar::Null,
            ) => Ok(Value::Null),
            (Self::Text, Scalar::Text(text)) if is_plain_text(text) => Ok(Value::from(text.as_str())),
            // What is refused may be a secret in the wrong place: it is not repeated.
            (Self::Text, Scalar::Text(_)) => Err(Problem::OutOfBounds(
                "blank, or has control characters".to_owned(),
            )),
            (
                Self::Number { min, max } | Self::OptionalNumber { min, max },
                Scalar::Int(_) | Scalar::Float(_),
            ) => {
                let number = match scalar {
                    Scalar::Int(number) => *number as f64,
                    Scalar::Float(number) => *number,
                    _ => return Err(wrong()),
                };
                if (min..=max).contains(&number) {
                    Ok(Value::from(number))
                } else {
                    Err(Problem::OutOfBounds(number.to_string()))
                }
            }
            (Self::Size { min, max }, Scalar::Text(text)) => {
                let size: ByteSize = text.parse().map_err(|_| wrong())?;
                let inside = (min..=max).contains(&size.get());
                if inside {
                    Ok(Value::from(size.get()))
                } else {
                    Err(Problem::OutOfBounds(text.clone()))
                }
            }
            (Self::Choice(words), Scalar::Text(text)) => {
                let known = words.contains(&text.as_str());
                if known {
                    Ok(Value::from(text.as_str()))
                } else {
                    Err(Problem::OutOfBounds(text.clone()))
                }
            }
            // One word is a list of one, and a variable separates its words by commas.
            (Self::Choices(words), Scalar::Text(text)) => {
                let names: Vec<&str> = text.split(',').map(str::trim).collect();
                choices(words, &names).ok_or_else(|| Problem::OutOfBounds(text.clone()))
            }
            (Self::Path, Scalar::Text(text)) if is_usable_path(text) => Ok(Value::from(text.as_str())),
            (Self::Loopback, Scalar::Text(text)) if is_loopback(text) => Ok(Value::from(text.as_str())),
            (Self::Path | Self::Loopback, Scalar::Text(text)) => Err(Problem::OutOfBounds(text.clone())),
            (Self::Mode, Scalar::Text(text)) => match text.parse::<SocketMode>() {
                Ok(mode) => Ok(Value::from(mode.to_string())),
                Err(_) => Err(Problem::OutOfBounds(text.clone())),
            },
            (Self::Group, Scalar::Int(number)) => {
                within(*number, 0, u64::from(u32::MAX) - 1).map(|gid| Value::from(gid.to_string()))
            }
            (Self::Group, Scalar::Text(name)) if is_account(name) => Ok(Value::from(name.as_str())),
            (Self::Group, Scalar::Text(name)) => Err(Problem::OutOfBounds(name.clone())),
            (Self::Names, Scalar::Text(text)) => {
                let names: Vec<&str> = text
                    .split(',')
                    .map(str::trim)
                    .filter(|name| !name.is_empty())
                    .collect();
                names_of(&names)
            }
            // A variable has the rules as JSON.
            (Self::Rules, Scalar::Text(text)) => match serde_json::from_str(text) {
                Ok(Value::Array(rules)) => rules_of(rules),
                _ => Err(Problem::OutOfBounds("no JSON list".to_owned())),
            },
            _ => Err(wrong()),
        }
    }

    /// Checks what is no scalar; only [`KeyKind::Choices`], [`KeyKind::Names`] and [`KeyKind::Rules`] take it.
    pub(in crate::config) fn check_items(self, items: &[Node]) -> Result<Value, Problem> {
        if self == Self::Rules {
            return rules_of(items.iter().map(value_of).collect());
        }
        let scalars: Option<Vec<&Scalar>> = items
            .iter()
            .map(|item| match &item.content {
                Content::Scalar(scalar) => Some(scalar),
                Content::List(_) | Content::Map(_) => None,
            })
            .collect();
        let nested = || Problem::WrongType("a list with a list or section in it".to_owned());
        self.check_list(&scalars.ok_or_else(nested)?)
    }

    /// Checks a list of scalars; only [`KeyKind::Choices`] and [`KeyKind::Names`] take one.
    pub(in crate::config) fn check_list(self, items: &[&Scalar]) -> Result<Value, Problem> {
        if !matches!(self, Self::Choices(_) | Self::Names) {
            return Err(Problem::WrongType("a list".to_owned()));
        }
        let mut names = Vec::with_capacity(items.len());
        for item in items {
            match item {
                Scalar::Text(text) => names.push(text.as_str()),
                other => return Err(Problem::WrongType(format!("a list with {other}"))),
            }
        }
        let Self::Choices(words) = self else {
            return names_of(&names);
        };
        choices(words, &names).ok_or_else(|| Problem::OutOfBounds(format!("[{}]", names.join(", "))))
    }

    /// Reads the text of an environment variable as a scalar of this kind, so that one check serves both sources.
    pub(in crate::config) fn scalar_of(self, text: &str) -> Scalar {
        let words = text.trim();
        let as_text = || Scalar::Text(text.to_owned());
        match self {
            Self::Flag => match words.to_ascii_lowercase().as_str() {
                "true" => Scalar::Bool(true),
                "false" => Scalar::Bool(false),
                _ => as_text(),
            },
            Self::Count { .. } | Self::Size { .. } => words.parse().map_or_else(|_| as_text(), Scalar::Int),
            Self::Path | Self::Text | Self::Group | Self::Loopback | Self::OptionalNumber { .. }
                if words.is_empty() || words == "null" =>
            {
                Scalar::Null
            }
            Self::Number { .. } | Self::OptionalNumber { .. } => {
                words.parse().map_or_else(|_| as_text(), Scalar::Float)
            }
            Self::Path | Self::Text | Self::Rules | Self::Names => as_text(),
            Self::Choice(_) | Self::Choices(_) | Self::Mode | Self::Group | Self::Loopback => {
                Scalar::Text(words.to_owned())
            }
        }
    }

    /// Returns a value as it is written in the file.
    pub(in crate::config) fn show(self, value: &Value) -> String {
        match (self, value) {
            (Self::Size { .. }, Value::Number(number)) => {
                ByteSize::new(number.as_u64().unwrap_or(0)).to_string()
            }
            (Self::Choices(_), Value::Array(words)) => {
                let words: Vec<&str> = words.iter().filter_map(Value::as_str).collect();
                format!("[{}]", words.join(", "))
            }
            (Self::Names, Value::Array(names)) => {
                let names = names.iter().filter_map(Value::as_str);
                let names: Vec<String> = names.map(crate::config::render::quoted).collect();
                format!("[{}]", names.join(", "))
            }
            (Self::Choice(_), Value::String(word)) if word != "off" => word.clone(),
            (_, Value::String(text)) => crate::config::render::quoted(text),
            (_, other) => other.to_string(),
        }
    }

    /// Checks a value that was not read from text, such as a default.
    #[cfg(test)]
    pub(in crate::config) fn check_value(self, value: &Value) -> Result<(), Problem> {
        let scalar = match value {
            Value::Null => Scalar::Null,
            Value::Bool(flag) => Scalar::Bool(*flag),
            Value::Number(number) => number.as_u64().map_or_else(
                || Scalar::Float(number.as_f64().unwrap()),
                |whole| Scalar::Int(whole.into()),
            ),
            Value::Array(rules) if self == Self::Rules => return rules_of(rules.clone()).map(drop),
            Value::Array(items) => {
                let items: Vec<Scalar> = items
                    .iter()
                    .map(|i| Scalar::Text(i.as_str().unwrap().to_owned()))
                    .collect();
                return self.check_list(&items.iter().collect::<Vec<_>>()).map(|_| ());
            }
            other => Scalar::Text(other.as_str().unwrap().to_owned()),
        };
        self.check(&scalar).map(|_| ())
    }
}

/// What the value must be, as the tail of a sentence: `1 to 65536`, `one of text, json`.
impl fmt::Display for KeyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag => f.write_str("true or false"),
            Self::Count { min, max } => write!(f, "a whole number, {min} to {max}"),
            Self::Number { min, max } => write!(f, "a number, {min} to {max}"),
            Self::Size { min, max } => {
                write!(f, "a size, {} to {}", ByteSize::new(*min), ByteSize::new(*max))
            }
            Self::Choice(words) => write!(f, "one of {}", words.join(", ")),
            Self::Choices(words) => write!(f, "a list of some of {}, none twice", words.join(", ")),
            Self::Text => f.write_str("a text, or null"),
            Self::OptionalNumber { min, max } => write!(f, "a number, {min} to {max}, or null"),
            Self::Path => f.write_str("a path, not beginning with ~, or null"),
            Self::Mode => f.write_str("octal digits in quotes, \"0600\" to \"0777\", owner included"),
            Self::Group => f.write_str("the name or number of a group, or null"),
            Self::Rules => f.write_str("a list of rules {users, groups, role, prompts, labels}"),
            Self::Loopback => f.write_str(
                "an address of this host alone with a port, such as 127.0.0.1:9464 or \"[::1]:9464\", or null",
            ),
            Self::Names => f.write_str("a list of names without blanks and commas"),
        }
    }
}

/// Returns the words of a list, or nothing when one is not known, one stands twice, or there is none.
fn choices(known: &[&str], names: &[&str]) -> Option<Value> {
    let is_new = |(index, name): (usize, &&str)| !names.iter().take(index).any(|before| before == name);
    let all_known = names.iter().all(|name| known.contains(name));
    let all_new = names.iter().enumerate().all(is_new);
    (all_known && all_new && !names.is_empty()).then(|| names.iter().copied().map(Value::from).collect())
}

/// Returns the names of a list, when each of them is one.
fn names_of(names: &[&str]) -> Result<Value, Problem> {
    let is_name = |name: &&str| {
        let is_part = |c: char| c.is_ascii_graphic() && c != ',';
        (1..=MAX_NAME_BYTES).contains(&name.len()) && name.chars().all(is_part)
    };
    if names.len() <= MAX_NAMES && names.iter().all(is_name) {
        Ok(names.iter().copied().map(Value::from).collect())
    } else {
        Err(Problem::OutOfBounds(format!("[{}]", names.join(", "))))
    }
}

fn is_loopback(text: &str) -> bool {
    text.parse::<SocketAddr>()
        .is_ok_and(|address| address.ip().is_loopback())
}

fn within(number: i128, min: u64, max: u64) -> Result<u64, Problem> {
    u64::try_from(number)
        .ok()
        .filter(|value| (min..=max).contains(value))
        .ok_or_else(|| Problem::OutOfBounds(number.to_string()))
}

fn is_plain_text(text: &str) -> bool {
    !text.trim().is_empty() && !text.chars().any(char::is_control)
}

/// Tells whether a text may be the name or number of a user or group.
pub(in crate::config) fn is_account(text: &str) -> bool {
    (1..=MAX_ACCOUNT_BYTES).contains(&text.len())
        && !text.contains(['\0', ':', '/', '\n'])
        && text.trim() == text
}

/// Checks the rules and brings them into their one form.
fn rules_of(rules: Vec<Value>) -> Result<Value, Problem> {
    if rules.len() > MAX_RULES {
        return Err(Problem::OutOfBounds(format!("a list of {}", rules.len())));
    }
    let mut checked = Vec::with_capacity(rules.len());
    for (index, rule) in rules.into_iter().enumerate() {
        let wrong = |reason: String| Problem::OutOfBounds(format!("wrong in rule {} ({reason})", index + 1));
        let rule: AccessRule = serde_json::from_value(rule).map_err(|e| wrong(e.to_string()))?;
        rule.check().map_err(&wrong)?;
        checked.push(serde_json::to_value(rule).map_err(|e| wrong(e.to_string()))?);
    }
    Ok(Value::Array(checked))
}

/// Returns a node without its line numbers.
fn value_of(node: &Node) -> Value {
    match &node.content {
        Content::Scalar(Scalar::Null) => Value::Null,
        Content::Scalar(Scalar::Bool(flag)) => Value::Bool(*flag),
        Content::Scalar(Scalar::Int(number)) => i64::try_from(*number).map_or(Value::Null, Value::from),
        Content::Scalar(Scalar::Float(number)) => Value::from(*number),
        Content::Scalar(Scalar::Text(text)) => Value::from(text.as_str()),
        Content::List(items) => items.iter().map(value_of).collect(),
        Content::Map(members) => {
            let members = members.iter();
            Value::Object(members.map(|m| (m.name.clone(), value_of(&m.value))).collect())
        }
    }
}

/// A leading `~` is refused because nothing expands it here: it would make a directory of that name.
fn is_usable_path(text: &str) -> bool {
    !text.trim().is_empty() && !text.starts_with('~') && !text.contains('\0')
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOTHING: Option<Value> = None;

    fn check(kind: KeyKind, scalar: impl Into<Scalar>, accepted: Option<impl Into<Value>>) {
        let scalar = scalar.into();
        assert_eq!(
            kind.check(&scalar).ok(),
            accepted.map(Into::into),
            "{kind:?} {scalar:?}"
        );
    }

    fn text(text: &str) -> Scalar {
        Scalar::Text(text.to_owned())
    }

    #[test]
    fn bounds_are_included() {
        let kind = KeyKind::Count { min: 1, max: 9 };
        check(kind, Scalar::Int(1), Some(1));
        check(kind, Scalar::Int(9), Some(9));
        for number in [0, 10, -1, i128::MAX, i128::MIN] {
            assert_eq!(
                kind.check(&Scalar::Int(number)),
                Err(Problem::OutOfBounds(number.to_string()))
            );
        }
    }

    #[test]
    fn sizes_take_numbers_and_texts() {
        let kind = KeyKind::Size { min: 1024, max: 4096 };
        check(kind, Scalar::Int(2048), Some(2048));
        check(kind, text("2KiB"), Some(2048));
        check(kind, text("8KiB"), NOTHING);
        check(kind, text("2 kilos"), NOTHING);
        check(kind, Scalar::Float(2048.0), NOTHING);
    }

    #[test]
    fn another_type_is_not_read_as_if_it_were_the_right_one() {
        check(KeyKind::Flag, text("true"), NOTHING);
        check(KeyKind::Flag, Scalar::Int(1), NOTHING);
        check(KeyKind::Flag, Scalar::Null, NOTHING);
        check(KeyKind::Count { min: 0, max: 9 }, text("5"), NOTHING);
        check(KeyKind::Choice(&["on"]), Scalar::Bool(true), NOTHING);
        check(KeyKind::Mode, Scalar::Int(0o660), NOTHING);
        check(KeyKind::Path, Scalar::Int(5), NOTHING);
    }

    #[test]
    fn paths_are_null_or_written_out() {
        check(KeyKind::Path, Scalar::Null, Some(Value::Null));
        check(KeyKind::Path, text("/srv/x"), Some("/srv/x"));
        for path in ["", " ", "~/x", "a\0b"] {
            check(KeyKind::Path, text(path), NOTHING);
        }
    }

    #[test]
    fn texts_and_some_numbers_may_be_absent() {
        check(KeyKind::Text, Scalar::Null, Some(Value::Null));
        check(KeyKind::Text, text("gpt 5"), Some("gpt 5"));
        for words in ["", " ", "a\nb", "a\0b"] {
            check(KeyKind::Text, text(words), NOTHING);
        }
        check(KeyKind::Text, Scalar::Int(5), NOTHING);
        let kind = KeyKind::OptionalNumber { min: 0.0, max: 9.0 };
        check(kind, Scalar::Null, Some(Value::Null));
        check(kind, Scalar::Float(0.5), Some(0.5));
        check(kind, Scalar::Int(10), NOTHING);
        assert_eq!(kind.scalar_of("null"), Scalar::Null);
        assert_eq!(kind.scalar_of("2.5"), Scalar::Float(2.5));
        assert_eq!(KeyKind::Text.scalar_of(""), Scalar::Null);
        assert_eq!(KeyKind::Text.scalar_of("m"), text("m"));
    }

    #[test]
    fn an_address_is_of_this_host_alone() {
        for address in ["127.0.0.1:9464", "127.9.9.9:1", "[::1]:9464", "127.0.0.1:0"] {
            check(KeyKind::Loopback, text(address), Some(address));
        }
        check(KeyKind::Loopback, Scalar::Null, Some(Value::Null));
        for address in [
            "0.0.0.0:9464",
            "[::]:9464",
            "192.0.2.7:9464",
            "localhost:9464",
            "127.0.0.1",
            "127.0.0.1:99999",
            "[::ffff:127.0.0.1]:9464",
            "",
        ] {
            check(KeyKind::Loopback, text(address), NOTHING);
        }
        check(KeyKind::Loopback, Scalar::Int(9_464), NOTHING);
    }

    #[test]
    fn names_are_a_list_in_a_file_and_separated_by_commas_in_a_variable() {
        let names = |names: &[&str]| Some(names.iter().copied().map(Value::from).collect::<Value>());
        check(
            KeyKind::Names,
            KeyKind::Names.scalar_of("a.example, b:80"),
            names(&["a.example", "b:80"]),
        );
        check(KeyKind::Names, KeyKind::Names.scalar_of(""), names(&[]));
        check(KeyKind::Names, text("a b"), NOTHING);
        let list = [text("a.example"), text("b")];
        let list: Vec<&Scalar> = list.iter().collect();
        assert_eq!(KeyKind::Names.check_list(&list).ok(), names(&["a.example", "b"]));
        assert_eq!(KeyKind::Names.check_list(&[]).ok(), names(&[]));
        assert!(KeyKind::Names.check_list(&[&text("a,b")]).is_err());
    }

    #[test]
    fn environment_texts_become_scalars_of_the_kind() {
        let count = KeyKind::Count { min: 0, max: 9 };
        assert_eq!(count.scalar_of(" 5 "), Scalar::Int(5));
        assert_eq!(count.scalar_of("five"), text("five"));
        assert_eq!(KeyKind::Flag.scalar_of("TRUE"), Scalar::Bool(true));
        assert_eq!(KeyKind::Path.scalar_of(""), Scalar::Null);
        assert_eq!(KeyKind::Mode.scalar_of("0660"), text("0660"));
        assert_eq!(KeyKind::Choice(&["off"]).scalar_of("off"), text("off"));
    }
}
