//! The schema of a job as it is submitted.

use std::borrow::Cow;

use utoipa::openapi::schema::{AdditionalProperties, OneOfBuilder, Type};
use utoipa::openapi::{ArrayBuilder, ObjectBuilder, RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use crate::http::schema::{PROMPT_ID, text};
use crate::jobs::{JobKind, MAX_COST, MAX_LIST_ITEMS};
use crate::model::OptimizationStrategy;
use crate::optimizer::settings::{MAX_FACTOR, MAX_ITERATIONS};

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
        JobKind::Optimize => submission
            .description(Some(
                "Rewrite the prompts of a workflow document by rules or a language model. Every candidate is kept as a pre-release with its \
                 scores and whether it is accepted or why not; texts that no version has become versions first.",
            ))
            .property("params", optimize_params())
            .required("params"),
        JobKind::Verify => submission
            .description(Some(
                "Read everything and report what is not as it should be; mend what can be mended without losing anything.",
            ))
            .property("params", verify_params()),
        JobKind::Collect => submission
            .description(Some(
                "Move old versions to the trash, and forget what lies there for long. Without `apply` nothing is done.",
            ))
            .property("params", collect_params())
            .required("params"),
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

fn optimize_params() -> ObjectBuilder {
    let number = |min: f64, max: f64, description| {
        ObjectBuilder::new()
            .schema_type(Type::Number)
            .minimum(Some(min))
            .maximum(Some(max))
            .description(Some(description))
    };
    let enumeration = |names: Vec<&'static str>| {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .enum_values(Some(names))
    };
    let strategies = ArrayBuilder::new()
        .items(enumeration(
            OptimizationStrategy::ALL
                .map(OptimizationStrategy::as_str)
                .to_vec(),
        ))
        .max_items(Some(OptimizationStrategy::ALL.len()))
        .unique_items(true)
        .description(Some(
            "What is tried, in this order. Those of a language model are refused where none is configured.",
        ));
    let rounds = count(1, "The most rounds of each strategy.").maximum(Some(MAX_ITERATIONS as f64));
    let least = "A prompt that scores at least this is left alone.";
    let growth = "How many times as long as the original a candidate may be.";
    let shrink = "How many times as long as a candidate the original may be.";
    import_params()
        .description(Some("Settings that are absent are as the daemon is configured."))
        .property("strategies", strategies)
        .property("profile", enumeration(vec!["reference", "balanced"]))
        .property("min_baseline_score", number(0.0, 100.0, least))
        .property(
            "min_improvement",
            number(0.0, 100.0, "The least gain that is accepted, in points."),
        )
        .property(
            "min_confidence",
            number(0.0, 1.0, "The least confidence that is accepted."),
        )
        .property("max_iterations", rounds)
        .property("max_growth", number(1.0, MAX_FACTOR, growth))
        .property("max_shrink", number(1.0, MAX_FACTOR, shrink))
        .property(
            "max_accepted",
            count(
                1,
                "Begin no further prompt when so many have an accepted candidate.",
            ),
        )
        .property(
            "max_failures",
            count(1, "Begin no further prompt when so many could not be done."),
        )
        .property(
            "max_seconds",
            count(
                1,
                "Begin no further prompt after so many seconds; what is at work is finished.",
            ),
        )
        .property(
            "max_tokens",
            count(
                1,
                "The most tokens of a language model, besides what is configured.",
            ),
        )
        .property(
            "max_cost",
            number(
                0.0,
                MAX_COST,
                "The most money for a language model; refused where prices are not configured.",
            ),
        )
        .property("dry_run", flag("Store nothing; the result has the texts."))
}

fn verify_params() -> ObjectBuilder {
    let accept_edits =
        "Versions that were changed by hand and are taken as they now are, each as `name@1.2.0`.";
    closed_object()
        .property("prompts", prompt_ids())
        .property("repair", flag("Mend what can be mended."))
        .property("dry_run", flag("Only say what would be mended."))
        .property("accept_edits", list(text("@", 3, 256, accept_edits)))
}

fn collect_params() -> ObjectBuilder {
    let keep_last = "How many versions of each prompt stay.";
    let newer = "Younger versions stay as well; goes with `keep_last`.";
    let older = "What was deleted longer ago is forgotten for good.";
    closed_object()
        .property("prompts", prompt_ids())
        .property("prefix", text("", 0, 128, "Only prompts whose ids begin so."))
        .property("keep_last", count(1, keep_last))
        .property("keep_newer_than_seconds", count(0, newer))
        .property("trash_older_than_seconds", count(0, older))
        .property(
            "apply",
            flag("Do it; without it the result is what would be done."),
        )
}

fn prompt_ids() -> ArrayBuilder {
    list(text(PROMPT_ID, 1, 128, "A prompt id."))
}

fn list(items: impl Into<RefOr<Schema>>) -> ArrayBuilder {
    ArrayBuilder::new()
        .items(items.into())
        .max_items(Some(MAX_LIST_ITEMS))
}

fn flag(description: &str) -> ObjectBuilder {
    ObjectBuilder::new()
        .schema_type(Type::Boolean)
        .description(Some(description))
}

fn count(min: u64, description: &str) -> ObjectBuilder {
    ObjectBuilder::new()
        .schema_type(Type::Integer)
        .minimum(Some(min))
        .description(Some(description))
}

fn closed_object() -> ObjectBuilder {
    ObjectBuilder::new()
        .schema_type(Type::Object)
        .additional_properties(Some(AdditionalProperties::<Schema>::FreeForm(false)))
}
