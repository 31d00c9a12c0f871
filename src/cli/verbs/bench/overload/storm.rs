//! The processes of a storm.

use std::process::Stdio;

use tokio::process::{Child, Command};

use super::offer::Outcome;
use super::plan::Offer;
use crate::cli::exit::CliError;
use crate::cli::session::Session;

/// Starts one process for each offer, waits until all have ended, and returns what became of each offer.
pub(super) async fn run(session: &Session, offers: &[Offer]) -> Result<Vec<Outcome>, CliError> {
    let children: Vec<Child> = offers
        .iter()
        .map(|offer| start(session, offer))
        .collect::<Result<_, _>>()?;
    // Together, or one that has much to say would wait for the others to be heard.
    let waiting: Vec<_> = children
        .into_iter()
        .map(|child| tokio::spawn(child.wait_with_output()))
        .collect();
    let mut outcomes = Vec::new();
    for child in waiting {
        let failed =
            |error: &dyn std::fmt::Display| CliError::failure(format!("a process of the storm: {error}"));
        let output = child.await.map_err(|error| failed(&error))?;
        let output = output.map_err(|error| failed(&error))?;
        outcomes.push(serde_json::from_slice(&output.stdout).map_err(|error| failed(&error))?);
    }
    Ok(outcomes)
}

fn start(session: &Session, offer: &Offer) -> Result<Child, CliError> {
    let executable = session.env.executable.as_deref().ok_or_else(|| {
        CliError::failure("promptctl does not know where it is, and cannot start itself again")
    })?;
    let failed = |error: &dyn std::fmt::Display| CliError::failure(format!("starting a client: {error}"));
    let text = serde_json::to_string(offer).map_err(|error| failed(&error))?;
    Command::new(executable)
        .arg("--socket")
        .arg(session.client().socket())
        .args(["bench", "--offer", &text])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| failed(&error))
}
