//! Whether the actors live: what each of them has to say when it is asked, and what everybody is told of it.

use serde::Serialize;

/// How an actor is. The status and the metrics show it; the watchdog asks those that are up, and what they answer is part of
/// it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ActorState {
    /// Whether it runs.
    pub up: bool,
    /// Whether it did not answer when the watchdog asked it last: it is busy, or hangs.
    pub silent: bool,
    /// How often it was started again.
    pub restarts: u64,
    /// Whether it failed too often and is not tried again soon.
    pub resting: bool,
    /// Why it last ended.
    pub last_error: Option<String>,
}

/// How one actor did when it was asked whether it lives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vital {
    /// Its name, such as `shard 69`.
    pub actor: String,
    /// What it answered.
    pub answer: Answer,
    /// Steps of its work so far. An actor that is busy does not answer, but takes steps.
    pub steps: u64,
    /// Whether another one can be started in its place.
    pub replaceable: bool,
}

/// What an actor answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// It did, through its mailbox.
    Lives,
    /// There is none at the moment: who started it reports it as down.
    Absent,
    /// It did not answer in time.
    Silent {
        /// It waits for the disk, or for another actor that does: another one in its place would wait as well.
        waits: bool,
    },
}
