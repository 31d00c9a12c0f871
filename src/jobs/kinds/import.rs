//! `import`: takes the prompts out of a workflow document and stores those whose text changed.
//!
//! The document is read when the job is submitted, so that what is wrong with it is the answer to the submit, and is then
//! forgotten: it may hold keys and passwords, which no prompt does.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::each::each;
use super::import_result::{FailedPrompt, ImportResult, ImportedVersion, SkippedPlace};
use super::retry::Retries;
use super::{Context, JobError, JobFailure, Params};
use crate::dify::{self, DifyError, ExtractOptions};
use crate::model::{Prompt, PromptId, Timestamp};
use crate::versions::{Created, VersionError};

/// The longest name of a file, in bytes.
const MAX_NAME_BYTES: usize = 255;
/// The longest name of a workflow, in bytes: prompt ids begin with it and need room for more.
const MAX_WORKFLOW_BYTES: usize = 40;

/// A workflow document that is to be read.
pub(in crate::jobs) struct ImportOrder {
    name: String,
    content: String,
    workflow: Option<String>,
}

/// What was found in a workflow document, as it stands in the ledger until the job ends.
#[derive(Clone, Serialize, Deserialize)]
pub(in crate::jobs) struct ImportPlan {
    pub(super) file: String,
    pub(super) workflow: String,
    pub(super) empty: u64,
    pub(super) skipped: Vec<SkippedPlace>,
    pub(super) prompts: Vec<FoundPrompt>,
}

/// A prompt of the document.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct FoundPrompt {
    pub(super) prompt_id: PromptId,
    pub(super) pointer: String,
    pub(super) kind: String,
    pub(super) prompt: Prompt,
}

impl ImportOrder {
    /// Takes the parameters of an import.
    pub(super) fn read(params: &mut Params) -> Result<Self, JobError> {
        let order = Self {
            name: params.text("name")?,
            content: params.text("content")?,
            workflow: params.optional_text("workflow")?,
        };
        let refuse = |message: String| Err(JobError::InvalidParams(message));
        if base_name(&order.name).is_empty() || order.name.len() > MAX_NAME_BYTES {
            return refuse(format!(
                "params.name must be the name of the file, of 1 to {MAX_NAME_BYTES} bytes"
            ));
        }
        match &order.workflow {
            Some(workflow) if PromptId::new(workflow).is_err() || workflow.len() > MAX_WORKFLOW_BYTES => {
                refuse(format!(
                    "params.workflow must be a name for prompt ids of at most {MAX_WORKFLOW_BYTES} characters"
                ))
            }
            _ => Ok(order),
        }
    }

    /// Finds the prompts in the document.
    pub(super) fn prepare(self, options: &ExtractOptions) -> Result<ImportPlan, JobError> {
        let found = dify::extract(self.content.as_bytes(), options).map_err(refused)?;
        let file = base_name(&self.name);
        let workflow = self
            .workflow
            .unwrap_or_else(|| dify::workflow_slug(dify::document_stem(file), found.app.name.as_deref()));
        let now = Timestamp::now();
        let ids = dify::prompt_ids(&workflow, &found.prompts);
        let prompts = ids
            .into_iter()
            .zip(&found.prompts)
            .map(|(id, place)| FoundPrompt {
                pointer: place.pointer.clone(),
                kind: place.kind.as_str().to_owned(),
                prompt: dify::to_prompt(&id, &workflow, file, &found.app, place, now.clone()),
                prompt_id: id,
            });
        Ok(ImportPlan {
            prompts: prompts.collect(),
            empty: found.empty.len() as u64,
            skipped: found.diagnostics.into_iter().map(SkippedPlace::from).collect(),
            file: file.to_owned(),
            workflow,
        })
    }
}

impl ImportPlan {
    /// Returns the prompts that are written.
    pub(super) fn ids(&self) -> Vec<PromptId> {
        self.prompts.iter().map(|found| found.prompt_id.clone()).collect()
    }

    /// Returns what the ids of the prompts begin with.
    pub(super) fn workflow(&self) -> &str {
        &self.workflow
    }
}

/// Stores the prompts of a plan. What fails is collected, and the rest is stored all the same.
///
/// # Errors
/// The job was told to stop, or some prompts could not be stored; the result then says which.
pub(super) async fn run(plan: ImportPlan, context: Context) -> Result<Value, JobFailure> {
    let total = plan.prompts.len() as u64;
    let file = plan.file;
    let done = each(plan.prompts, &context, |found, context| {
        let file = file.clone();
        async move { imported(found, &file, &context).await }
    })
    .await;
    let (mut versions, mut failed) = (Vec::new(), Vec::new());
    for outcome in done {
        match outcome {
            Ok(version) => versions.push(version),
            Err(prompt) => failed.push(prompt),
        }
    }
    let created = versions.iter().filter(|version| version.created).count() as u64;
    let result = ImportResult {
        workflow: plan.workflow,
        prompts: total,
        created,
        unchanged: versions.len() as u64 - created,
        empty: plan.empty,
        skipped: plan.skipped,
        versions,
        failed,
    };
    result.judge()
}

async fn imported(
    found: FoundPrompt,
    file: &str,
    context: &Context,
) -> Result<ImportedVersion, FailedPrompt> {
    match found.store(file, context).await {
        Ok(made) => Ok(ImportedVersion {
            version: made.version.version.clone(),
            created: made.is_new,
            prompt_id: found.prompt_id,
            pointer: found.pointer,
            kind: found.kind,
        }),
        Err(error) => Err(FailedPrompt::of(found.prompt_id, &error)),
    }
}

impl FoundPrompt {
    /// Stores the prompt, unless its text is that of the latest version.
    pub(super) async fn store(&self, file: &str, context: &Context) -> Result<Created, VersionError> {
        let source = json!({"file": file, "pointer": self.pointer, "job_id": context.job_id.as_str()});
        let (manager, author) = (&context.manager, &context.author);
        let mut retries = Retries::default();
        loop {
            let (prompt, source) = (self.prompt.clone(), source.clone());
            match manager.import(&self.prompt_id, prompt, source, author).await {
                Err(error) if retries.again_after(&error, &context.progress).await => {}
                made => return made,
            }
        }
    }
}

fn refused(error: DifyError) -> JobError {
    match error {
        DifyError::TooLarge { bytes, limit } => JobError::TooLarge {
            what: "params.content",
            bytes: bytes as u64,
            limit: limit as u64,
        },
        error => JobError::InvalidDocument(error),
    }
}

/// Returns the last part of a path, which is all of it that is kept.
fn base_name(name: &str) -> &str {
    name.trim().rsplit(['/', '\\']).next().unwrap_or_default()
}

impl fmt::Debug for ImportOrder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ImportOrder")
            .field("name", &self.name)
            .field("content_bytes", &self.content.len())
            .field("workflow", &self.workflow)
            .finish()
    }
}

impl fmt::Debug for ImportPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ImportPlan")
            .field("file", &self.file)
            .field("workflow", &self.workflow)
            .field("prompts", &self.prompts.len())
            .finish_non_exhaustive()
    }
}
