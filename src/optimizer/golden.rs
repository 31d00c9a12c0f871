//! Numbers of the Python system, for tests that run where its data is at hand.

use serde_json::Value;

/// Reads one file of numbers, or says on standard error that the folder is absent.
pub(crate) fn read(name: &str) -> Option<Value> {
    let root = env!("CARGO_MANIFEST_DIR");
    let found = ["../shared/data", "../../shared/data"]
        .iter()
        .find_map(|data| std::fs::read(format!("{root}/{data}/golden/{name}")).ok());
    if found.is_none() {
        eprintln!("the data folder is absent: {name} is not compared");
    }
    found.map(|bytes| serde_json::from_slice(&bytes).unwrap())
}

/// Returns the items of a list.
pub(crate) fn items(value: &Value) -> &[Value] {
    value.as_array().unwrap()
}

/// Returns a number, bit for bit.
pub(crate) fn number(value: &Value) -> f64 {
    value.as_f64().unwrap()
}

/// Returns a text.
pub(crate) fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}
