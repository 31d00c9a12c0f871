//! `promptctl diff`: what changed between two versions.

mod scores;
pub(super) mod words;

use clap::Args;

use super::evidence::figures_of;
use crate::cli::color::{Paint, Palette};
use crate::cli::console::Console;
use crate::cli::exit::{CliError, Exit};
use crate::cli::pager::{self, PagerArgs};
use crate::cli::reference;
use crate::cli::session::Session;
use crate::cli::visible::{visible, visible_line};
use crate::client::{Client, ClientError};
use crate::evidence::EvidenceRules;
use crate::evidence::rules::EvidenceComparison;
use crate::model::{PromptVersion, Version, VersionRef, VersionSelector};
use crate::versions::Order;
use crate::versions::compare::compare;

const EXAMPLES: &str = "\
Examples:
  promptctl diff greet                     the latest version and the one it was made from
  promptctl diff greet@1.0.0..1.2.0
  promptctl diff greet@production..        production and the latest version
  promptctl diff greet@1.0.0 welcome       versions of two prompts
  promptctl diff greet@1..2 --unified > changes.patch
  promptctl diff greet --stat              only how the scores moved

Exit codes: 0 the texts and roles are the same, 1 they differ.";

/// Show what changed between two versions
///
/// On a terminal changed lines are shown word by word; in a pipe the output is a unified diff. One argument NAME@A..B names
/// both versions; NAME or NAME@REF alone is compared with the version it was made from.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct DiffArgs {
    /// The old version, or both as NAME@A..B
    #[arg(value_name = "FROM")]
    from: String,

    /// The new version
    #[arg(value_name = "TO")]
    to: Option<String>,

    /// Show a unified diff
    #[arg(short, long, conflicts_with_all = ["words", "stat", "json"])]
    unified: bool,

    /// Show changed lines word by word, also in a pipe
    #[arg(short, long, conflicts_with_all = ["stat", "json"])]
    words: bool,

    /// Show how scores, sizes and test results moved instead of the texts
    #[arg(long, conflicts_with = "json")]
    stat: bool,

    /// Print the comparison as JSON: score deltas, test results, a unified and a word diff
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    pager: PagerArgs,
}

/// Shows it.
pub(super) async fn run(args: DiffArgs, session: &mut Session) -> Result<Exit, CliError> {
    let (from, to) = reference::pair(&args.from, args.to.as_deref())
        .map_err(|error| CliError::usage(error.to_string()))?;
    let (from, to) = fetch(&session.client(), &from, to.as_ref()).await?;
    let evidence = match args.json || args.stat {
        true => evidence(&from, &to, session).await?,
        false => EvidenceComparison::default(),
    };
    let exit = if is_same(&from, &to) {
        Exit::Success
    } else {
        Exit::Failure
    };
    if args.json {
        let mut compared = compare(&from, &to);
        compared.evidence = evidence;
        session.console.json(&compared)?;
    } else if args.stat {
        session.console.table(&scores::table(&from, &to, &evidence))?;
    } else if exit == Exit::Success {
        session.console.say(format_args!(
            "{} and {} have the same text",
            name(&from),
            name(&to)
        ));
    } else {
        if from.prompt.role != to.prompt.role {
            let (old, new) = (visible_line(&from.prompt.role), visible_line(&to.prompt.role));
            session.console.say(format_args!("role: {old} -> {new}"));
        }
        let text = text_diff(&args, &session.console, &from, &to);
        pager::page(&mut session.console, &session.env, args.pager, &text)?;
    }
    Ok(exit)
}

/// Returns what was measured of both.
async fn evidence(
    from: &PromptVersion,
    to: &PromptVersion,
    session: &mut Session,
) -> Result<EvidenceComparison, CliError> {
    let client = session.client();
    let (old, _) = figures_of(&client, &from.prompt_id, &from.version, session).await?;
    let (new, min_results) = figures_of(&client, &to.prompt_id, &to.version, session).await?;
    Ok(EvidenceRules { min_results }.compare(old, new))
}

fn is_same(from: &PromptVersion, to: &PromptVersion) -> bool {
    from.prompt.text == to.prompt.text && from.prompt.role == to.prompt.role
}

fn text_diff(args: &DiffArgs, console: &Console, from: &PromptVersion, to: &PromptVersion) -> String {
    let palette = console.palette;
    let compared = if console.is_terminal {
        compare(&shown(from), &shown(to))
    } else {
        compare(from, to)
    };
    if args.unified || !(args.words || console.is_terminal) {
        return painted_unified(&compared.unified, palette);
    }
    let mut text = heading(from, to, palette);
    text.push_str(&words::render(&compared.words, palette));
    text
}

/// Returns a version whose text can be shown on a terminal.
pub(super) fn shown(version: &PromptVersion) -> PromptVersion {
    let mut shown = version.clone();
    shown.prompt.text = visible(&version.prompt.text).into_owned();
    shown
}

fn painted_unified(plain: &str, palette: Palette) -> String {
    if !palette.is_on {
        return plain.to_owned();
    }
    let painted = plain.split('\n').enumerate().map(|(number, line)| {
        let paint = match line.as_bytes().first() {
            _ if number < 2 => Paint::Heading,
            Some(b'@') => Paint::Name,
            Some(b'+') => Paint::Good,
            Some(b'-') => Paint::Bad,
            Some(b'\\') => Paint::Faint,
            _ => return line.to_owned(),
        };
        palette.paint(paint, line)
    });
    painted.collect::<Vec<_>>().join("\n")
}

fn heading(from: &PromptVersion, to: &PromptVersion, palette: Palette) -> String {
    let (old, new) = (from.analysis.overall_score, to.analysis.overall_score);
    let score = format!("score {old:.1} -> {new:.1} ({:+.1})", new - old);
    let names = palette.paint(Paint::Heading, &format!("{} -> {}", name(from), name(to)));
    format!("{names}  {}\n", palette.paint(Paint::Faint, &score))
}

fn name(version: &PromptVersion) -> String {
    format!("{}@{}", version.prompt_id, version.version)
}

async fn fetch(
    client: &Client,
    from: &VersionRef,
    to: Option<&VersionRef>,
) -> Result<(PromptVersion, PromptVersion), CliError> {
    let get = async |reference: &VersionRef| -> Result<PromptVersion, ClientError> {
        client
            .version(&reference.prompt_id, &reference.selector)
            .await?
            .parse()
    };
    let first = get(from).await?;
    match to {
        Some(to) => Ok((first, get(to).await?)),
        None => Ok((before(client, &first).await?, first)),
    }
}

/// Returns the version that one was made from; where that is gone or not known, the one before it by number.
async fn before(client: &Client, version: &PromptVersion) -> Result<PromptVersion, CliError> {
    if let Some(parent) = &version.parent_version {
        let parent = VersionSelector::Exact(parent.clone());
        match client.version(&version.prompt_id, &parent).await {
            Ok(document) => return Ok(document.parse()?),
            Err(error) if error.code() == Some("not-found") => {}
            Err(error) => return Err(error.into()),
        }
    }
    let number = number_before(client, version).await?.ok_or_else(|| {
        let message = format!("there is no version before {}", name(version));
        CliError::new(Exit::NotFound, message).hint("name two versions, such as greet@1.0.0..1.2.0")
    })?;
    let document = client
        .version(&version.prompt_id, &VersionSelector::Exact(number))
        .await?;
    Ok(document.parse()?)
}

async fn number_before(client: &Client, version: &PromptVersion) -> Result<Option<Version>, CliError> {
    let mut pages = client.versions(&version.prompt_id, Order::Desc);
    while let Some(page) = pages.next().await? {
        if let Some(found) = page
            .into_iter()
            .map(|other| other.version)
            .find(|other| *other < version.version)
        {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

/// Two versions of one text each, for the tests of the renderings.
#[cfg(test)]
fn example(number: &str, text: &str, overall: f64) -> PromptVersion {
    serde_json::from_value(serde_json::json!({
        "prompt_id": "greet", "version": number,
        "prompt": {"id": "greet", "workflow_id": "", "node_id": "", "node_type": "", "text": text},
        "analysis": {"prompt_id": "greet", "overall_score": overall, "clarity_score": 50.0, "efficiency_score": 80.0}
    }))
    .unwrap()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_role_is_a_difference() {
        let one = example("1.0.0", "text", 50.0);
        let mut other = example("1.0.1", "text", 50.0);
        assert!(is_same(&one, &other));
        other.prompt.role = "user".to_owned();
        assert!(!is_same(&one, &other));
        assert_eq!(
            heading(&one, &other, Palette::PLAIN),
            "greet@1.0.0 -> greet@1.0.1  score 50.0 -> 50.0 (+0.0)\n"
        );
    }

    #[test]
    fn colour_changes_nothing_but_the_colour_of_a_unified_diff() {
        let plain = compare(
            &example("1.0.0", "--- a\nb\n", 0.0),
            &example("1.0.1", "+++ a\nb\n", 0.0),
        )
        .unified;
        let colored = painted_unified(&plain, Palette { is_on: true });
        assert_ne!(colored, plain);
        let stripped = [
            "\x1b[0m", "\x1b[1m", "\x1b[36m", "\x1b[32m", "\x1b[31m", "\x1b[2m",
        ]
        .iter()
        .fold(colored, |text, code| text.replace(code, ""));
        assert_eq!(stripped, plain);
    }
}
