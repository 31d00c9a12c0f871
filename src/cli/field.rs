//! Fields of JSON that another version of promptd may not have.

use serde_json::Value;

/// Returns what lies at a path such as `/storage/disk`; null where there is nothing.
pub(crate) fn field<'a>(value: &'a Value, path: &str) -> &'a Value {
    value.pointer(path).unwrap_or(&Value::Null)
}
