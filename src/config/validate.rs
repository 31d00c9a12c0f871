//! Values that are right alone and wrong together.

use super::load::Layers;
use super::{Config, ConfigError, Origin, StorageBackend, paths};

const STORE: &str = "optimizer.storage.config.storage_dir";
const LLM_ENDPOINT: &str = "optimizer.llm.endpoint";
const TCP_LISTEN: &str = "daemon.tcp.listen";
const BACKEND: &str = "optimizer.storage.backend";

/// Checks what no single key can tell. `layers` says where the values came from.
///
/// # Errors
/// [`ConfigError::Contradiction`] and [`ConfigError::SocketPathTooLong`].
pub(super) fn together(config: &Config, layers: &Layers) -> Result<(), ConfigError> {
    let storage = &config.optimizer.storage.config;
    let limits = &config.daemon.limits;
    let not_above = [
        (
            "optimizer.storage.config.restart.min_backoff_ms",
            storage.restart.min_backoff_ms,
            "optimizer.storage.config.restart.max_backoff_ms",
            storage.restart.max_backoff_ms,
        ),
        (
            "optimizer.storage.config.max_file_bytes",
            storage.max_file_bytes.get(),
            "optimizer.storage.config.max_batch_bytes",
            storage.max_batch_bytes.get(),
        ),
        (
            "daemon.limits.default_page_items",
            count(limits.default_page_items),
            "daemon.limits.max_page_items",
            count(limits.max_page_items),
        ),
    ];
    for (lower, lesser, upper, greater) in not_above {
        if lesser > greater {
            let message =
                format!("`{lower}` is {lesser}, but must not be above `{upper}`, which is {greater}");
            return Err(ConfigError::Contradiction {
                at: origin(layers, &[upper, lower]),
                message,
            });
        }
    }
    named_store_is_used(config, layers)?;
    config
        .optimizer
        .llm
        .validate()
        .map_err(|error| ConfigError::Contradiction {
            at: origin(layers, &[error.key, LLM_ENDPOINT]),
            message: error.to_string(),
        })?;
    config
        .daemon
        .tcp
        .validate()
        .map_err(|(key, wrong)| ConfigError::Contradiction {
            at: origin(layers, &[key, TCP_LISTEN]),
            message: format!("`{key}` {wrong}"),
        })?;
    config
        .daemon
        .socket
        .as_deref()
        .map_or(Ok(()), paths::check_socket_path)
}

/// A store named on the command line and then not used would lose what is written, so it is refused.
fn named_store_is_used(config: &Config, layers: &Layers) -> Result<(), ConfigError> {
    let named = matches!(layers.get(STORE), Some((_, Origin::Argument(_))));
    if named && config.optimizer.storage.backend == StorageBackend::Memory {
        let message = "--store names a directory, but `optimizer.storage.backend` is memory and would keep nothing: \
                       leave --store away, or set the backend to filesystem";
        let at = origin(layers, &[BACKEND, STORE]);
        return Err(ConfigError::Contradiction {
            at,
            message: message.to_owned(),
        });
    }
    Ok(())
}

/// Returns where the first of some keys that is not at its default was set.
fn origin(layers: &Layers, keys: &[&str]) -> Origin {
    keys.iter()
        .find_map(|key| layers.get(key))
        .map_or(Origin::Argument("configuration"), |(_, origin)| origin.clone())
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}
