//! `rebuild_index`: looks at every directory again and writes the index anew.

use serde_json::{Value, json};

use super::{Context, JobFailure};

/// Rebuilds the index.
///
/// # Errors
/// What the storage says.
pub(super) async fn run(context: &Context) -> Result<Value, JobFailure> {
    let rebuilt = context.manager.storage().rebuild_index(&context.progress).await;
    let (prompts, versions) = rebuilt.map_err(JobFailure::without_result)?;
    Ok(json!({"prompts": prompts, "versions": versions}))
}
