//! JSON without ambiguity: an object that names a key twice is refused, as RFC 8259 leaves its meaning open.

use std::fmt;

use serde::de::{DeserializeSeed, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// Keys with this prefix mean something to `serde_json` itself and would not come back as they went in.
const PRIVATE_KEY_PREFIX: &str = "$serde_json::private::";

/// Reads a JSON document. Nesting is limited to 128 levels.
///
/// # Errors
/// A sentence with line and column.
pub(crate) fn parse(bytes: &[u8]) -> Result<Value, String> {
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let value = Strict.deserialize(&mut deserializer).map_err(|e| e.to_string())?;
    deserializer.end().map_err(|e| e.to_string())?;
    Ok(value)
}

struct Strict;

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = Value;

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value)
            .map(Value::Number)
            .ok_or_else(|| E::custom("number out of range"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = access.next_element_seed(Strict)? {
            items.push(item);
        }
        Ok(Value::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(key) = access.next_key::<String>()? {
            if object.contains_key(&key) {
                return Err(A::Error::custom(format_args!("duplicate key {key:?}")));
            }
            if key.starts_with(PRIVATE_KEY_PREFIX) {
                return Err(A::Error::custom(format_args!("key {key:?} is reserved")));
            }
            let value = access.next_value_seed(Strict)?;
            object.insert(key, value);
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Result<Value, &str>) {
        match (parse(text.as_bytes()), expected) {
            (Ok(found), Ok(expected)) => assert_eq!(found, expected, "{text}"),
            (Err(found), Err(part)) => assert!(found.contains(part), "{text}: {found:?} without {part:?}"),
            (found, _) => panic!("{text}: {found:?}"),
        }
    }

    #[test]
    fn every_kind_of_value_reads_as_usual() {
        let text =
            r#" {"a": [1, -2, 2.5, 18446744073709551615, "x\u0041", true, false, null, {}], "b": {"a": 1}} "#;
        check(text, Ok(serde_json::from_str(text).unwrap()));
    }

    #[test]
    fn what_has_no_one_meaning_is_refused_with_its_place() {
        check(r#"{"a": 1, "a": 1}"#, Err("duplicate key \"a\" at line 1"));
        check(r#"[{"b": {"a": 1, "c": 2, "a": 3}}]"#, Err("duplicate key"));
        check(r#"{"$serde_json::private::RawValue": "1"}"#, Err("reserved"));
    }

    #[test]
    fn what_is_no_json_is_refused() {
        for text in [
            "",
            "{",
            "{}x",
            "[1,]",
            "nul",
            "'a'",
            "NaN",
            "1e999",
            "\"\\ud800\"",
            "\u{feff}{}",
        ] {
            assert!(parse(text.as_bytes()).is_err(), "{text:?}");
        }
        assert!(parse(b"\"\xff\"").is_err(), "invalid UTF-8");
        let deep = |levels: usize| "[".repeat(levels) + &"]".repeat(levels);
        check(&deep(200), Err("recursion limit exceeded"));
        assert!(parse(deep(100).as_bytes()).is_ok());
    }
}
