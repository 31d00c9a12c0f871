//! Values: their types, their bounds, and what they say together.

use super::*;

#[test]
fn a_wrong_type_is_refused_with_its_line() {
    check_refused(
        "daemon:\n  limits:\n    max_connections: many\n",
        "p.yaml:3: `daemon.limits.max_connections` must be a whole number, 1 to 65536, not the text \"many\"",
    );
    check_refused(
        "daemon:\n  limits:\n    max_connections: 1.5\n",
        "p.yaml:3: `daemon.limits.max_connections` must be a whole number, 1 to 65536, not the number 1.5",
    );
    check_refused(
        "daemon:\n  logging:\n    level: [info]\n",
        "p.yaml:3: `daemon.logging.level` must be one of error, warn, info, debug, trace, not a list",
    );
    check_refused(
        "optimizer:\n  storage:\n    config:\n      use_cache: yes\n",
        "p.yaml:4: `optimizer.storage.config.use_cache` must be true or false, not the text \"yes\"",
    );
    check_refused(
        "daemon:\n  limits: 5\n",
        "p.yaml:2: `daemon.limits` must be a section with keys, not the number 5",
    );
    check_refused(
        "- daemon\n",
        "p.yaml:1: `(the whole file)` must be a section with keys, not a list",
    );
    check_refused(
        "daemon:\n  socket_mode: 660\n",
        "p.yaml:2: `daemon.socket_mode` must be octal digits in quotes, \"0600\" to \"0777\", owner included, \
         not the number 660",
    );
    check_refused(
        "daemon:\n  limits:\n    max_connections:\n",
        "p.yaml:3: `daemon.limits.max_connections` must be a whole number, 1 to 65536, \
         not empty (remove the key for its default)",
    );
}

#[test]
fn a_value_out_of_bounds_is_refused_with_key_value_and_bound() {
    check_refused(
        "daemon: {limits: {max_connections: 0}}",
        "p.yaml:1: `daemon.limits.max_connections` is 0, but must be a whole number, 1 to 65536",
    );
    check_refused(
        "daemon: {limits: {max_body_bytes: 1GiB}}",
        "p.yaml:1: `daemon.limits.max_body_bytes` is 1GiB, but must be a size, 1KiB to 256MiB",
    );
    check_refused(
        "daemon: {logging: {format: xml}}",
        "p.yaml:1: `daemon.logging.format` is xml, but must be one of text, json",
    );
    check_refused(
        "daemon: {socket: ~/x.sock}",
        "p.yaml:1: `daemon.socket` is ~/x.sock, but must be a path, not beginning with ~, or null",
    );
}

#[test]
fn both_bounds_of_every_number_hold_in_the_file_and_in_the_environment() {
    for key in keys::table() {
        let (keys::KeyKind::Count { min, max } | keys::KeyKind::Size { min, max }) = key.kind else {
            continue;
        };
        let mut refused = vec![u128::from(max) + 1];
        if min > 0 {
            refused.push(u128::from(min) - 1);
        }
        for value in refused {
            let error = load_text(&file_with(key.path, &value.to_string())).unwrap_err();
            assert!(matches!(error, ConfigError::OutOfBounds { .. }), "{error}");
            let variable = keys::environment_name(key.path);
            let error = assemble(None, &env(&[(&variable, &value.to_string())])).unwrap_err();
            assert!(matches!(error, ConfigError::OutOfBounds { .. }), "{error}");
        }
        for value in [min, max] {
            match load_text(&file_with(key.path, &value.to_string())) {
                Ok(_) | Err(ConfigError::Contradiction { .. }) => {}
                Err(error) => panic!("{}: {error}", key.path),
            }
        }
    }
}

#[test]
fn every_word_of_every_choice_is_accepted() {
    for key in keys::table() {
        let keys::KeyKind::Choice(words) = key.kind else {
            continue;
        };
        for word in words {
            let config = load_text(&file_with(key.path, word)).unwrap();
            let tree = keys::values_of(&config);
            assert_eq!(
                keys::value_at(&tree, key.path),
                &Value::from(*word),
                "{}",
                key.path
            );
        }
    }
}

#[test]
fn values_that_contradict_each_other_are_refused_where_one_was_set() {
    check_refused(
        "daemon:\n  limits:\n    default_page_items: 2000\n",
        "p.yaml:3: `daemon.limits.default_page_items` is 2000, but must not be above \
         `daemon.limits.max_page_items`, which is 1000",
    );
    check_refused(
        "optimizer:\n  storage:\n    config:\n      max_file_bytes: 8MiB\n",
        "p.yaml:4: `optimizer.storage.config.max_file_bytes` is 8388608, but must not be above \
         `optimizer.storage.config.max_batch_bytes`, which is 4194304",
    );
    check_refused(
        "optimizer: {storage: {config: {restart: {max_backoff_ms: 5}}}}",
        "p.yaml:1: `optimizer.storage.config.restart.min_backoff_ms` is 10, but must not be above \
         `optimizer.storage.config.restart.max_backoff_ms`, which is 5",
    );
}
