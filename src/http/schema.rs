//! Schemas of the OpenAPI document that no type of the program has: references to versions, cursors, header values.

use std::borrow::Cow;

use utoipa::openapi::schema::{AnyOfBuilder, Type};
use utoipa::openapi::{ObjectBuilder, RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use super::params::MAX_REFERENCE_LEN;
use super::wire::{Page, PromptSummary, VersionSummary};
use crate::model::{PromptVersion, VersionSelector};

/// One number, as in a version.
macro_rules! number {
    () => {
        "(?:0|[1-9][0-9]{0,14})"
    };
}

/// A version: as the schema of [`crate::model::Version`] says it, but as a part of a larger pattern.
macro_rules! version {
    () => {
        concat!(
            number!(),
            r"\.",
            number!(),
            r"\.",
            number!(),
            "(?:-",
            pre_release_part!(),
            r"(?:\.",
            pre_release_part!(),
            ")*)?"
        )
    };
}

macro_rules! pre_release_part {
    () => {
        "(?:0|[1-9][0-9]*|[0-9]*[A-Za-z-][0-9A-Za-z-]*)"
    };
}

macro_rules! prompt_id {
    () => {
        r"[A-Za-z0-9](?:[A-Za-z0-9_-]|\.[A-Za-z0-9_-])*"
    };
}

/// `job_` and a UUID of version 7.
macro_rules! job_id {
    () => {
        "job_[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}"
    };
}

/// The length of a job id, in bytes.
const JOB_ID_LEN: usize = 40;

/// One bound of a range: `^1.2`, `>=1`, `1.*`.
macro_rules! bound {
    () => {
        concat!(
            r"(?:(?:[\^~=]|[<>]=?) ?",
            number!(),
            r"(?:\.",
            number!(),
            r"(?:\.",
            number!(),
            ")?)?|",
            number!(),
            r"(?:\.",
            number!(),
            r")?(?:\.\*)?)"
        )
    };
}

/// A number, a label (`latest` and `best` included), or a range.
const REFERENCE: &str = concat!(
    r"^(?:(?!x$|v[0-9])[a-z][a-z0-9._-]{0,63}|",
    version!(),
    r"|\*|",
    bound!(),
    "(?:, ?",
    bound!(),
    "){0,3})$"
);

/// The cursors of the lists.
const PROMPT_CURSOR: &str = concat!("^p~", prompt_id!(), "$");
const VERSION_CURSOR: &str = concat!("^v~", version!(), "$");
const TRASH_CURSOR: &str = concat!(
    "^t~(?=[^~]{1,128}~)",
    prompt_id!(),
    "~(?=[^~]{5,96}$)",
    version!(),
    "$"
);

const JOB_CURSOR: &str = concat!("^j~", job_id!(), "$");

/// A number of results.
const EVIDENCE_CURSOR: &str = "^e~[1-9][0-9]{0,8}$";

/// What the ids of an imported workflow's prompts can begin with.
pub(super) const PROMPT_ID: &str = concat!("^", prompt_id!(), "$");

/// Entity tags, for `If-None-Match` on a read.
const ENTITY_TAGS: &str = r#"^(?:\*|(?:W/)?"[!#-~]*"(?:, ?(?:W/)?"[!#-~]*"){0,7})$"#;

/// A quoted version, for `If-Match` on a label.
const QUOTED_VERSION: &str = concat!("^\"", version!(), "\"$");

impl PartialSchema for VersionSelector {
    fn schema() -> RefOr<Schema> {
        text(
            REFERENCE,
            1,
            MAX_REFERENCE_LEN,
            "A number, a range, a label, `latest` or `best`.",
        )
        .examples([serde_json::json!("latest"), serde_json::json!("^1.2")])
        .into()
    }
}

impl ToSchema for VersionSelector {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("VersionReference")
    }
}

/// The name of a job, as the API takes it.
pub(super) struct JobIdText;

impl PartialSchema for JobIdText {
    fn schema() -> RefOr<Schema> {
        let pattern = concat!("^", job_id!(), "$");
        text(pattern, JOB_ID_LEN, JOB_ID_LEN, "The name of a job.").into()
    }
}

impl ToSchema for JobIdText {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("JobId")
    }
}

/// A page of the list of prompts: summaries, or the documents at a label.
pub(super) struct PromptList;

impl PartialSchema for PromptList {
    fn schema() -> RefOr<Schema> {
        either::<Page<PromptSummary>, Page<PromptVersion>>()
    }
}

impl ToSchema for PromptList {
    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        collect::<PromptSummary>(schemas);
        collect::<PromptVersion>(schemas);
    }
}

/// A page of a prompt's versions: summaries or documents.
pub(super) struct VersionList;

impl PartialSchema for VersionList {
    fn schema() -> RefOr<Schema> {
        either::<Page<VersionSummary>, Page<PromptVersion>>()
    }
}

impl ToSchema for VersionList {
    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        collect::<VersionSummary>(schemas);
        collect::<PromptVersion>(schemas);
    }
}

/// An empty page fits both shapes, so that "one of" would be wrong.
fn either<A: ToSchema, B: ToSchema>() -> RefOr<Schema> {
    let any = AnyOfBuilder::new().item(A::schema()).item(B::schema());
    RefOr::T(Schema::AnyOf(any.build()))
}

fn collect<T: ToSchema>(schemas: &mut Vec<(String, RefOr<Schema>)>) {
    schemas.push((T::name().into_owned(), T::schema()));
    T::schemas(schemas);
}

pub(super) fn text(pattern: &str, min: usize, max: usize, description: &str) -> ObjectBuilder {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .pattern(Some(pattern))
        .min_length(Some(min))
        .max_length(Some(max))
        .description(Some(description))
}

/// `cursor` of the list of prompts.
pub(super) fn prompt_cursor() -> utoipa::openapi::Object {
    cursor(PROMPT_CURSOR, 130, "p~wf_001_llm_1")
}

/// `cursor` of a list of versions.
pub(super) fn version_cursor() -> utoipa::openapi::Object {
    cursor(VERSION_CURSOR, 98, "v~1.2.0")
}

/// `cursor` of the list of the trash.
pub(super) fn trash_cursor() -> utoipa::openapi::Object {
    cursor(TRASH_CURSOR, 227, "t~wf_001_llm_1~1.2.0")
}

/// `cursor` of the list of jobs.
pub(super) fn job_cursor() -> utoipa::openapi::Object {
    let example = "j~job_0190163d-8694-739b-aea5-966c26f8ad91";
    cursor(JOB_CURSOR, JOB_ID_LEN + 2, example)
}

/// `cursor` of the test results of a version.
pub(super) fn evidence_cursor() -> utoipa::openapi::Object {
    cursor(EVIDENCE_CURSOR, 11, "e~100")
}

/// `cursor` of the audit log.
pub(super) fn audit_cursor() -> utoipa::openapi::Object {
    cursor("^a~[0-9]{1,19}$", 21, "a~42")
}

/// `prefix` of the list of prompts: what a prompt id can begin with.
pub(super) fn prompt_prefix() -> utoipa::openapi::Object {
    text(r"^[A-Za-z0-9._-]*$", 0, 128, "Only prompts whose id begins so.").build()
}

/// `If-None-Match` on a read.
pub(super) fn entity_tags() -> utoipa::openapi::Object {
    text(
        ENTITY_TAGS,
        1,
        1024,
        "Answer 304 when the version has one of these entity tags.",
    )
    .examples([format!("\"sha256:{}\"", "0".repeat(64))])
    .build()
}

/// `If-None-Match` on a write.
pub(super) fn only_star() -> utoipa::openapi::Object {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .enum_values(Some(["*"]))
        .description(Some("Write only when there is nothing yet."))
        .build()
}

/// `If-Match` on a label.
pub(super) fn quoted_version() -> utoipa::openapi::Object {
    text(
        QUOTED_VERSION,
        7,
        98,
        "Write only when the label points at this version.",
    )
    .examples(["\"1.2.0\""])
    .build()
}

/// A revision, as it stands in the header of every answer.
pub(super) fn revision() -> utoipa::openapi::Object {
    let example = "00c0ffee00c0ffee.42";
    let about = "The revision after which to begin.";
    text(r"^[0-9a-f]{16}\.(?:0|[1-9][0-9]{0,18})$", 18, 36, about)
        .examples([example])
        .build()
}

fn cursor(pattern: &str, max: usize, example: &str) -> utoipa::openapi::Object {
    text(
        pattern,
        3,
        max,
        "The `next_cursor` of the page before; pass it as it came.",
    )
    .examples([example])
    .build()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::cursor;
    use crate::model::{PromptId, Version};

    /// The `regex` crate has no look-ahead; what these keep out is tested by the rules of labels and cursors.
    fn matches(pattern: &str, text: &str) -> bool {
        let looks = ["(?!x$|v[0-9])", "(?=[^~]{1,128}~)", "(?=[^~]{5,96}$)"];
        let plain = looks
            .iter()
            .fold(pattern.to_owned(), |pattern, look| pattern.replace(look, ""));
        regex::Regex::new(&plain).unwrap().is_match(text)
    }

    #[test]
    fn what_the_schema_of_a_reference_accepts_the_parser_accepts() {
        for text in [
            "latest",
            "best",
            "production",
            "1.2.0",
            "2.0.0-opt.3",
            "1.0.0-0a.x-y",
            "*",
            "1",
            "1.2",
            "1.*",
            "1.2.*",
            "^1.2",
            "~1",
            "=1.2.3",
            ">=1, <3",
            "> 1,<=2.5",
            "0.1",
        ] {
            assert!(matches(REFERENCE, text), "{text} does not match");
            assert!(text.parse::<VersionSelector>().is_ok(), "{text} does not parse");
        }
        for text in [
            "",
            "Production",
            "01.0.0",
            "1.0.0+b",
            "../x",
            "1.0.0-01",
            "1.0.0-",
            "^",
            "1.2.3.4",
            "\u{663}.0.0",
        ] {
            assert!(!matches(REFERENCE, text), "{text} matches");
            assert!(text.parse::<VersionSelector>().is_err(), "{text} parses");
        }
    }

    #[test]
    fn every_cursor_fits_its_pattern() {
        let (id, version) = (
            PromptId::new("a.b-c").unwrap(),
            Version::new("1.0.0-rc.1").unwrap(),
        );
        assert!(matches(PROMPT_CURSOR, &cursor::after_prompt(&id)));
        assert!(matches(VERSION_CURSOR, &cursor::after_version(&version)));
        assert!(matches(TRASH_CURSOR, &cursor::after_trashed(&id, &version)));
        assert!(matches(EVIDENCE_CURSOR, &cursor::after_evidence(50)));
        assert!(!matches(PROMPT_CURSOR, &cursor::after_version(&version)));
    }
}
