//! What is shown, step by step. Each command is really run, as a user would type it.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::future::Future;
use std::pin::Pin;
use std::time::{Duration, Instant};

use super::daemon::PrivateDaemon;
use crate::cli::color::Paint;
use crate::cli::exit::{CliError, Exit};
use crate::cli::interrupt::{self, Held};
use crate::cli::session::Session;
use crate::client::{Client, PromptFilter};
use crate::dify;
use crate::model::Checksum;
use crate::versions::Order;

/// The workflow that is imported.
const WORKFLOW: &str = include_str!("../../../../tests/fixtures/dify/sample_support_bot.yml");
/// Its file name.
const WORKFLOW_FILE: &str = "support_bot.yml";
/// How often is looked whether to stop.
const INTERRUPT_CHECK: Duration = Duration::from_millis(30);

/// The prompt that is changed is the one with these words, and this is what they become.
const CHANGES: [(&str, &str); 3] = [
    ("Maybe greet", "Greet"),
    (
        "and try to keep the answer somewhat short",
        "in at most three sentences",
    ),
    (
        "If you do not know something, say some things about where the customer could look.",
        "When the answer is not known, name the page of the help centre that covers it.",
    ),
];

/// Plays all of it.
pub(super) async fn play(session: &mut Session) -> Result<Exit, CliError> {
    let held = interrupt::hold();
    let began = Instant::now();
    let mut daemon = PrivateDaemon::prepare(&session.env)?;
    session.connect_to(daemon.socket());
    let played = tokio::select! {
        played = acts(session, &mut daemon) => played,
        () = interrupted(&held) => Err(CliError::new(Exit::Interrupted, "interrupted: the temporary store is removed")),
    };
    played?;
    daemon.stop().await?;
    let seconds = began.elapsed().as_secs_f64();
    session.console.say(format_args!(
        "\nThat was all, in {seconds:.1} s. The temporary store is removed."
    ));
    Ok(Exit::Success)
}

async fn interrupted(held: &Held) {
    while !held.was_interrupted() {
        tokio::time::sleep(INTERRUPT_CHECK).await;
    }
}

async fn acts(session: &mut Session, daemon: &mut PrivateDaemon) -> Result<(), CliError> {
    let (name, text) = changed_prompt()?;
    let answer = daemon.write("answer.txt", &text)?;
    let workflow = daemon.write(WORKFLOW_FILE, WORKFLOW)?;
    let files = [(WORKFLOW_FILE, workflow), ("answer.txt", answer)];

    act(session, "A daemon of its own, on a temporary store")?;
    type_in(session, "promptd --store store --socket promptd.sock &")?;
    started(session, daemon).await?;

    let mut show = Show {
        session,
        files: files.into(),
    };
    act(show.session, "Take the prompts out of a workflow of Dify")?;
    show.step("import dsl support_bot.yml", Exit::Success).await?;
    show.step("list", Exit::Success).await?;

    act(show.session, "Change one of them, and see what has changed")?;
    show.step(&format!("put {name} answer.txt --bump minor"), Exit::Success)
        .await?;
    show.step(&format!("log {name} --no-pager"), Exit::Success)
        .await?;
    show.step(&format!("diff {name} --no-pager"), Exit::Failure)
        .await?;

    act(
        show.session,
        "Point a label at it; then go back, without losing anything",
    )?;
    show.step(&format!("label {name}@1.1.0 production"), Exit::Success)
        .await?;
    show.step(&format!("rollback {name}@1.0.0"), Exit::Success)
        .await?;
    let before = everything(&show.session.client()).await?;

    act(show.session, "Crash, and see what is left")?;
    if let Some(process) = daemon.kill() {
        type_in(show.session, &format!("kill -9 {process}"))?;
    }
    type_in(show.session, "promptd --store store --socket promptd.sock &")?;
    started(show.session, daemon).await?;
    show.step(&format!("log {name} --no-pager"), Exit::Success)
        .await?;
    show.step("verify", Exit::Success).await?;
    if everything(&show.session.client()).await? != before {
        return Err(CliError::failure("the store is not as it was before the crash"));
    }
    show.session.console.line(format_args!(
        "all {} versions are there, byte for byte",
        before.len()
    ))
}

/// Runs commands as if they were typed.
struct Show<'s> {
    session: &'s mut Session,
    /// Files that commands name, and where they are.
    files: BTreeMap<&'static str, std::path::PathBuf>,
}

impl Show<'_> {
    async fn step(&mut self, command: &str, expected: Exit) -> Result<(), CliError> {
        type_in(
            self.session,
            &format!("promptctl {}", command.trim_end_matches(" --no-pager")),
        )?;
        let words = std::iter::once("promptctl").chain(command.split(' '));
        let arguments: Vec<OsString> = words
            .map(|word| {
                self.files
                    .get(word)
                    .map_or_else(|| word.into(), |path| path.clone().into_os_string())
            })
            .collect();
        let cli = crate::cli::parse(&arguments).map_err(|error| CliError::failure(error.to_string()))?;
        // A verb may be this one again, as far as its type goes.
        let verb: Pin<Box<dyn Future<Output = Result<Exit, CliError>> + '_>> =
            Box::pin(cli.verb.run(self.session));
        let exit = verb.await?;
        if exit != expected {
            return Err(CliError::failure(format!(
                "'promptctl {command}' ended with {}",
                exit as u8
            )));
        }
        self.session.console.flush()
    }
}

fn act(session: &mut Session, title: &str) -> Result<(), CliError> {
    let title = session.console.palette.paint(Paint::Heading, title);
    session.console.line(format_args!("\n{title}"))
}

fn type_in(session: &mut Session, command: &str) -> Result<(), CliError> {
    let command = session
        .console
        .palette
        .paint(Paint::Name, &format!("$ {command}"));
    session.console.line(format_args!("\n{command}"))?;
    session.console.flush()
}

async fn started(session: &mut Session, daemon: &mut PrivateDaemon) -> Result<(), CliError> {
    let took = daemon.start().await?;
    session
        .console
        .line(format_args!("ready after {} ms", took.as_millis()))
}

/// Returns the name of the prompt that is changed, and its new text.
fn changed_prompt() -> Result<(String, String), CliError> {
    let failed = |error: String| CliError::failure(format!("the workflow of the demo: {error}"));
    let options = dify::ExtractOptions::default();
    let found = dify::extract(WORKFLOW.as_bytes(), &options).map_err(|error| failed(error.to_string()))?;
    let stem = WORKFLOW_FILE.trim_end_matches(".yml");
    let ids = dify::prompt_ids(
        &dify::workflow_slug(stem, found.app.name.as_deref()),
        &found.prompts,
    );
    let [(marker, _), ..] = CHANGES;
    let (id, prompt) = ids
        .iter()
        .zip(&found.prompts)
        .find(|(_, prompt)| prompt.text.contains(marker))
        .ok_or_else(|| failed(format!("no prompt says {marker:?}")))?;
    let text = CHANGES
        .iter()
        .fold(prompt.text.clone(), |text, (old, new)| text.replace(old, new));
    Ok((id.to_string(), text))
}

/// Returns every version of the store with the checksum of its content.
async fn everything(client: &Client) -> Result<BTreeMap<String, Checksum>, CliError> {
    let mut everything = BTreeMap::new();
    let mut prompts = client.prompts(&PromptFilter::default());
    while let Some(page) = prompts.next().await? {
        for prompt in page {
            let versions = client.versions(&prompt.prompt_id, Order::Asc).all().await?;
            let versions = versions.into_iter().map(|version| {
                (
                    format!("{}@{}", version.prompt_id, version.version),
                    version.checksum,
                )
            });
            everything.extend(versions);
        }
    }
    Ok(everything)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_changed_prompt_is_in_the_workflow_and_all_changes_apply() {
        let (name, text) = changed_prompt().unwrap();
        assert!(name.starts_with("support_bot_"), "{name}");
        for (old, new) in CHANGES {
            assert!(text.contains(new) && !text.contains(old), "{old:?}");
        }
    }
}
