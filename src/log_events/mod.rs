//! The kinds of events that an operator may want to find, each with an id that never changes.
//!
//! A line of the log about one of them carries it as the field `event`. In the journal its id is `MESSAGE_ID`, by which
//! `journalctl -x` finds the text in `systemd/promptd.catalog`. An id that was released is never given to another kind.

use std::fmt;

/// What a line of the log is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LogEvent {
    /// The daemon begins to start.
    Starting,
    /// Requests are served from now on.
    Ready,
    /// The daemon was told to stop.
    Stopping,
    /// The daemon has stopped in good order.
    Stopped,
    /// Something hung while the daemon stopped, and was left behind.
    StopTimedOut,
    /// The configuration was read again.
    Reloaded,
    /// Something in the configuration changed that takes a restart.
    RestartNeeded,
    /// The new configuration is wrong, and nothing changed.
    ReloadRefused,
    /// The configuration can be used, but hardly means what was wanted.
    ConfigDoubtful,
    /// A crash had left temporary files in a shard; they were dealt with.
    ShardRecovered,
    /// The recovery of a shard makes no progress; the others are served.
    ShardNotRecovered,
    /// A version that a crash had cut off was stored after all.
    VersionReplayed,
    /// A temporary file cannot be understood and was kept aside.
    FileSetAside,
    /// Somebody else added or removed versions.
    ChangedOutside,
    /// Somebody else edited a version.
    EditedOutside,
    /// A version is not as it was written.
    DamageFound,
    /// A file in the store cannot be served.
    FileNotServed,
    /// What was wrong with a file in the store is put right.
    FileServedAgain,
    /// The store is only read in this run.
    StoreReadOnly,
    /// The disk is full: nothing new is stored.
    StorageFull,
    /// There is room on the disk again.
    StorageWritable,
    /// The disk could not make something durable.
    SyncFailed,
    /// The kernel lost events of the file system; everything is looked at.
    EventsLost,
    /// Some directories cannot be watched.
    NotAllWatched,
    /// A part of the daemon ended and is started again.
    ActorRestarted,
    /// A part of the daemon keeps failing and is left alone for a while.
    ActorResting,
    /// A part of the daemon hangs and is replaced.
    ActorHung,
    /// Parts of the daemon do not answer.
    ActorsSilent,
    /// Every part of the daemon answers again.
    ActorsAnswer,
    /// The daemon does not work any more, and says so to the service manager by silence.
    WatchdogStopped,
    /// Something needs a look although requests are served.
    Degraded,
    /// Nothing needs a look any more.
    Sound,
    /// A request lacked a right.
    AccessRefused,
    /// Something is served over TCP too.
    TcpServed,
    /// A request over TCP was refused.
    TcpRefused,
    /// A request was turned away because of a limit on all requests.
    Overloaded,
    /// A request failed by the fault of the daemon or its disk.
    RequestFailed,
    /// A job ended, or waits for its next run.
    JobEnded,
    /// A job failed.
    JobFailed,
    /// A backup was made.
    BackupMade,
    /// Versions were taken in from a backup.
    StoreRestored,
    /// Old versions were collected.
    VersionsCollected,
    /// The audit log cannot be written.
    AuditFailing,
    /// The audit log is written again.
    AuditWritten,
    /// The language model gave no answer.
    ModelSilent,
    /// The daemon made a mistake and went on.
    Panicked,
    /// Lines of one kind came too often and were left out.
    LinesLeftOut,
}

/// Each with its name and its id.
const TABLE: [(LogEvent, &str, &str); 47] = [
    (LogEvent::Starting, "starting", "72b6c13b676c451e95ef69a8d1f372e4"),
    (LogEvent::Ready, "ready", "16d9f55fe30e48ca98a36cddaf9501f4"),
    (LogEvent::Stopping, "stopping", "0e714f19656245e485b8b6202fcfa354"),
    (LogEvent::Stopped, "stopped", "cb4f5df25a2840bc8cb2e4271d4f464a"),
    (
        LogEvent::StopTimedOut,
        "stop-timed-out",
        "e706993dcff943f1b958cc3519d030a2",
    ),
    (LogEvent::Reloaded, "reloaded", "ed4d5dc964cb4e64b5276e99548d19e1"),
    (
        LogEvent::RestartNeeded,
        "restart-needed",
        "fb06aad963974037b7e99b7031d108bf",
    ),
    (
        LogEvent::ReloadRefused,
        "reload-refused",
        "58b57c878a0a4dd8a9b766ddcedd084d",
    ),
    (
        LogEvent::ConfigDoubtful,
        "config-doubtful",
        "d67734c0ad4e43e8a2902ea89919ccdc",
    ),
    (
        LogEvent::ShardRecovered,
        "shard-recovered",
        "580042c049fb42339eb3d0d1a097758b",
    ),
    (
        LogEvent::ShardNotRecovered,
        "shard-not-recovered",
        "3aa549854b984432910b03399a91ea91",
    ),
    (
        LogEvent::VersionReplayed,
        "version-replayed",
        "dbdbd95f61304b02b1b3212bfdf6efdb",
    ),
    (
        LogEvent::FileSetAside,
        "file-set-aside",
        "07d525618abf46e3ba24c8e8d766aa63",
    ),
    (
        LogEvent::ChangedOutside,
        "changed-outside",
        "49a0e23975094e528e02abb878076f24",
    ),
    (
        LogEvent::EditedOutside,
        "edited-outside",
        "dcdfdeb826bc4fb69404abab01518cec",
    ),
    (
        LogEvent::DamageFound,
        "damage-found",
        "6dac280cf8b54292a62b5acca3a970e3",
    ),
    (
        LogEvent::FileNotServed,
        "file-not-served",
        "becdbe0e6d0b405fa73dba56a363fdcb",
    ),
    (
        LogEvent::FileServedAgain,
        "file-served-again",
        "e0e18778b38c4d7c95c12f5d7ee771f9",
    ),
    (
        LogEvent::StoreReadOnly,
        "store-read-only",
        "8d8ae5420ace44d2ac971a20ee3469f1",
    ),
    (
        LogEvent::StorageFull,
        "storage-full",
        "df80aa48450b4c6dba03bd23b0145e14",
    ),
    (
        LogEvent::StorageWritable,
        "storage-writable",
        "dbf29286c95d49c5ba7c986ff84aac5f",
    ),
    (
        LogEvent::SyncFailed,
        "sync-failed",
        "70be793f8fe5490a9129ecabf741d9b8",
    ),
    (
        LogEvent::EventsLost,
        "events-lost",
        "89838ff20e684fd98c049feb07409e3e",
    ),
    (
        LogEvent::NotAllWatched,
        "not-all-watched",
        "d77d76e924a0454eab72bc896fa819a0",
    ),
    (
        LogEvent::ActorRestarted,
        "actor-restarted",
        "3602eb3503ce4b94a0a03367796579ec",
    ),
    (
        LogEvent::ActorResting,
        "actor-resting",
        "175dfdd0e8794dbeaefffd8d8f7b9a97",
    ),
    (
        LogEvent::ActorHung,
        "actor-hung",
        "58ef7a2d31fb46d0b4537229edadf895",
    ),
    (
        LogEvent::ActorsSilent,
        "actors-silent",
        "747f74f57322410a89e686442d47827a",
    ),
    (
        LogEvent::ActorsAnswer,
        "actors-answer",
        "98e2e66798a1406ca659e6b6950b8ec4",
    ),
    (
        LogEvent::WatchdogStopped,
        "watchdog-stopped",
        "ecc234610a004715af2db24d48c38959",
    ),
    (LogEvent::Degraded, "degraded", "e4c795674cd2444590f9ac1d4809c6dd"),
    (LogEvent::Sound, "sound", "09feb257f1fa4bddb120ca3f1ac7ac61"),
    (
        LogEvent::AccessRefused,
        "access-refused",
        "adba6228103a40dca1350d836f23f36c",
    ),
    (
        LogEvent::TcpServed,
        "tcp-served",
        "19ad8397bb094221aa801e8498d7a89c",
    ),
    (
        LogEvent::TcpRefused,
        "tcp-refused",
        "468caf086977457eb3a33c28209180d5",
    ),
    (
        LogEvent::Overloaded,
        "overloaded",
        "cccf19916aeb489789c3024375614e41",
    ),
    (
        LogEvent::RequestFailed,
        "request-failed",
        "d9d976d365864742be3e1ad2aabc96c7",
    ),
    (
        LogEvent::JobEnded,
        "job-ended",
        "a5a787d0152d474b9a099da358e8a565",
    ),
    (
        LogEvent::JobFailed,
        "job-failed",
        "0f27b337e8ab47bd948c2119163320c2",
    ),
    (
        LogEvent::BackupMade,
        "backup-made",
        "e612a319422a48ff9cc17c5a69c788f8",
    ),
    (
        LogEvent::StoreRestored,
        "store-restored",
        "7edfdd0eb87c4433ac8015696ec0675d",
    ),
    (
        LogEvent::VersionsCollected,
        "versions-collected",
        "19068bddbc944a308d8ee4cf721acb17",
    ),
    (
        LogEvent::AuditFailing,
        "audit-failing",
        "2152a223215f45578a9fb592d2057eeb",
    ),
    (
        LogEvent::AuditWritten,
        "audit-written",
        "ee342bd5b4104009b0028c115e531a0a",
    ),
    (
        LogEvent::ModelSilent,
        "model-silent",
        "67c332f7c92f43e69d3a23c9fed80d6d",
    ),
    (LogEvent::Panicked, "panicked", "6bed84ee8bc34e78beceae74cc1a8299"),
    (
        LogEvent::LinesLeftOut,
        "lines-left-out",
        "f9bda2b3905f45c8a19c8491a792d8e0",
    ),
];

impl LogEvent {
    /// Returns every kind.
    pub fn all() -> impl Iterator<Item = Self> {
        TABLE.iter().map(|(event, _, _)| *event)
    }

    /// Returns the kind of a name.
    #[must_use]
    pub fn of_name(name: &str) -> Option<Self> {
        let found = TABLE.iter().find(|(_, known, _)| *known == name);
        found.map(|(event, _, _)| *event)
    }

    /// Returns the name, as it stands in the field `event`.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.row().1
    }

    /// Returns the id: 32 hex digits, as `MESSAGE_ID` has them.
    #[must_use]
    pub fn message_id(self) -> &'static str {
        self.row().2
    }

    fn row(self) -> (Self, &'static str, &'static str) {
        let found = TABLE.iter().find(|(event, _, _)| *event == self);
        found.copied().unwrap_or((self, "", ""))
    }
}

impl fmt::Display for LogEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests;
