//! `promptctl rm`: delete versions and prompts.

use clap::Args;

use crate::cli::confirm::confirm;
use crate::cli::exit::{CliError, Exit};
use crate::cli::reference::Target;
use crate::cli::session::Session;
use crate::cli::wording::counted;
use crate::client::Client;
use crate::http::wire::{DeletedVersions, PromptSummary};
use crate::model::{PromptId, Version, VersionSelector};

const EXAMPLES: &str = "\
Examples:
  promptctl rm greet@1.2.0                move one version to the trash
  promptctl rm greet --dry-run            what would be moved
  promptctl rm greet --yes                move all versions to the trash, without a question
  promptctl rm greet --purge              forget the prompt altogether; cannot be undone
  promptctl rm greet@1.2.0 --purge        forget one version for good; its number stays used";

/// Move versions or whole prompts to the trash
///
/// Asks before it does; a script says --yes. 'promptctl restore' brings versions back, unless --purge has forgotten them.
/// Prints NAME@VERSION of what was moved.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct RmArgs {
    /// What to delete: NAME for all of its versions, or NAME@VERSION
    #[arg(value_name = "NAME[@VERSION]", required = true)]
    targets: Vec<Target>,

    /// Do not ask
    #[arg(short, long)]
    yes: bool,

    /// Also when a label points there; the label is removed, too
    #[arg(long)]
    force: bool,

    /// Forget it for good instead of keeping it in the trash. Cannot be undone
    #[arg(long)]
    purge: bool,

    /// Only say what would be done
    #[arg(long)]
    dry_run: bool,

    /// Print one JSON object per target: what was deleted
    #[arg(long, conflicts_with = "dry_run")]
    json: bool,
}

/// Deletes, one target after the other; stops at the first that cannot be.
pub(super) async fn run(args: RmArgs, session: &mut Session) -> Result<Exit, CliError> {
    let client = session.client();
    for target in &args.targets {
        let prompt = prompt_of(&client, target, args.purge).await?;
        let plan = plan(target, prompt.as_ref(), args.purge);
        if args.dry_run {
            must_exist(&client, target, args.purge).await?;
            session.console.line(format_args!("would {plan}"))?;
            continue;
        }
        if !confirm(session, &format!("{plan}?"), args.yes)? {
            session.console.say(format_args!("{target}: left as it is"));
            continue;
        }
        let deleted = delete(&client, target, &args).await?;
        show(session, &deleted, args.json)?;
    }
    Ok(Exit::Success)
}

/// Returns what is known of the prompt; nothing for one of which only trash is left, when that may be all there is.
async fn prompt_of(client: &Client, target: &Target, purge: bool) -> Result<Option<PromptSummary>, CliError> {
    match client.prompt(&target.id).await {
        Ok(prompt) => Ok(Some(prompt)),
        Err(error) if purge && error.code() == Some("not-found") => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Makes sure that there is something to delete.
async fn must_exist(client: &Client, target: &Target, purge: bool) -> Result<(), CliError> {
    let Some(version) = &target.version else {
        return Ok(());
    };
    match client
        .version(&target.id, &VersionSelector::Exact(version.clone()))
        .await
    {
        Err(error) if error.code() == Some("not-found") => {
            let in_trash = purge
                && client
                    .trash(Some(&target.id))
                    .all()
                    .await?
                    .iter()
                    .any(|it| it.version == *version);
            if in_trash { Ok(()) } else { Err(error.into()) }
        }
        // A version that cannot be read can still be deleted.
        _ => Ok(()),
    }
}

/// Says in words what deleting would do.
fn plan(target: &Target, prompt: Option<&PromptSummary>, purge: bool) -> String {
    let count = prompt.map_or(0, |prompt| prompt.version_count);
    let versions = counted(count, "version");
    let done = match (&target.version, purge) {
        (Some(_), false) => format!("move {target} to the trash"),
        (Some(_), true) => format!("forget {target} for good"),
        (None, false) => format!("move all of {target} ({versions}) to the trash"),
        (None, true) => {
            format!(
                "forget {target} altogether ({versions}, its labels, its trash, its used numbers) for good"
            )
        }
    };
    let labels = prompt.iter().flat_map(|prompt| &prompt.labels);
    let labels: Vec<&str> = labels
        .filter(|(_, at)| target.version.as_ref().is_none_or(|version| version == *at))
        .map(|(label, _)| label.as_str())
        .collect();
    if labels.is_empty() {
        done
    } else {
        format!("{done} (labelled {})", labels.join(", "))
    }
}

async fn delete(client: &Client, target: &Target, args: &RmArgs) -> Result<DeletedVersions, CliError> {
    match &target.version {
        None => Ok(client.delete_prompt(&target.id, args.purge, args.force).await?),
        Some(version) => delete_version(client, &target.id, version, args).await,
    }
}

async fn delete_version(
    client: &Client,
    id: &PromptId,
    version: &Version,
    args: &RmArgs,
) -> Result<DeletedVersions, CliError> {
    match client.delete_version(id, version, args.force).await {
        Ok(()) => {}
        // It may lie in the trash already, from where it is to be forgotten.
        Err(error) if args.purge && error.code() == Some("not-found") => {}
        Err(error) => return Err(error.into()),
    }
    if args.purge {
        client.forget(id, version).await?;
    }
    Ok(DeletedVersions {
        prompt_id: id.clone(),
        versions: vec![version.clone()],
        purged: args.purge,
    })
}

fn show(session: &mut Session, deleted: &DeletedVersions, json: bool) -> Result<(), CliError> {
    if json {
        return session.console.json_line(deleted);
    }
    for version in &deleted.versions {
        session
            .console
            .line(format_args!("{}@{version}", deleted.prompt_id))?;
    }
    if deleted.purged && deleted.versions.is_empty() {
        session.console.line(&deleted.prompt_id)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(target: &str, purge: bool, expected: &str) {
        let prompt: PromptSummary = serde_json::from_value(serde_json::json!({
            "prompt_id": "greet", "latest_version": "1.0.1", "version_count": 2, "labels": {"production": "1.0.0"},
            "created_at": null, "updated_at": null
        }))
        .unwrap();
        assert_eq!(plan(&target.parse().unwrap(), Some(&prompt), purge), expected);
    }

    #[test]
    fn the_question_says_what_is_lost() {
        check("greet@1.0.1", false, "move greet@1.0.1 to the trash");
        check(
            "greet@1.0.0",
            false,
            "move greet@1.0.0 to the trash (labelled production)",
        );
        check("greet@1.0.1", true, "forget greet@1.0.1 for good");
        check(
            "greet",
            false,
            "move all of greet (2 versions) to the trash (labelled production)",
        );
        check(
            "greet",
            true,
            "forget greet altogether (2 versions, its labels, its trash, its used numbers) for good (labelled production)",
        );
    }
}
