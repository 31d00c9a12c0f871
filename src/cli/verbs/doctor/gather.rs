//! Looking at an installation. Nothing is changed, and nothing is waited for longer than a moment.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{FileType, Mode};
use tokio::net::UnixStream;
use tokio::time::timeout;

use crate::cli::field::field;
use crate::cli::session::Session;
use crate::config::{self, Config, Sources, paths};

use super::facts::{
    ClockFacts, ConfigFacts, DaemonFacts, Facts, InotifyFacts, SocketFacts, SocketState, User,
};
use super::{look_at_store, system};

/// How long a connection, or an answer, is waited for.
const PATIENCE: Duration = Duration::from_secs(5);

/// Looks at everything.
pub(super) async fn gather(session: &Session) -> Facts {
    let env = session.env.vars();
    let (config, loaded) = look_at_config(env);
    let socket = look_at_socket(session).await;
    let daemon = if socket.state == SocketState::Open {
        ask_daemon(session).await
    } else {
        DaemonFacts::default()
    };
    let storage = daemon.status.as_ref().map(|status| field(status, "/storage"));
    // The daemon knows best where its store is: it may be that of a service with another configuration.
    let served = storage.and_then(|storage| field(storage, "/path").as_str().map(PathBuf::from));
    let configured = loaded.as_ref().and_then(|(_, paths)| paths.store.clone());
    let min_free = storage.and_then(|storage| field(storage, "/disk/min_free_bytes").as_u64());
    let min_free = min_free.or_else(|| {
        let (config, _) = loaded.as_ref()?;
        Some(config.optimizer.storage.config.min_free_bytes.get())
    });
    let path = served.or(configured);
    let store = path
        .as_deref()
        .map(|path| look_at_store::look_at(path, min_free.unwrap_or_default()));
    let known_backup = daemon
        .status
        .as_ref()
        .and_then(|status| field(status, "/jobs/last_backup").as_i64());
    let backup_dir = loaded
        .as_ref()
        .and_then(|(config, _)| config.optimizer.storage.config.backup_dir.clone())
        .or_else(|| Some(path.as_deref()?.parent()?.join("backups")));
    let last_backup = known_backup.or_else(|| look_at_store::newest_in(&backup_dir?));
    Facts {
        user: who(),
        config,
        socket,
        daemon,
        store,
        inotify: InotifyFacts {
            limit: crate::storage::filesystem::disk::inotify_limit(),
        },
        units: system::units(),
        clock: ClockFacts {
            now: jiff::Timestamp::now().as_second(),
            is_synchronized: system::clock_is_synchronized(),
        },
        shell: system::shell(env),
        last_backup,
    }
}

fn who() -> User {
    let uid = rustix::process::getuid().as_raw();
    User {
        uid,
        name: user_name(uid),
    }
}

/// Returns the name of a user, or the number of one without a name.
pub(super) fn user_name(uid: u32) -> String {
    let found = uzers::get_user_by_uid(uid);
    found.map_or_else(
        || format!("uid:{uid}"),
        |user| user.name().to_string_lossy().into_owned(),
    )
}

fn look_at_config(env: &[(String, String)]) -> (ConfigFacts, Option<(Config, paths::Paths)>) {
    let file = paths::config_file(None, env, Path::exists);
    let sources = Sources {
        file: file.clone(),
        env: env.to_vec(),
        ..Sources::default()
    };
    let loaded = config::load(&sources).and_then(|config| {
        let paths = paths::resolve(&config, env)?;
        Ok((config, paths))
    });
    let facts = ConfigFacts {
        file,
        error: loaded.as_ref().err().map(ToString::to_string),
        in_memory: loaded.as_ref().is_ok_and(|(_, paths)| paths.store.is_none()),
    };
    (facts, loaded.ok())
}

async fn look_at_socket(session: &Session) -> SocketFacts {
    let client = session.client();
    let path = client.socket().to_owned();
    let state = match timeout(PATIENCE, UnixStream::connect(&path)).await {
        Ok(Ok(_)) => SocketState::Open,
        // A full backlog: somebody listens.
        Ok(Err(error)) if error.kind() == io::ErrorKind::WouldBlock => SocketState::Open,
        Ok(Err(error)) => why_not(&path, &error),
        Err(_) => SocketState::Broken("the connection is not taken".to_owned()),
    };
    SocketFacts {
        tried: session.sockets_tried().to_vec(),
        path,
        state,
    }
}

fn why_not(path: &Path, error: &io::Error) -> SocketState {
    match error.kind() {
        io::ErrorKind::NotFound => SocketState::Missing,
        io::ErrorKind::ConnectionRefused => match rustix::fs::stat(path) {
            Ok(stat) if FileType::from_raw_mode(stat.st_mode) != FileType::Socket => SocketState::NotASocket,
            _ => SocketState::Stale,
        },
        io::ErrorKind::PermissionDenied => denied(path),
        _ => SocketState::Broken(error.to_string()),
    }
}

/// Finds what is in the way: the socket, or a directory above it that lets nobody through.
fn denied(path: &Path) -> SocketState {
    let seen = path.ancestors().find_map(|place| rustix::fs::stat(place).ok());
    let Some(stat) = seen else {
        return SocketState::Denied { group: None, mode: 0 };
    };
    let mode = Mode::from_raw_mode(stat.st_mode);
    let wanted = if FileType::from_raw_mode(stat.st_mode) == FileType::Socket {
        Mode::WGRP
    } else {
        Mode::XGRP
    };
    let group = uzers::get_group_by_gid(stat.st_gid);
    let group = group.map(|group| group.name().to_string_lossy().into_owned());
    SocketState::Denied {
        group: group.filter(|_| mode.contains(wanted)),
        mode: mode.as_raw_mode() & 0o7777,
    }
}

async fn ask_daemon(session: &Session) -> DaemonFacts {
    match timeout(PATIENCE, session.client().status_json()).await {
        Ok(Ok(status)) => DaemonFacts {
            status: Some(status),
            error: None,
        },
        Ok(Err(error)) => DaemonFacts {
            status: None,
            error: Some(error.to_string()),
        },
        Err(_) => DaemonFacts {
            status: None,
            error: Some(format!("no answer within {} s", PATIENCE.as_secs())),
        },
    }
}
