//! `promptctl edit`: change a prompt in the editor.

use clap::Args;

use super::diff::{shown, words};
use super::put::{self, BumpPart};
use crate::cli::confirm::confirm;
use crate::cli::editor::Draft;
use crate::cli::exit::{CliError, Exit};
use crate::cli::session::Session;
use crate::cli::visible::visible_line;
use crate::client::{Client, Stored};
use crate::model::{Bump, PromptVersion, VersionRef, VersionSelector};
use crate::versions::compare::compare;

const EXAMPLES: &str = "\
Examples:
  promptctl edit greet
  promptctl edit greet@1.0.0               begin with an old version
  EDITOR=nano promptctl edit greet --bump minor";

/// Change a prompt in your editor and make the next version
///
/// Opens the latest version (or the one that is named) in $VISUAL or $EDITOR. An empty or unchanged text makes no version.
/// When somebody else has made a version meanwhile, you see what they changed and are asked. When anything fails, your
/// text stays in a file, and you are told where.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct EditArgs {
    /// The prompt, or the version to begin with
    #[arg(value_name = "NAME[@REF]")]
    reference: VersionRef,

    /// Which part of the number to raise
    #[arg(long, value_enum)]
    bump: Option<BumpPart>,

    /// Make the version even when somebody else has made one meanwhile
    #[arg(long)]
    force: bool,

    /// Print the whole version document
    #[arg(long)]
    json: bool,
}

/// Opens the editor and makes the version.
pub(super) async fn run(args: EditArgs, session: &mut Session) -> Result<Exit, CliError> {
    let client = session.client();
    let VersionRef { prompt_id, selector } = &args.reference;
    let base = client.version(prompt_id, selector).await?.parse()?;
    let latest = client
        .version(prompt_id, &VersionSelector::Latest)
        .await?
        .parse()?;
    let draft = Draft::new(
        prompt_id.as_str(),
        &explanation(&base, &latest),
        &base.prompt.text,
    )?;
    let (draft, text) = draft.edit(session)?;
    if let Some(reason) = nothing_to_make(&base.prompt.text, &text) {
        session.console.say(format_args!("{reason}: no version was made"));
        return Ok(Exit::Success);
    }
    match make(&client, &args, session, &base, &latest, text).await {
        Ok(stored) => put::show(session, &stored, args.json),
        Err(error) => Err(draft.kept(error)),
    }
}

fn explanation(base: &PromptVersion, latest: &PromptVersion) -> Vec<String> {
    let mut lines = vec![format!(
        "{}@{}, score {:.1}, by {}",
        base.prompt_id,
        base.version,
        base.analysis.overall_score,
        visible_line(base.author().unwrap_or("unknown"))
    )];
    if base.version != latest.version {
        lines.push(format!(
            "This is not the latest version, which is {}.",
            latest.version
        ));
    }
    if !base.prompt.variables.is_empty() {
        lines.push(format!(
            "Variables: {}",
            visible_line(&base.prompt.variables.join(", "))
        ));
    }
    lines.push("Save and leave the editor to make the next version.".to_owned());
    lines.push("Leave the text as it is, or empty, to make none.".to_owned());
    lines
}

fn nothing_to_make(before: &str, after: &str) -> Option<&'static str> {
    if after.trim().is_empty() {
        Some("the text is empty")
    } else if after == before {
        Some("the text is unchanged")
    } else {
        None
    }
}

async fn make(
    client: &Client,
    args: &EditArgs,
    session: &mut Session,
    base: &PromptVersion,
    latest: &PromptVersion,
    text: String,
) -> Result<Stored, CliError> {
    let now = put::latest(client, &args.reference.prompt_id).await?;
    if let Some(now) = now.filter(|now| now.version != latest.version && !args.force) {
        show_conflict(session, latest, &now);
        let message = format!("{} is at {} now", now.prompt_id, now.version);
        let conflict = CliError::new(Exit::Conflict, message);
        let is_asked = session.env.stdin_is_terminal && session.env.stderr_is_terminal;
        if !is_asked || !confirm(session, "make your version nevertheless?", false)? {
            return Err(conflict.hint("begin again from the latest version, or use --force"));
        }
    }
    let mut new = put::next_version(Some(base), text);
    new.bump = args.bump.map(Bump::from);
    new.parent_version = Some(base.version.clone());
    Ok(client.create_version(&args.reference.prompt_id, &new).await?)
}

fn show_conflict(session: &mut Session, before: &PromptVersion, now: &PromptVersion) {
    let who = visible_line(now.author().unwrap_or("somebody"));
    let palette = session.console.talk_palette;
    session.console.insist(format_args!(
        "while you edited, {who} made {}@{}:",
        now.prompt_id, now.version
    ));
    let changes = words::render(&compare(&shown(before), &shown(now)).words, palette);
    session.console.insist(changes.trim_end());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_or_unchanged_text_makes_no_version() {
        assert_eq!(nothing_to_make("a", "a"), Some("the text is unchanged"));
        assert_eq!(nothing_to_make("a", " \n"), Some("the text is empty"));
        assert_eq!(nothing_to_make("a", "b"), None);
        assert_eq!(nothing_to_make("a", "a\n"), None, "a final line feed is a change");
    }
}
