//! A YAML document as plain data with line numbers.
//!
//! Parsing is bounded: one document of [`MAX_CONFIG_BYTES`], limited nesting, nodes and aliases; a repeated key is an
//! error. Only `true` and `false` are booleans: the word `off` stays a word, as `watch.mode` needs it.

use std::fmt;
use std::path::Path;

use serde::de::{self, Deserialize, Deserializer};
use serde_saphyr::{DefaultMessageFormatter, MessageFormatter as _, Options, Spanned};

use super::{ConfigError, MAX_CONFIG_BYTES, Origin};

/// The deepest nesting of a document; the deepest key of the configuration has five levels.
const MAX_DEPTH: usize = 32;

/// The most nodes of a document.
const MAX_NODES: usize = 100_000;

/// A node and the line where it begins, from 1.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Node {
    pub(super) line: usize,
    pub(super) content: Content,
}

/// What a node is.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Content {
    Scalar(Scalar),
    List(Vec<Node>),
    Map(Vec<Member>),
}

/// A key of a mapping, the line where it stands, and its value.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Member {
    pub(super) name: String,
    pub(super) line: usize,
    pub(super) value: Node,
}

/// A single value.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Scalar {
    Null,
    Bool(bool),
    Int(i128),
    Float(f64),
    Text(String),
}

/// What a scalar is, for an error message: `the text "abc"`.
impl fmt::Display for Scalar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const MAX_SHOWN: usize = 60;
        match self {
            Self::Null => f.write_str("empty (remove the key for its default)"),
            Self::Bool(flag) => write!(f, "{flag}"),
            Self::Int(number) => write!(f, "the number {number}"),
            Self::Float(number) => write!(f, "the number {number}"),
            Self::Text(text) if text.chars().count() > MAX_SHOWN => {
                write!(
                    f,
                    "the text {:?}...",
                    text.chars().take(MAX_SHOWN).collect::<String>()
                )
            }
            Self::Text(text) => write!(f, "the text {text:?}"),
        }
    }
}

/// Parses one document; an empty one is null.
///
/// # Errors
/// [`ConfigError::Syntax`] with the line in `path`; [`ConfigError::TooLarge`].
pub(super) fn parse(text: &str, path: &Path) -> Result<Node, ConfigError> {
    if text.len() > MAX_CONFIG_BYTES {
        return Err(ConfigError::TooLarge {
            path: path.to_owned(),
        });
    }
    serde_saphyr::from_str_with_options(text, options()).map_err(|error| {
        let line = error
            .location()
            .map_or(0, |location| line_number(location.line()));
        let at = Some(Origin::File {
            path: path.to_owned(),
            line,
        });
        ConfigError::Syntax {
            at,
            message: DefaultMessageFormatter.format_message(&error).into_owned(),
        }
    })
}

fn options() -> Options {
    let budget = serde_saphyr::budget! {
        max_depth: MAX_DEPTH,
        max_nodes: MAX_NODES,
        max_documents: 1,
        max_total_scalar_bytes: 8 * MAX_CONFIG_BYTES,
    };
    serde_saphyr::options! {
        budget: budget,
        strict_booleans: true,
        leading_zero_numbers_as_strings: true,
        with_snippet: false,
    }
}

fn line_number(line: u64) -> usize {
    usize::try_from(line).unwrap_or(usize::MAX)
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = Spanned::<Content>::deserialize(deserializer)?;
        Ok(Self {
            line: line_number(spanned.referenced.line()),
            content: spanned.value,
        })
    }
}

impl<'de> Deserialize<'de> for Content {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ContentVisitor)
    }
}

struct ContentVisitor;

impl<'de> de::Visitor<'de> for ContentVisitor {
    type Value = Content;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Content, E> {
        Ok(Content::Scalar(Scalar::Null))
    }

    fn visit_none<E>(self) -> Result<Content, E> {
        Ok(Content::Scalar(Scalar::Null))
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Content, D::Error> {
        Content::deserialize(deserializer)
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Content, E> {
        Ok(Content::Scalar(Scalar::Bool(flag)))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Content, E> {
        Ok(Content::Scalar(Scalar::Int(number.into())))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Content, E> {
        Ok(Content::Scalar(Scalar::Int(number.into())))
    }

    fn visit_i128<E>(self, number: i128) -> Result<Content, E> {
        Ok(Content::Scalar(Scalar::Int(number)))
    }

    fn visit_u128<E>(self, number: u128) -> Result<Content, E> {
        Ok(Content::Scalar(Scalar::Int(
            i128::try_from(number).unwrap_or(i128::MAX),
        )))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Content, E> {
        Ok(Content::Scalar(Scalar::Float(number)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Content, E> {
        Ok(Content::Scalar(Scalar::Text(text.to_owned())))
    }

    fn visit_seq<A: de::SeqAccess<'de>>(self, mut access: A) -> Result<Content, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = access.next_element()? {
            items.push(item);
        }
        Ok(Content::List(items))
    }

    fn visit_map<A: de::MapAccess<'de>>(self, mut access: A) -> Result<Content, A::Error> {
        let mut members = Vec::new();
        while let Some(key) = access.next_key::<Spanned<String>>()? {
            let line = line_number(key.referenced.line());
            members.push(Member {
                name: key.value,
                line,
                value: access.next_value()?,
            });
        }
        Ok(Content::Map(members))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scalar(text: &str) -> Scalar {
        match parse(&format!("k: {text}"), Path::new("x")).unwrap().content {
            Content::Map(mut members) => match members.remove(0).value.content {
                Content::Scalar(scalar) => scalar,
                other => panic!("{other:?}"),
            },
            other => panic!("{other:?}"),
        }
    }

    fn check_error(text: &str, line: usize, words: &str) {
        match parse(text, Path::new("x")) {
            Err(ConfigError::Syntax {
                at: Some(Origin::File { line: found, .. }),
                message,
            }) => {
                assert_eq!(found, line, "{text:?}: {message}");
                assert!(message.contains(words), "{text:?}: {message}");
            }
            other => panic!("{text:?}: {other:?}"),
        }
    }

    #[test]
    fn scalars_keep_their_types() {
        assert_eq!(scalar("12"), Scalar::Int(12));
        assert_eq!(scalar("-1"), Scalar::Int(-1));
        assert_eq!(scalar("1.5"), Scalar::Float(1.5));
        assert_eq!(scalar("true"), Scalar::Bool(true));
        assert_eq!(scalar("null"), Scalar::Null);
        assert_eq!(scalar(""), Scalar::Null);
        assert_eq!(scalar("\"12\""), Scalar::Text("12".to_owned()));
        assert_eq!(scalar("64 MiB"), Scalar::Text("64 MiB".to_owned()));
    }

    #[test]
    fn off_and_octal_modes_stay_texts() {
        for word in ["off", "on", "no", "yes", "0660"] {
            assert_eq!(scalar(word), Scalar::Text(word.to_owned()));
        }
    }

    #[test]
    fn keys_and_values_know_their_lines() {
        let Content::Map(members) = parse("# c\na:\n  b: 1\n", Path::new("x")).unwrap().content else {
            panic!("no map")
        };
        assert_eq!(members[0].line, 2);
        let Content::Map(inner) = &members[0].value.content else {
            panic!("no map")
        };
        assert_eq!((inner[0].line, inner[0].value.line), (3, 3));
    }

    #[test]
    fn an_empty_document_is_null() {
        for text in ["", "\n", "# only a comment\n", "---\n"] {
            assert_eq!(
                parse(text, Path::new("x")).unwrap().content,
                Content::Scalar(Scalar::Null),
                "{text:?}"
            );
        }
    }

    #[test]
    fn broken_documents_are_refused_with_their_line() {
        check_error("a: 1\nb: [1,\n", 2, "bracket");
        check_error("a: 1\na: 2\n", 2, "a");
        check_error("a: 1\n---\nb: 2\n", 2, "document");
        check_error("a: *nobody\n", 1, "");
    }

    #[test]
    fn documents_beyond_the_limits_are_refused() {
        let deep = format!("{}1", "- ".repeat(100_000));
        assert!(matches!(
            parse(&deep, Path::new("x")),
            Err(ConfigError::Syntax { .. })
        ));
        let wide = "- 1\n".repeat(MAX_NODES + 1);
        assert!(matches!(
            parse(&wide, Path::new("x")),
            Err(ConfigError::Syntax { .. })
        ));
        let long = "#".repeat(MAX_CONFIG_BYTES + 1);
        assert!(matches!(
            parse(&long, Path::new("x")),
            Err(ConfigError::TooLarge { .. })
        ));
        let bomb = "a: &a [x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b]\n\
                    d: &d [*c,*c,*c,*c,*c,*c,*c,*c]\ne: &e [*d,*d,*d,*d,*d,*d,*d,*d]\nf: [*e,*e,*e,*e,*e,*e,*e,*e]\n";
        assert!(parse(bomb, Path::new("x")).is_err());
    }
}
