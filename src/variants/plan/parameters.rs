//! A mapping that keeps the order of the file: it is the order of the dimensions.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};

use super::InputParameter;

/// Parameters in the order in which they are written.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Parameters(pub Vec<(String, InputParameter)>);

impl<'de> Deserialize<'de> for Parameters {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(InOrder)
    }
}

struct InOrder;

impl<'de> Visitor<'de> for InOrder {
    type Value = Parameters;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a mapping of names to parameters")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Parameters, A::Error> {
        let mut found = Vec::new();
        while let Some(entry) = access.next_entry()? {
            found.push(entry);
        }
        Ok(Parameters(found))
    }
}
