//! What the facts mean. Pure: nothing is looked at here.

use crate::cli::wording;

use super::facts::{ClockFacts, ConfigFacts, Facts, SocketFacts, SocketState, StoreFacts, StoreKind, User};
use super::finding::Finding;
use super::judge_daemon::judge_daemon;
use super::judge_units::judge_units;

/// A backup older than this was missed.
const MAX_BACKUP_SECONDS: i64 = 36 * 3_600;
/// No clock that is right shows less: promptd is younger.
const YEAR_2025: i64 = 1_735_689_600;
/// How far the clock may lie behind what was written.
const CLOCK_TOLERANCE: i64 = 300;
/// The part of the disk that may be used, in percent.
const MAX_USED_PERCENT: u64 = 80;

/// Judges an installation, area by area.
pub(super) fn judge(facts: &Facts) -> Vec<Finding> {
    let mut findings = vec![judge_config(&facts.config)];
    findings.extend(judge_units(&facts.units));
    findings.push(judge_socket(facts));
    findings.extend(judge_daemon(&facts.daemon, &facts.socket));
    if let Some(store) = &facts.store {
        let is_up = facts.daemon.status.is_some();
        findings.extend(judge_store(store, &facts.user, is_up));
        findings.push(judge_lock(store, is_up));
        findings.push(judge_room(store));
        findings.push(judge_inotify(store.directories, facts.inotify.limit));
        findings.push(judge_backup(facts.last_backup, facts.clock.now, store.kind));
    } else if facts.config.in_memory {
        let what = "everything is kept in memory (backend: memory)";
        findings.push(
            Finding::warning("store", what)
                .why("it is gone when promptd stops")
                .fix("set optimizer.storage.backend to filesystem"),
        );
    }
    let changed_at = facts.store.as_ref().map_or(0, |store| store.changed_at);
    findings.push(judge_clock(facts.clock, changed_at));
    findings.extend(judge_shell(facts));
    findings
}

fn judge_config(config: &ConfigFacts) -> Finding {
    let place = config.file.as_ref().map(|file| file.display().to_string());
    match (&config.error, place) {
        (Some(error), _) => Finding::problem("configuration", error.clone())
            .why("promptd does not start with it (exit code 78)")
            .fix("correct it; 'promptctl config check' tells whether it is right")
            .fix("'promptctl config migrate FILE' renames the keys of older versions"),
        (None, Some(place)) => Finding::ok("configuration", format!("{place} is valid")),
        (None, None) => Finding::ok("configuration", "no file: the defaults hold"),
    }
}

fn judge_socket(facts: &Facts) -> Finding {
    let SocketFacts { path, tried, state } = &facts.socket;
    let place = path.display();
    match state {
        SocketState::Open => Finding::ok("socket", format!("{place} is there, and somebody listens")),
        SocketState::Missing => {
            let tried: Vec<String> = tried.iter().map(|path| path.display().to_string()).collect();
            Finding::problem("socket", format!("there is no socket at {}", tried.join(", ")))
                .why("promptd does not run, or listens elsewhere")
                .fix(start_it(facts))
                .fix("if it runs, name its socket with --socket or $PROMPTD_SOCKET; its log says \"promptd serves\" with the path")
        }
        SocketState::Stale => {
            Finding::problem("socket", format!("{place} is there, and nobody listens on it"))
                .why("its daemon was killed; the socket does no harm, the next start replaces it")
                .fix(start_it(facts))
        }
        SocketState::NotASocket => Finding::problem("socket", format!("{place} is no socket"))
            .why("promptd never removes what it did not make, and does not start (exit code 73)")
            .fix("move it away, or choose another path with daemon.socket"),
        SocketState::Denied { group, mode } => {
            let found = Finding::problem(
                "socket",
                format!("you ({}) may not open {place} (mode {mode:04o})", facts.user.name),
            )
            .why("the mode and the group of the socket decide who may use promptd");
            match group {
                Some(group) => found
                    .fix(format!(
                        "join the group: sudo usermod -aG {group} {}",
                        facts.user.name
                    ))
                    .fix("then log in anew: the groups of a session do not change"),
                None => {
                    found.fix("ask whoever runs promptd for daemon.socket_mode 0660 and a group of yours")
                }
            }
        }
        SocketState::Broken(reason) => Finding::problem("socket", format!("{place}: {reason}")),
    }
}

fn start_it(facts: &Facts) -> String {
    let unit = facts.units.iter().find(|unit| unit.is_loaded());
    unit.map_or_else(
        || "start it: promptd".to_owned(),
        |unit| format!("start it: {} start {}", unit.systemctl(), unit.name),
    )
}

fn judge_store(store: &StoreFacts, user: &User, is_up: bool) -> Vec<Finding> {
    let place = store.path.display();
    match store.kind {
        StoreKind::Missing => {
            return vec![Finding::note(
                "store",
                format!("{place} does not exist yet: the first start makes it"),
            )];
        }
        StoreKind::Other => {
            return vec![
                Finding::problem("store", format!("{place} is no directory"))
                    .why("promptd does not start (exit code 73)")
                    .fix("move it away, or set optimizer.storage.config.storage_dir"),
            ];
        }
        StoreKind::Directory => {}
    }
    let mut findings = Vec::new();
    // Whoever is not its owner need not be able to write it; the daemon, while it runs, knows best itself.
    let is_ours = user.uid == store.owner || user.uid == 0;
    if !is_up && is_ours && !(store.is_readable && store.is_writable) {
        findings.push(
            Finding::problem(
                "store",
                format!("you may not read and write {place} (mode {:04o})", store.mode),
            )
            .why("a promptd of yours cannot work there")
            .fix(format!("sudo chmod u+rwx {place}")),
        );
    } else if !is_up && !is_ours {
        findings.push(
            Finding::note(
                "store",
                format!("{place} belongs to {}, not to you", store.owner_name),
            )
            .why("only its owner can tell whether promptd could work there")
            .fix(format!("sudo -u {} promptctl doctor", store.owner_name)),
        );
    }
    if store.mode & 0o007 != 0 {
        findings.push(
            Finding::warning(
                "store",
                format!("everybody may look into {place} (mode {:04o})", store.mode),
            )
            .why("prompts can be read, or changed, around promptd and its rights")
            .fix(format!("sudo chmod o-rwx {place}")),
        );
    }
    if store.is_read_only {
        findings.push(
            Finding::problem("store", format!("the file system of {place} is read-only"))
                .why("nothing can be written; the kernel does that after an error of the disk")
                .fix("look at dmesg, then: mount -o remount,rw"),
        );
    }
    if let Some(name) = store.doubtful_file_system {
        findings.push(
            Finding::warning("store", format!("{place} is on {name}"))
                .why("what promptd made durable there may be lost in a power failure, or at the next start of the host")
                .fix("put the store on a local disk: ext4, xfs or btrfs"),
        );
    }
    if findings.is_empty() {
        findings.push(Finding::ok("store", place.to_string()));
    }
    findings
}

fn judge_lock(store: &StoreFacts, is_up: bool) -> Finding {
    match (store.locked_by, store.lock_names, is_up) {
        (Some(pid), _, true) => Finding::ok("lock", format!("process {pid} holds it")),
        (Some(pid), _, false) => Finding::problem(
            "lock",
            format!("process {pid} has the store open, and does not answer at this socket"),
        )
        .why("a store has one daemon: another one does not start (exit code 75)")
        .fix(format!("see what it is: ps -fp {pid}"))
        .fix("if it is promptd, name its socket with --socket, or stop it"),
        (None, Some(pid), false) => Finding::ok(
            "lock",
            format!("free; process {pid} had it, and a file that is left does no harm"),
        ),
        _ => Finding::ok("lock", "free"),
    }
}

fn judge_room(store: &StoreFacts) -> Finding {
    let (free, total) = (wording::bytes(store.free), wording::bytes(store.total));
    let used = store.total.saturating_sub(store.free);
    let percent = used
        .saturating_mul(100)
        .checked_div(store.total)
        .unwrap_or_default();
    let what = format!("{free} of {total} are free ({percent} % used)");
    if store.total == 0 {
        Finding::note("disk", "it does not say how full it is")
    } else if store.free < store.min_free {
        Finding::problem("disk", what)
            .why(format!(
                "below {} (min_free_bytes) nothing new is stored; reads and deletions work",
                wording::bytes(store.min_free)
            ))
            .fix("free space, or forget what is in the trash: promptctl collect --trash-older-than 30d --apply")
    } else if percent > MAX_USED_PERCENT {
        Finding::warning("disk", what)
            .why("when it is full, nothing new is stored")
            .fix("free space, or forget what is in the trash: promptctl collect --trash-older-than 30d --apply")
    } else {
        Finding::ok("disk", what)
    }
}

fn judge_inotify(wanted: u64, limit: Option<u64>) -> Finding {
    match limit {
        None => Finding::note(
            "inotify",
            "the kernel does not say how many directories may be watched",
        ),
        Some(limit) if wanted > limit => Finding::warning(
            "inotify",
            format!("the store has {wanted} directories, and {limit} may be watched"),
        )
        .why("changes made outside promptd are found by scanning, later and with more work")
        .fix("sudo cp config/60-promptd-inotify.conf /etc/sysctl.d/ && sudo sysctl --system")
        .fix("then restart promptd"),
        Some(limit) => Finding::ok("inotify", format!("{wanted} of {limit} directories want a watch")),
    }
}

fn judge_backup(last: Option<i64>, now: i64, store: StoreKind) -> Finding {
    let make = "promptctl backup nightly (docs/operations.md, section 5, has a timer)";
    match last {
        _ if store != StoreKind::Directory => Finding::note("backup", "there is nothing to back up yet"),
        None => Finding::warning("backup", "no backup is known")
            .why("what a disk loses comes back from a backup alone")
            .fix(make),
        Some(at) => {
            let age = now.saturating_sub(at);
            let what = format!(
                "the newest is {} old",
                wording::duration(u64::try_from(age).unwrap_or_default())
            );
            if age > MAX_BACKUP_SECONDS {
                Finding::warning("backup", what)
                    .why("what came since would be lost with the disk")
                    .fix(make)
                    .fix("'promptctl job list' shows what became of the last one")
            } else {
                Finding::ok("backup", what)
            }
        }
    }
}

fn judge_clock(clock: ClockFacts, changed_at: i64) -> Finding {
    let fix = "timedatectl set-ntp true";
    if clock.now < YEAR_2025 {
        Finding::problem("clock", "it shows a time before 2025")
            .why("versions get wrong times, and the trash is emptied by them")
            .fix(fix)
    } else if changed_at > clock.now + CLOCK_TOLERANCE {
        Finding::warning("clock", "the store was changed at a time that has not come yet")
            .why("the clock was set back, or was wrong before: versions have wrong times")
            .fix(fix)
    } else if clock.is_synchronized == Some(false) {
        Finding::note("clock", "it is not kept right over the network")
            .why("the times of versions are only as good as the clock")
            .fix(fix)
    } else {
        Finding::ok("clock", "it shows a time that can be")
    }
}

fn judge_shell(facts: &Facts) -> Vec<Finding> {
    let manual = if facts.shell.has_manual {
        Finding::ok("manual pages", "installed")
    } else {
        Finding::note("manual pages", "not installed")
            .fix("promptctl man ~/.local/share/man/man1, or the package of promptd")
    };
    let completions = if facts.shell.has_completions {
        Finding::ok("completions", "installed")
    } else {
        Finding::note("completions", "not installed").fix("promptctl completions --help")
    };
    vec![manual, completions]
}

#[cfg(test)]
mod tests;
