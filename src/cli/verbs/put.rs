//! `promptctl put`: make the next version of a prompt.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use serde_json::Value;

use crate::cli::editor::Draft;
use crate::cli::exit::{CliError, Exit};
use crate::cli::files;
use crate::cli::session::Session;
use crate::client::{Client, LabelGuard, Stored};
use crate::model::{Bump, Label, PromptId, PromptVersion, Version, VersionSelector};
use crate::versions::{NewPrompt, NewVersion};

const EXAMPLES: &str = "\
Examples:
  promptctl put greet prompt.txt
  echo 'Say hello to {{name}}.' | promptctl put greet -
  promptctl put greet prompt.txt --bump minor --meta ticket=AB-12 --label staging
  promptctl put greet -e";

/// Make the next version of a prompt
///
/// Reads the text from FILE, from the standard input (-), or from your editor (-e), and prints NAME@VERSION. The text is
/// kept to the byte, the final line feed included; only the one that an editor adds is taken off. The first version
/// is 1.0.0. When the latest version has the same content, no version is made and that one is printed.
///
/// The role and the place of origin (workflow, node, context) are those of the latest version, unless said otherwise.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct PutArgs {
    /// The name of the prompt
    name: PromptId,

    /// The file with the text; - for the standard input
    #[arg(required_unless_present = "editor")]
    file: Option<PathBuf>,

    /// Write the text in your editor ($VISUAL, $EDITOR), beginning with FILE where one is given
    #[arg(short, long)]
    editor: bool,

    /// The chat role, such as system or user
    #[arg(long)]
    role: Option<String>,

    /// Which part of the number to raise
    #[arg(long, value_enum)]
    bump: Option<BumpPart>,

    /// The version that this one was made from; the latest without it
    #[arg(long, value_name = "VERSION")]
    parent: Option<Version>,

    /// Metadata of this version; VALUE is JSON, or else text. May be repeated
    #[arg(long, value_name = "KEY=VALUE", value_parser = key_value)]
    meta: Vec<(String, Value)>,

    /// Point this label at the version afterwards. May be repeated
    #[arg(long)]
    label: Vec<Label>,

    /// Print the whole version document
    #[arg(long)]
    json: bool,
}

/// Which part of the number to raise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum BumpPart {
    /// 1.2.3 becomes 2.0.0
    Major,
    /// 1.2.3 becomes 1.3.0
    Minor,
    /// 1.2.3 becomes 1.2.4
    Patch,
}

impl From<BumpPart> for Bump {
    fn from(part: BumpPart) -> Self {
        match part {
            BumpPart::Major => Self::Major,
            BumpPart::Minor => Self::Minor,
            BumpPart::Patch => Self::Patch,
        }
    }
}

/// Makes the version and prints its name.
pub(super) async fn run(args: PutArgs, session: &mut Session) -> Result<Exit, CliError> {
    let mut draft = None;
    let mut text = match &args.file {
        Some(file) => files::read_text(file)?,
        None => String::new(),
    };
    if args.editor {
        let explanation = [
            format!("The next version of {}.", args.name),
            "Save and leave the editor to make it. Leave the text empty to make none.".to_owned(),
        ];
        let (edited, written) = Draft::new(args.name.as_str(), &explanation, &text)?.edit(session)?;
        (draft, text) = (Some(edited), written);
        if text.trim().is_empty() {
            return Err(CliError::failure("the text is empty: nothing was made"));
        }
    }
    let client = session.client();
    match make(&client, &args, text).await {
        Ok(stored) => show(session, &stored, args.json),
        Err(error) => Err(match draft {
            Some(draft) => draft.kept(error),
            None => error,
        }),
    }
}

async fn make(client: &Client, args: &PutArgs, text: String) -> Result<Stored, CliError> {
    let latest = latest(client, &args.name).await?;
    let mut new = next_version(latest.as_ref(), text);
    if let Some(role) = &args.role {
        new.prompt.role.clone_from(role);
    }
    new.bump = args.bump.map(Bump::from);
    new.parent_version.clone_from(&args.parent);
    new.metadata = args.meta.iter().cloned().collect();
    let stored = client.create_version(&args.name, &new).await?;
    let version = stored.document.parse()?.version;
    for label in &args.label {
        let to = VersionSelector::Exact(version.clone());
        client
            .set_label(&args.name, label, &to, &LabelGuard::Anywhere)
            .await?;
    }
    Ok(stored)
}

/// Returns the latest version of a prompt, if there is one.
pub(super) async fn latest(client: &Client, id: &PromptId) -> Result<Option<PromptVersion>, CliError> {
    match client.version(id, &VersionSelector::Latest).await {
        Ok(document) => Ok(Some(document.parse()?)),
        Err(error) if error.code() == Some("not-found") => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Returns a new text with the role and the place of origin of the version before it. Its metadata is its own.
pub(super) fn next_version(before: Option<&PromptVersion>, text: String) -> NewVersion {
    let mut new = NewVersion::of_text(text);
    if let Some(before) = before {
        let prompt = before.prompt.clone();
        new.prompt = NewPrompt {
            text: new.prompt.text,
            role: prompt.role,
            variables: None,
            context: prompt.context,
            workflow_id: prompt.workflow_id,
            node_id: prompt.node_id,
            node_type: prompt.node_type,
        };
    }
    new
}

/// Prints what came of making a version.
pub(super) fn show(session: &mut Session, stored: &Stored, json: bool) -> Result<Exit, CliError> {
    let document = stored.document.parse()?;
    let name = format!("{}@{}", document.prompt_id, document.version);
    if !stored.is_new {
        session
            .console
            .say(format_args!("unchanged: {name} has the same content"));
    }
    if json {
        session.console.data(&stored.document.bytes)?;
    } else {
        session.console.line(name)?;
    }
    Ok(Exit::Success)
}

fn key_value(text: &str) -> Result<(String, Value), String> {
    let (key, value) = text.split_once('=').ok_or("expected KEY=VALUE")?;
    if key.is_empty() {
        return Err("the key before '=' is empty".to_owned());
    }
    let value = serde_json::from_str(value).unwrap_or_else(|_| Value::from(value));
    Ok((key.to_owned(), value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn metadata_is_json_where_it_can_be_and_text_otherwise() {
        let check =
            |text: &str, key: &str, value: Value| assert_eq!(key_value(text), Ok((key.to_owned(), value)));
        check("team=search", "team", json!("search"));
        check("n=3", "n", json!(3));
        check("tags=[\"a\"]", "tags", json!(["a"]));
        check("url=a=b", "url", json!("a=b"));
        check("empty=", "empty", json!(""));
        assert!(key_value("team").is_err());
        assert!(key_value("=x").is_err());
    }

    #[test]
    fn a_new_text_keeps_role_and_origin_but_not_metadata() {
        let before: PromptVersion = serde_json::from_value(json!({
            "prompt_id": "p", "version": "1.0.0",
            "prompt": {"id": "p", "workflow_id": "wf", "node_id": "n", "node_type": "llm", "text": "old", "role": "user",
                       "variables": ["a"], "context": {"pointer": "/x"}},
            "analysis": {"prompt_id": "p", "overall_score": 1.0, "clarity_score": 1.0, "efficiency_score": 1.0},
            "metadata": {"ticket": "AB-1"}
        }))
        .unwrap();
        let new = next_version(Some(&before), "new".to_owned());
        assert_eq!(
            (new.prompt.text.as_str(), new.prompt.role.as_str()),
            ("new", "user")
        );
        assert_eq!(
            (
                new.prompt.workflow_id.as_str(),
                new.prompt.context["pointer"].clone()
            ),
            ("wf", json!("/x"))
        );
        assert_eq!((new.prompt.variables, new.metadata.len()), (None, 0));
        assert_eq!(next_version(None, "t".to_owned()), NewVersion::of_text("t"));
    }
}
