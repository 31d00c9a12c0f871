//! Whether the actors live: what each of them has to say when it is asked.

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
    /// There is none at the moment: its supervisor starts it, and reports it as down.
    Absent,
    /// It did not answer in time.
    Silent {
        /// It waits for the disk, or for another actor that does: another one in its place would wait as well.
        waits: bool,
    },
}
