//! Request bodies refuse unknown keys, answers may grow new ones: one schema cannot say both.
//!
//! A schema that is used in requests only is closed in place. One that is used in answers too stays open, and requests get
//! a closed copy of it under the name with `Input` behind it.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

const PREFIX: &str = "#/components/schemas/";

/// Closes every object that is reachable from a request body.
pub(super) fn close_request_schemas(document: &mut Value) {
    let Some(schemas) = document
        .pointer("/components/schemas")
        .and_then(Value::as_object)
        .cloned()
    else {
        return;
    };
    let (mut from_requests, mut from_answers) = (BTreeSet::new(), BTreeSet::new());
    super::for_each_operation(document, |operation| {
        let named = |key: &str| operation.get(key).map(references).unwrap_or_default();
        from_requests.extend(named("requestBody"));
        from_answers.extend(named("responses"));
        from_answers.extend(named("parameters"));
    });
    let objects: BTreeSet<String> = reachable(from_requests, &schemas)
        .into_iter()
        .filter(|name| schemas.get(name).is_some_and(is_open_object))
        .collect();
    let copied: BTreeSet<String> = reachable(from_answers, &schemas)
        .intersection(&objects)
        .cloned()
        .collect();
    if let Some(schemas) = document
        .pointer_mut("/components/schemas")
        .and_then(Value::as_object_mut)
    {
        for name in &objects {
            close_one(schemas, name, &copied);
        }
    }
    super::for_each_operation(document, |operation| {
        if let Some(body) = operation.get_mut("requestBody") {
            rename(body, &copied);
        }
    });
}

fn close_one(schemas: &mut Map<String, Value>, name: &str, copied: &BTreeSet<String>) {
    let Some(mut schema) = schemas.get(name).cloned() else {
        return;
    };
    rename(&mut schema, copied);
    close(&mut schema);
    let name = if copied.contains(name) {
        format!("{name}Input")
    } else {
        name.to_owned()
    };
    schemas.insert(name, schema);
}

/// An object with named properties, or something made of such objects.
fn is_open_object(schema: &Value) -> bool {
    schema.get("properties").is_some() || schema.get("oneOf").is_some() || schema.get("anyOf").is_some()
}

fn close(schema: &mut Value) {
    match schema {
        Value::Object(object) => {
            object.values_mut().for_each(close);
            if object.get("properties").is_some_and(Value::is_object)
                && object.get("type").and_then(Value::as_str) == Some("object")
                && !object.contains_key("additionalProperties")
            {
                object.insert("additionalProperties".to_owned(), Value::Bool(false));
            }
        }
        Value::Array(items) => items.iter_mut().for_each(close),
        _ => {}
    }
}

fn rename(value: &mut Value, copied: &BTreeSet<String>) {
    match value {
        Value::Object(object) => {
            for (key, value) in object.iter_mut() {
                match value {
                    Value::String(text) if key == "$ref" => {
                        if text
                            .strip_prefix(PREFIX)
                            .is_some_and(|name| copied.contains(name))
                        {
                            text.push_str("Input");
                        }
                    }
                    value => rename(value, copied),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| rename(item, copied)),
        _ => {}
    }
}

fn reachable(start: BTreeSet<String>, schemas: &Map<String, Value>) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut open: Vec<String> = start.into_iter().collect();
    while let Some(name) = open.pop() {
        if let Some(schema) = schemas.get(&name) {
            open.extend(
                references(schema)
                    .into_iter()
                    .filter(|next| !found.contains(next)),
            );
        }
        found.insert(name);
    }
    found
}

/// The names of all schemas that are referred to inside a value.
pub(super) fn references(value: &Value) -> BTreeSet<String> {
    match value {
        Value::Object(object) => object
            .iter()
            .flat_map(|(key, value)| match value.as_str() {
                Some(text) if key == "$ref" => {
                    text.strip_prefix(PREFIX).map(str::to_owned).into_iter().collect()
                }
                _ => references(value),
            })
            .collect(),
        Value::Array(items) => items.iter().flat_map(references).collect(),
        _ => BTreeSet::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_schema_of_both_directions_is_copied_and_one_of_requests_is_closed_in_place() {
        let reference = |name: &str| json!({"$ref": format!("{PREFIX}{name}")});
        let object = |name: &str| json!({"type": "object", "properties": {"x": reference(name)}});
        let mut document = json!({
            "paths": {"/": {"put": {"requestBody": {"schema": reference("New")}, "responses": {"200": reference("Shared")}}}},
            "components": {"schemas": {
                "New": object("Shared"), "Shared": object("Word"), "Word": {"type": "string"}, "Unrelated": object("Word")
            }}
        });
        close_request_schemas(&mut document);
        let schemas = &document["components"]["schemas"];
        assert_eq!(schemas["New"]["additionalProperties"], json!(false));
        assert_eq!(schemas["New"]["properties"]["x"], reference("SharedInput"));
        assert_eq!(schemas["SharedInput"]["additionalProperties"], json!(false));
        assert_eq!(schemas["SharedInput"]["properties"]["x"], reference("Word"));
        assert_eq!(schemas["Shared"], object("Word"));
        assert_eq!(schemas["Unrelated"], object("Word"));
        assert_eq!(
            document["paths"]["/"]["put"]["requestBody"]["schema"],
            reference("New")
        );
    }
}
