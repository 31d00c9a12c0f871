//! The keys of `optimizer`.

use super::kind::KeyKind::{Choice, Count, Flag, Path, Size};
use super::{Key, SectionInfo};

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;
const TIB: u64 = 1 << 40;

pub(super) const SECTIONS: &[SectionInfo] = &[
    SectionInfo {
        path: "optimizer",
        description: "What is kept, and where.",
    },
    SectionInfo {
        path: "optimizer.storage",
        description: "The version store.",
    },
    SectionInfo {
        path: "optimizer.storage.config",
        description: "Settings of the filesystem backend. The memory backend has none.",
    },
    SectionInfo {
        path: "optimizer.storage.config.retention",
        description: "Old versions that go to the trash by themselves. Off unless keep_last is set; 'promptctl collect' \
                      does the same by hand.",
    },
    SectionInfo {
        path: "optimizer.storage.config.scrub",
        description: "The store is read slowly, again and again, to find damage before the damaged version is needed.",
    },
    SectionInfo {
        path: "optimizer.storage.config.watch",
        description: "How the daemon notices version files that other programs add, change or remove.",
    },
    SectionInfo {
        path: "optimizer.storage.config.restart",
        description: "A shard that fails is restarted and recovers from disk; the others go on meanwhile.",
    },
];

pub(super) const KEYS: &[Key] = &[
    Key {
        path: "optimizer.storage.backend",
        kind: Choice(&["filesystem", "memory"]),
        about: "Where versions are kept. filesystem: one JSON file per version, durable. memory: nothing is \
                written and everything is gone when the daemon ends; for trials and tests only.",
    },
    Key {
        path: "optimizer.storage.config.storage_dir",
        kind: Path,
        about: "The store directory; it is made when it is missing. Null means $STATE_DIRECTORY/store, else \
                $XDG_STATE_HOME/promptd/store, else ~/.local/state/promptd/store. A relative path is taken from \
                the directory in which the daemon is started. Also: promptd --store DIR.",
    },
    Key {
        path: "optimizer.storage.config.backup_dir",
        kind: Path,
        about: "The directory beneath which backups are made and restored from; the daemon opens no path outside of \
                it that a client names. Null means backups beside the store. It may be another disk; the store must \
                not lie in it, nor it in the store.",
    },
    Key {
        path: "optimizer.storage.config.backup_memory_bytes",
        kind: Size { min: 0, max: TIB },
        about: "How many bytes of one prompt a backup keeps in memory until it is certain that they belong together; \
                what is more waits in the backup directory. Lower it where memory is short.",
    },
    Key {
        path: "optimizer.storage.config.use_index",
        kind: Flag,
        about: "Keep .index.json, a summary of the store for other programs. It can be rebuilt at any time; turn \
                it off when nothing reads it and the disk is slow.",
    },
    Key {
        path: "optimizer.storage.config.use_cache",
        kind: Flag,
        about: "Keep documents that were read in memory. Turn it off to leave caching to the kernel on a host with \
                little memory.",
    },
    Key {
        path: "optimizer.storage.config.cache_size",
        kind: Count {
            min: 1,
            max: 10_000_000,
        },
        about: "How many documents the cache is laid out for; what limits it is max_cache_bytes. Raise it when many \
                small documents are read and the hit rate in status is low.",
    },
    Key {
        path: "optimizer.storage.config.max_cache_bytes",
        kind: Size { min: KIB, max: TIB },
        about: "The most memory that documents in the cache take together, in bytes. This is the bound that \
                protects the host; lower it where memory is short.",
    },
    Key {
        path: "optimizer.storage.config.enable_sharding",
        kind: Flag,
        about: "Spread prompts over shard directories that are written in parallel. Off means shard_depth 0. Only \
                a new store asks; an existing store keeps the layout that it has.",
    },
    Key {
        path: "optimizer.storage.config.shard_depth",
        kind: Count { min: 0, max: 4 },
        about: "How many hex digits of SHA-256(prompt id) name a shard directory: 0 is flat, 2 makes 256 shards. \
                Only a new store asks. Take 3 beyond a million prompts.",
    },
    Key {
        path: "optimizer.storage.config.on_external_edit",
        kind: Choice(&["serve", "refuse"]),
        about: "What happens to a version file that was changed by hand. serve: it is served as it now is and \
                marked as edited. refuse: reading it fails until it is sealed or restored; choose this where a \
                version must never change.",
    },
    Key {
        path: "optimizer.storage.config.min_free_bytes",
        kind: Size { min: 0, max: TIB },
        about: "Free space on the file system of the store below which writes are refused with storage-full, in \
                bytes; reads go on. Raise it where other programs fill the same disk in bursts; 0 turns the check off.",
    },
    Key {
        path: "optimizer.storage.config.resume_free_percent",
        kind: Count { min: 101, max: 1_000 },
        about: "Percent of min_free_bytes that must be free before writes are taken again after a storage-full. Raise \
                it where the disk hovers around its limit and writes come and go.",
    },
    Key {
        path: "optimizer.storage.config.trash_max_age_days",
        kind: Count { min: 0, max: 36_500 },
        about: "Age in days after which a deleted version is removed from the trash for good. 0 keeps the trash \
                for ever; set it where many versions are deleted and the disk is small.",
    },
    Key {
        path: "optimizer.storage.config.max_queue_depth",
        kind: Count { min: 1, max: 65_536 },
        about: "The most writes that wait for one shard; the next one is answered with busy. Raise it for bursts \
                from clients that do not retry; each waiting write holds its document in memory.",
    },
    Key {
        path: "optimizer.storage.config.max_batch_versions",
        kind: Count { min: 1, max: 4_096 },
        about: "The most versions of one shard that are made durable together. Larger batches raise throughput \
                under load and the longest wait of a single write.",
    },
    Key {
        path: "optimizer.storage.config.max_batch_bytes",
        kind: Size { min: KIB, max: GIB },
        about: "The most bytes of documents that are made durable together. At least max_file_bytes: raise it with \
                that key, or to let large documents share a commit.",
    },
    Key {
        path: "optimizer.storage.config.max_file_bytes",
        kind: Size {
            min: KIB,
            max: 256 * MIB,
        },
        about: "The largest version file that is written or read, in bytes. A larger one that lies in the store is \
                reported and not served. 100,000 characters can be 1 MiB of JSON.",
    },
    Key {
        path: "optimizer.storage.config.max_concurrent_commits",
        kind: Count { min: 1, max: 1_024 },
        about: "The most commits at one time, over all shards; each takes a thread while it waits for the disk. \
                Lower it on a disk that suffers from parallel fsync.",
    },
    Key {
        path: "optimizer.storage.config.index_interval_ms",
        kind: Count {
            min: 10,
            max: 3_600_000,
        },
        about: "Milliseconds between two writes of .index.json while the store changes. Raise it for a large store \
                under constant writing; the index is always complete after a clean stop.",
    },
    Key {
        path: "optimizer.storage.config.retention.keep_last",
        kind: Count {
            min: 0,
            max: 1_000_000,
        },
        about: "How many versions of each prompt stay; older ones go to the trash. Kept in any case: the latest, those \
                with a label, and parents of kept ones. 0 keeps everything.",
    },
    Key {
        path: "optimizer.storage.config.retention.keep_newer_than_days",
        kind: Count { min: 0, max: 36_500 },
        about: "Versions younger than so many days stay as well, however many there are. 0 is no such rule; it \
                matters only with keep_last.",
    },
    Key {
        path: "optimizer.storage.config.retention.interval_hours",
        kind: Count { min: 1, max: 8_760 },
        about: "Hours between two collections; the first comes so long after the start. Each is a job of the kind \
                collect. Lower it where versions are made by the thousand.",
    },
    Key {
        path: "optimizer.storage.config.scrub.enabled",
        kind: Flag,
        about: "Read every version in the background and report damage in the log, in status and in readyz. Turn it \
                off where the disk or its file system does that already.",
    },
    Key {
        path: "optimizer.storage.config.scrub.bytes_per_second",
        kind: Size { min: KIB, max: GIB },
        about: "How many bytes the scrubber reads in a second, on average. Raise it for a large store: at 256 KiB a \
                gigabyte takes about an hour.",
    },
    Key {
        path: "optimizer.storage.config.scrub.pause_hours",
        kind: Count { min: 1, max: 8_760 },
        about: "Hours of rest after the scrubber has read everything once. Lower it to find damage sooner, at the \
                price of more reading.",
    },
    Key {
        path: "optimizer.storage.config.scrub.first_pause_seconds",
        kind: Count { min: 0, max: 86_400 },
        about: "Seconds after a start before the scrubber begins. Raise it where the start is busy enough already.",
    },
    Key {
        path: "optimizer.storage.config.watch.mode",
        kind: Choice(&["auto", "inotify", "scan", "off"]),
        about: "auto: kernel events, and scans where events do not work (network file systems, watch limit reached). \
                inotify: kernel events only; what they miss is seen at the next start, and status says so. scan: \
                scans only. off: changes by others are seen at the next start.",
    },
    Key {
        path: "optimizer.storage.config.watch.scan_interval_seconds",
        kind: Count { min: 1, max: 86_400 },
        about: "Seconds between two scans of the store, where it is scanned. Lower it to see changes sooner at the \
                price of reading every directory more often.",
    },
    Key {
        path: "optimizer.storage.config.watch.debounce_ms",
        kind: Count { min: 1, max: 10_000 },
        about: "Milliseconds for which kernel events are gathered before the files are looked at. Raise it when \
                editors or git touch many files at once.",
    },
    Key {
        path: "optimizer.storage.config.watch.max_events",
        kind: Count {
            min: 16,
            max: 1_048_576,
        },
        about: "The most kernel events that wait to be looked at. Beyond it they are dropped and the store is \
                scanned instead, so nothing is missed.",
    },
    Key {
        path: "optimizer.storage.config.restart.max_restarts",
        kind: Count { min: 0, max: 1_000 },
        about: "The most restarts of one shard within window_seconds. One more and it rests for a whole \
                window: its calls answer unavailable and health says so; then it is tried again. 0 rests each time.",
    },
    Key {
        path: "optimizer.storage.config.restart.window_seconds",
        kind: Count { min: 1, max: 86_400 },
        about: "Length in seconds of the window in which restarts are counted. Raise it to give up on a shard that fails \
                rarely but again and again.",
    },
    Key {
        path: "optimizer.storage.config.restart.min_backoff_ms",
        kind: Count { min: 1, max: 60_000 },
        about: "Pause in milliseconds before the first restart; it doubles with each further one. Raise it \
                where the disk needs time to come back.",
    },
    Key {
        path: "optimizer.storage.config.restart.max_backoff_ms",
        kind: Count { min: 1, max: 600_000 },
        about: "Longest pause in milliseconds before a restart. At least min_backoff_ms; lower it to have a shard \
                back sooner after a long fault.",
    },
];
