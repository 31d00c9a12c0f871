//! The schema of a job as it is submitted.

use std::borrow::Cow;

use utoipa::openapi::schema::ArrayBuilder;
use utoipa::openapi::schema::{AdditionalProperties, OneOfBuilder, Type};
use utoipa::openapi::{ObjectBuilder, RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use crate::http::schema::{PROMPT_ID, text};
use crate::jobs::JobKind;

/// A job as it is submitted: what `params` holds depends on `kind`.
pub(in crate::http) struct JobSubmission;

impl PartialSchema for JobSubmission {
    fn schema() -> RefOr<Schema> {
        let kinds = JobKind::ALL.into_iter().map(submission);
        let one_of = kinds.fold(OneOfBuilder::new(), OneOfBuilder::item);
        RefOr::T(Schema::OneOf(one_of.build()))
    }
}

impl ToSchema for JobSubmission {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("JobRequest")
    }
}

fn submission(kind: JobKind) -> ObjectBuilder {
    let name = ObjectBuilder::new()
        .schema_type(Type::String)
        .enum_values(Some([kind.as_str()]));
    let submission = closed_object().property("kind", name).required("kind");
    match kind {
        JobKind::Import => submission
            .description(Some(
                "Take the prompts out of a workflow document and store those that changed.",
            ))
            .property("params", import_params())
            .required("params"),
        JobKind::Verify => submission
            .description(Some("Read everything and report what is not as it should be."))
            .property("params", closed_object()),
        JobKind::RebuildIndex => submission
            .description(Some("Look at every directory again and write the index anew."))
            .property("params", closed_object()),
        JobKind::Backup => submission
            .description(Some(
                "Copy the store to the backup directory, consistent while it goes on.",
            ))
            .property("params", closed_object().property("target", place(TARGET))),
        JobKind::VerifyBackup => submission
            .description(Some(
                "Read a backup from end to end and hold it against its inventory.",
            ))
            .property(
                "params",
                closed_object()
                    .property("source", place(SOURCE))
                    .required("source"),
            )
            .required("params"),
        JobKind::Restore => submission
            .description(Some(
                "Take in from a backup what the store lacks; what is there is never overwritten.",
            ))
            .property("params", restore_params())
            .required("params"),
    }
}

const TARGET: &str = "A directory of snapshots, or a new archive NAME.tar.zst, beneath the backup directory; by \
                      default the directory `default`.";
const SOURCE: &str = "A snapshot or an archive beneath the backup directory, or a directory of snapshots: then its \
                      newest.";

fn place(description: &str) -> ObjectBuilder {
    text(r"^[^\x00-\x1f\x7f]+$", 1, 1_024, description)
}

fn restore_params() -> ObjectBuilder {
    let flag = |description| {
        ObjectBuilder::new()
            .schema_type(Type::Boolean)
            .description(Some(description))
    };
    let prompts = ArrayBuilder::new()
        .items(text(PROMPT_ID, 1, 128, "A prompt."))
        .max_items(Some(1_000))
        .description(Some(
            "Only these prompts. Needed, unless `all` is set or the store is empty.",
        ));
    closed_object()
        .property("source", place(SOURCE))
        .property("prompts", prompts)
        .property("all", flag("Every prompt of the backup, also into a store that is not empty."))
        .property(
            "lost",
            flag("Also numbers that were used here and are nowhere now; only from a backup of this very store."),
        )
        .property("dry_run", flag("Only say what would be done."))
        .required("source")
}

fn import_params() -> ObjectBuilder {
    let content = ObjectBuilder::new()
        .schema_type(Type::String)
        .description(Some("The workflow document: YAML or JSON text."));
    let name = "The name of the file; at most 255 bytes.";
    let workflow = "What the prompt ids begin with; by default made from the name of the file.";
    closed_object()
        .property("name", text("[^/]$", 1, 255, name))
        .property("content", content)
        .property("workflow", text(PROMPT_ID, 1, 40, workflow))
        .required("name")
        .required("content")
}

fn closed_object() -> ObjectBuilder {
    ObjectBuilder::new()
        .schema_type(Type::Object)
        .additional_properties(Some(AdditionalProperties::<Schema>::FreeForm(false)))
}
