//! Where the configuration file, the store and the socket are by default, and where clients look for the socket.
//!
//! All of it is a pure function of an environment that is handed in. An empty variable counts as absent; XDG variables
//! that are not absolute are passed over, as their specification asks; of the lists that systemd gives, the first
//! entry is taken.

use std::path::{Path, PathBuf};

use super::{Config, ConfigError, StorageBackend};

/// The longest path of a Unix socket on Linux: 108 bytes with the zero at the end.
pub const MAX_SOCKET_PATH_BYTES: usize = 107;

/// The file name of the socket in every directory where it may lie.
const SOCKET_NAME: &str = "promptd.sock";

/// The file name of the configuration in every directory where it may lie.
const CONFIG_NAME: &str = "promptd.yaml";

/// The directory of the socket when the daemon is a system service.
const SYSTEM_RUNTIME_DIR: &str = "/run/promptd";

/// The directory of the configuration when the daemon is a system service.
const SYSTEM_CONFIG_DIR: &str = "/etc/promptd";

/// The places that a daemon uses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paths {
    /// The store directory; `None` with the memory backend.
    pub store: Option<PathBuf>,
    /// The socket.
    pub socket: PathBuf,
}

/// Returns the places that a daemon uses: the configured ones, else the defaults of its environment.
///
/// # Errors
/// [`ConfigError::NoStoreDirectory`] when a default store is needed and the environment names none;
/// [`ConfigError::SocketPathTooLong`].
pub fn resolve(config: &Config, env: &[(String, String)]) -> Result<Paths, ConfigError> {
    let storage = &config.optimizer.storage;
    let store = match (storage.backend, &storage.config.storage_dir) {
        (StorageBackend::Memory, _) => None,
        (StorageBackend::Filesystem, Some(dir)) => Some(dir.clone()),
        (StorageBackend::Filesystem, None) => Some(default_store(env)?),
    };
    let socket = match (&config.daemon.socket, runtime_socket(env), &store) {
        (Some(path), _, _) => path.clone(),
        (None, Some(path), _) => path,
        (None, None, Some(store)) => socket_beside(store),
        (None, None, None) => socket_beside(&default_store(env)?),
    };
    check_socket_path(&socket)?;
    Ok(Paths { store, socket })
}

impl Config {
    /// Returns this configuration with the resolved places written into it: what `--print-config` shows.
    #[must_use]
    pub fn with_paths(mut self, paths: &Paths) -> Self {
        if let Some(store) = &paths.store {
            self.optimizer.storage.config.storage_dir = Some(store.clone());
        }
        self.daemon.socket = Some(paths.socket.clone());
        self
    }
}

/// Returns the default store directory.
///
/// # Errors
/// [`ConfigError::NoStoreDirectory`] when the environment has none of `STATE_DIRECTORY`, `XDG_STATE_HOME`, `HOME`.
pub fn default_store(env: &[(String, String)]) -> Result<PathBuf, ConfigError> {
    if let Some(dir) = first_of_list(env, "STATE_DIRECTORY") {
        return Ok(dir.join("store"));
    }
    xdg_dir(env, "XDG_STATE_HOME", ".local/state")
        .map(|state| state.join("promptd/store"))
        .ok_or(ConfigError::NoStoreDirectory)
}

/// Returns the configuration file to read, or `None` when there is none and the defaults hold.
///
/// A file named by `flag` (`--config`) or `$PROMPTD_CONFIG` is returned whether it exists or not, so that
/// [`load`](super::load()) reports it; the others only where `exists` finds them.
#[must_use]
pub fn config_file(
    flag: Option<&Path>,
    env: &[(String, String)],
    exists: impl Fn(&Path) -> bool,
) -> Option<PathBuf> {
    let named = flag
        .map(Path::to_owned)
        .or_else(|| variable(env, "PROMPTD_CONFIG").map(PathBuf::from));
    if named.is_some() {
        return named;
    }
    let candidates = [
        first_of_list(env, "CONFIGURATION_DIRECTORY").map(|dir| dir.join(CONFIG_NAME)),
        xdg_dir(env, "XDG_CONFIG_HOME", ".config").map(|dir| dir.join("promptd").join(CONFIG_NAME)),
        Some(Path::new(SYSTEM_CONFIG_DIR).join(CONFIG_NAME)),
    ];
    candidates.into_iter().flatten().find(|path| exists(path))
}

/// Returns the sockets that a client tries, in this order.
///
/// One that is named by `flag` (`--socket`) or `$PROMPTD_SOCKET` is the only one: a client must not talk to another
/// daemon than the one it was sent to. Otherwise these are the daemon's defaults and that of the system service.
#[must_use]
pub fn client_socket_candidates(flag: Option<&Path>, env: &[(String, String)]) -> Vec<PathBuf> {
    let named = flag
        .map(Path::to_owned)
        .or_else(|| variable(env, "PROMPTD_SOCKET").map(PathBuf::from));
    if let Some(path) = named {
        return vec![path];
    }
    let beside_store = default_store(env).ok().map(|store| socket_beside(&store));
    let system = Path::new(SYSTEM_RUNTIME_DIR).join(SOCKET_NAME);
    let mut candidates = Vec::new();
    for path in [service_socket(env), user_socket(env), beside_store, Some(system)]
        .into_iter()
        .flatten()
    {
        if !candidates.contains(&path) {
            candidates.push(path);
        }
    }
    candidates
}

/// Checks that the kernel takes a path for a Unix socket.
///
/// # Errors
/// [`ConfigError::SocketPathTooLong`] above [`MAX_SOCKET_PATH_BYTES`].
pub fn check_socket_path(path: &Path) -> Result<(), ConfigError> {
    let length = path.as_os_str().len();
    if length > MAX_SOCKET_PATH_BYTES {
        return Err(ConfigError::SocketPathTooLong {
            path: path.to_owned(),
            length,
        });
    }
    Ok(())
}

fn runtime_socket(env: &[(String, String)]) -> Option<PathBuf> {
    service_socket(env).or_else(|| user_socket(env))
}

fn service_socket(env: &[(String, String)]) -> Option<PathBuf> {
    first_of_list(env, "RUNTIME_DIRECTORY").map(|dir| dir.join(SOCKET_NAME))
}

fn user_socket(env: &[(String, String)]) -> Option<PathBuf> {
    absolute(env, "XDG_RUNTIME_DIR").map(|dir| dir.join("promptd").join(SOCKET_NAME))
}

fn socket_beside(store: &Path) -> PathBuf {
    store.parent().unwrap_or(store).join(SOCKET_NAME)
}

fn xdg_dir(env: &[(String, String)], name: &str, below_home: &str) -> Option<PathBuf> {
    absolute(env, name).or_else(|| absolute(env, "HOME").map(|home| home.join(below_home)))
}

fn absolute(env: &[(String, String)], name: &str) -> Option<PathBuf> {
    variable(env, name)
        .map(PathBuf::from)
        .filter(|path| path.is_absolute())
}

fn first_of_list(env: &[(String, String)], name: &str) -> Option<PathBuf> {
    variable(env, name)?
        .split(':')
        .find(|dir| !dir.is_empty())
        .map(PathBuf::from)
}

fn variable<'a>(env: &'a [(String, String)], name: &str) -> Option<&'a str> {
    env.iter()
        .find(|(known, _)| known == name)
        .map(|(_, value)| value.as_str())
        .filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env(text: &str) -> Vec<(String, String)> {
        text.split_whitespace()
            .map(|pair| pair.split_once('=').unwrap())
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect()
    }

    fn check(variables: &str, store: &str, socket: &str) {
        let paths = resolve(&Config::default(), &env(variables)).unwrap();
        assert_eq!(paths.store.as_deref(), Some(Path::new(store)), "{variables}");
        assert_eq!(paths.socket, Path::new(socket), "{variables}");
    }

    #[test]
    fn a_service_uses_the_directories_that_systemd_made() {
        check(
            "STATE_DIRECTORY=/var/lib/promptd RUNTIME_DIRECTORY=/run/promptd HOME=/h XDG_STATE_HOME=/s",
            "/var/lib/promptd/store",
            "/run/promptd/promptd.sock",
        );
        check(
            "STATE_DIRECTORY=/a:/b RUNTIME_DIRECTORY=/c:/d",
            "/a/store",
            "/c/promptd.sock",
        );
    }

    #[test]
    fn a_user_gets_the_xdg_directories_or_their_defaults() {
        check(
            "XDG_STATE_HOME=/s XDG_RUNTIME_DIR=/run/user/1",
            "/s/promptd/store",
            "/run/user/1/promptd/promptd.sock",
        );
        check(
            "HOME=/home/u",
            "/home/u/.local/state/promptd/store",
            "/home/u/.local/state/promptd/promptd.sock",
        );
    }

    #[test]
    fn empty_and_relative_variables_count_as_absent() {
        check(
            "STATE_DIRECTORY= XDG_STATE_HOME=state XDG_RUNTIME_DIR=run HOME=/h",
            "/h/.local/state/promptd/store",
            "/h/.local/state/promptd/promptd.sock",
        );
    }

    #[test]
    fn configured_places_win_and_the_default_socket_follows_the_configured_store() {
        let mut config = Config::default();
        config.optimizer.storage.config.storage_dir = Some("/data/store".into());
        let paths = resolve(&config, &env("HOME=/h")).unwrap();
        assert_eq!(paths.socket, Path::new("/data/promptd.sock"));
        config.daemon.socket = Some("/s.sock".into());
        let paths = resolve(&config, &env("RUNTIME_DIRECTORY=/r")).unwrap();
        assert_eq!(paths.socket, Path::new("/s.sock"));
        let shown = config.clone().with_paths(&paths);
        assert_eq!(shown, config);
    }

    #[test]
    fn without_any_home_the_store_must_be_named() {
        assert!(matches!(
            resolve(&Config::default(), &[]),
            Err(ConfigError::NoStoreDirectory)
        ));
        let mut config = Config::default();
        config.optimizer.storage.backend = StorageBackend::Memory;
        let paths = resolve(&config, &env("RUNTIME_DIRECTORY=/r")).unwrap();
        assert_eq!(
            paths,
            Paths {
                store: None,
                socket: "/r/promptd.sock".into()
            }
        );
    }

    #[test]
    fn a_socket_path_of_107_bytes_is_the_longest() {
        let path = |length: usize| PathBuf::from(format!("/{}", "s".repeat(length - 1)));
        assert!(check_socket_path(&path(107)).is_ok());
        let error = check_socket_path(&path(108)).unwrap_err().to_string();
        assert!(
            error.contains("108 bytes") && error.contains("--socket"),
            "{error}"
        );
        let long = env(&format!("XDG_RUNTIME_DIR=/{} HOME=/h", "r".repeat(100)));
        assert!(matches!(
            resolve(&Config::default(), &long),
            Err(ConfigError::SocketPathTooLong { .. })
        ));
    }

    fn check_file(flag: Option<&str>, variables: &str, present: &[&str], expected: Option<&str>) {
        let exists = |path: &Path| present.iter().any(|known| path == Path::new(known));
        let found = config_file(flag.map(Path::new), &env(variables), exists);
        assert_eq!(
            found.as_deref(),
            expected.map(Path::new),
            "{flag:?} {variables} {present:?}"
        );
    }

    #[test]
    fn a_named_configuration_file_is_taken_even_when_it_is_missing() {
        check_file(
            Some("/x"),
            "PROMPTD_CONFIG=/y",
            &["/etc/promptd/promptd.yaml"],
            Some("/x"),
        );
        check_file(
            None,
            "PROMPTD_CONFIG=/y",
            &["/etc/promptd/promptd.yaml"],
            Some("/y"),
        );
    }

    #[test]
    fn other_configuration_files_are_taken_where_they_exist() {
        let all = "CONFIGURATION_DIRECTORY=/c XDG_CONFIG_HOME=/x HOME=/h";
        let system = "/etc/promptd/promptd.yaml";
        check_file(
            None,
            all,
            &["/c/promptd.yaml", "/x/promptd/promptd.yaml"],
            Some("/c/promptd.yaml"),
        );
        check_file(
            None,
            all,
            &["/x/promptd/promptd.yaml", system],
            Some("/x/promptd/promptd.yaml"),
        );
        check_file(
            None,
            "HOME=/h",
            &["/h/.config/promptd/promptd.yaml"],
            Some("/h/.config/promptd/promptd.yaml"),
        );
        check_file(None, all, &[system], Some(system));
        check_file(None, all, &[], None);
    }

    fn check_client(flag: Option<&str>, variables: &str, expected: &[&str]) {
        let found = client_socket_candidates(flag.map(Path::new), &env(variables));
        let expected: Vec<PathBuf> = expected.iter().map(PathBuf::from).collect();
        assert_eq!(found, expected, "{flag:?} {variables}");
    }

    #[test]
    fn a_named_socket_is_the_only_one_that_a_client_tries() {
        check_client(Some("/a"), "PROMPTD_SOCKET=/b HOME=/h", &["/a"]);
        check_client(None, "PROMPTD_SOCKET=/b HOME=/h", &["/b"]);
    }

    #[test]
    fn a_client_tries_the_places_of_the_daemon_and_then_the_system_service() {
        check_client(
            None,
            "XDG_RUNTIME_DIR=/u HOME=/h",
            &[
                "/u/promptd/promptd.sock",
                "/h/.local/state/promptd/promptd.sock",
                "/run/promptd/promptd.sock",
            ],
        );
        check_client(
            None,
            "RUNTIME_DIRECTORY=/run/promptd",
            &["/run/promptd/promptd.sock"],
        );
        check_client(None, "", &["/run/promptd/promptd.sock"]);
    }
}
