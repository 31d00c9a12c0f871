//! The environment and the command line.

use super::*;

#[test]
fn the_environment_overrides_the_file_and_the_command_line_overrides_both() {
    let sources = Sources {
        store: Some("/from/argument".into()),
        ..env(&[
            (
                "PROMPTD__OPTIMIZER__STORAGE__CONFIG__STORAGE_DIR",
                "/from/variable",
            ),
            ("promptd__Daemon__Socket", "/from/variable.sock"),
            ("PROMPTD__OPTIMIZER__STORAGE__CONFIG__SHARD_DEPTH", "0"),
            ("PROMPTD__OPTIMIZER__STORAGE__CONFIG__WATCH__MODE", "off"),
            ("PROMPTD__DAEMON__LIMITS__MAX_BODY_BYTES", "2 MiB"),
            ("PROMPTD__DAEMON__SOCKET_MODE", "0666"),
            ("PROMPTD_SOCKET", "not ours"),
            ("PATH", "/bin"),
            ("ÄÖÜ", "short and not ASCII"),
        ])
    };
    let text = "optimizer: {storage: {config: {storage_dir: /from/file, shard_depth: 3}}}\ndaemon: {socket: /from/file}\n";
    let config = assemble(Some((Path::new("p.yaml"), text)), &sources).unwrap();
    let storage = &config.optimizer.storage.config;
    assert_eq!(storage.storage_dir.as_deref(), Some(Path::new("/from/argument")));
    assert_eq!(storage.shard_depth, crate::model::ShardDepth::FLAT);
    assert_eq!(storage.watch.mode, WatchMode::Off);
    assert_eq!(
        config.daemon.socket.as_deref(),
        Some(Path::new("/from/variable.sock"))
    );
    assert_eq!(config.daemon.limits.max_body_bytes, ByteSize::mib(2));
    assert_eq!(config.daemon.socket_mode.bits(), 0o666);
}

#[test]
fn an_unknown_variable_is_refused_with_the_nearest_key() {
    check_variable_refused(
        "PROMPTD__DAEMON__LOGING__LEVEL",
        "debug",
        "environment variable PROMPTD__DAEMON__LOGING__LEVEL names no configuration key: did you mean \
         `PROMPTD__DAEMON__LOGGING__LEVEL`?",
    );
    check_variable_refused(
        "PROMPTD__SHARD_DEPTH",
        "1",
        "environment variable PROMPTD__SHARD_DEPTH names no configuration key: did you mean \
         `PROMPTD__OPTIMIZER__STORAGE__CONFIG__SHARD_DEPTH`?",
    );
    check_variable_refused(
        "PROMPTD__",
        "1",
        "environment variable PROMPTD__ names no configuration key",
    );
}

#[test]
fn a_wrong_value_of_a_variable_is_refused_with_its_name() {
    check_variable_refused(
        "PROMPTD__DAEMON__LOGGING__LEVEL",
        "loud",
        "PROMPTD__DAEMON__LOGGING__LEVEL: `daemon.logging.level` is loud, but must be one of error, warn, info, \
         debug, trace",
    );
    let twice = env(&[
        ("PROMPTD__DAEMON__SOCKET", "/a"),
        ("promptd__daemon__socket", "/b"),
    ]);
    assert_eq!(
        assemble(None, &twice).unwrap_err().to_string(),
        "environment variables PROMPTD__DAEMON__SOCKET and promptd__daemon__socket set the same key: remove one"
    );
}

#[test]
fn a_store_on_the_command_line_is_not_silently_kept_in_memory() {
    let sources = Sources {
        store: Some("/s".into()),
        ..env(&[("PROMPTD__OPTIMIZER__STORAGE__BACKEND", "memory")])
    };
    let error = assemble(None, &sources).unwrap_err().to_string();
    assert!(
        error.starts_with("PROMPTD__OPTIMIZER__STORAGE__BACKEND: --store names"),
        "{error}"
    );
}

#[test]
fn a_socket_path_that_the_kernel_refuses_is_refused_here() {
    let sources = Sources {
        socket: Some(format!("/{}", "s".repeat(107)).into()),
        ..Sources::default()
    };
    assert!(matches!(
        load(&sources),
        Err(ConfigError::SocketPathTooLong { length: 108, .. })
    ));
}
