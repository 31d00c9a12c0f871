//! `promptctl watch`: what changes, as it changes.

mod course;
mod show;

use std::str::FromStr;

use clap::Args;

use crate::cli::exit::{CliError, Exit};
use crate::cli::session::Session;
use crate::client::{Client, ClientError, WatchFilter};
use crate::http::wire::WatchKind;
use crate::model::PromptId;
use crate::storage::Revision;

use course::{Course, Next};

const EXAMPLES: &str = "\
Examples:
  promptctl watch                                   everything, from now on
  promptctl watch greet                             one prompt
  promptctl watch 'support_*'                       every prompt whose name begins so
  promptctl watch --json | jq -r .prompt_id
  promptctl watch --since 00c0ffee00c0ffee.42       from after that revision on
  promptctl watch --since 00c0ffee00c0ffee.42 --once --json

Exit codes: 3 what happened since that revision is not known any more: list everything anew.";

/// Show what changes in the store, as it changes, whoever changes it
///
/// Goes on until interrupted, and comes back by itself when promptd was started again; what changed meanwhile is then not
/// shown, which is said. Columns in a pipe: revision, time, origin (daemon, outside, recovery), kind, name, version, label,
/// version before, kind of problem, path. The kinds are in docs/operations.md.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct WatchArgs {
    /// Only this prompt; with a * at the end, every prompt whose name begins so
    #[arg(value_name = "PROMPT_OR_PREFIX")]
    name: Option<Scope>,

    /// Begin after this revision, as an earlier line or the header Promptd-Revision named it
    #[arg(long, value_name = "REV")]
    since: Option<Revision>,

    /// End when everything that has happened so far is shown
    #[arg(long, requires = "since")]
    once: bool,

    /// Print one JSON object per line
    #[arg(long)]
    json: bool,
}

/// One prompt, or those whose names begin so.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Scope {
    Prompt(PromptId),
    Prefix(String),
}

impl FromStr for Scope {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.strip_suffix('*') {
            Some(prefix) if !prefix.contains('*') => Ok(Self::Prefix(prefix.to_owned())),
            Some(_) => Err("only one * is possible, at the end".to_owned()),
            None => PromptId::new(text)
                .map(Self::Prompt)
                .map_err(|error| error.to_string()),
        }
    }
}

/// Shows the changes.
pub(super) async fn run(args: WatchArgs, session: &mut Session) -> Result<Exit, CliError> {
    let client = session.client();
    let mut filter = WatchFilter {
        wait: args.once.then_some(0),
        ..WatchFilter::default()
    };
    match args.name {
        Some(Scope::Prompt(id)) => filter.prompt = Some(id),
        Some(Scope::Prefix(prefix)) => filter.prefix = Some(prefix),
        None => {}
    }
    let mut course = Course::new(args.since, args.once);
    loop {
        let next = match follow(&client, &filter, &mut course, args.json, session).await? {
            Ok(last) => course.after_stream(last),
            Err(error) => course.after_error(error),
        };
        match next {
            Next::Done => return Ok(Exit::Success),
            Next::Fail(error) => return Err(*error),
            Next::Again { pause, word } => {
                if let Some(word) = word {
                    session.console.say(word);
                }
                tokio::time::sleep(pause).await;
            }
            Next::Anew(why) => {
                session.console.insist(format_args!(
                    "promptctl: {why}: what changed meanwhile is not shown; list what you need anew"
                ));
            }
        }
    }
}

/// Shows one stream to its end. Returns the kind of its last line, or why it is lost.
async fn follow(
    client: &Client,
    filter: &WatchFilter,
    course: &mut Course,
    json: bool,
    session: &mut Session,
) -> Result<Result<Option<WatchKind>, ClientError>, CliError> {
    let mut stream = match client.watch(filter, course.since()).await {
        Ok(stream) => stream,
        Err(error) => return Ok(Err(error)),
    };
    let mut last = None;
    loop {
        let line = match stream.next().await {
            Ok(Some(line)) => line,
            Ok(None) => return Ok(Ok(last)),
            Err(error) => return Ok(Err(error)),
        };
        let Ok(revision) = line.revision.parse() else {
            return Err(CliError::failure(format!("{:?} is no revision", line.revision)));
        };
        if line.kind.is_change() {
            show::show(&line, json, session)?;
            session.console.flush()?;
        }
        last = Some(line.kind);
        course.saw(revision);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_prompt_and_a_star_makes_it_a_beginning() {
        let id = PromptId::new("greet").unwrap();
        assert_eq!("greet".parse(), Ok(Scope::Prompt(id)));
        assert_eq!("greet_*".parse(), Ok(Scope::Prefix("greet_".into())));
        assert_eq!("*".parse(), Ok(Scope::Prefix(String::new())));
        for wrong in ["g*t", "a**", "", "-x", "*x"] {
            assert!(wrong.parse::<Scope>().is_err(), "{wrong}");
        }
    }
}
