//! Looking at the host: units of systemd, the clock, what the shell knows.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::facts::{ShellFacts, UnitFacts};

/// There when systemd runs the host.
const SYSTEMD: &str = "/run/systemd/system";
/// The units that belong to promptd.
const UNITS: [&str; 2] = ["promptd.service", "promptd.socket"];
const PROPERTIES: &str = "--property=LoadState,ActiveState,SubState,Result,ExecMainStatus,UnitFileState";
/// Where manual pages lie, beside the user's own.
const MANUALS: [&str; 3] = ["/usr/local/share/man", "/usr/local/man", "/usr/share/man"];
/// Where completions lie, beside the user's own.
const COMPLETIONS: [&str; 6] = [
    "/usr/share/bash-completion/completions/promptctl",
    "/usr/local/share/bash-completion/completions/promptctl",
    "/etc/bash_completion.d/promptctl",
    "/usr/share/zsh/vendor-completions/_promptctl",
    "/usr/share/zsh/site-functions/_promptctl",
    "/usr/share/fish/vendor_completions.d/promptctl.fish",
];
/// Where the user's own lie, in the home directory.
const OWN_COMPLETIONS: [&str; 3] = [
    ".local/share/bash-completion/completions/promptctl",
    ".config/fish/completions/promptctl.fish",
    ".zfunc/_promptctl",
];

/// Asks systemd for the units, that of the host and that of the user. Nothing where there is no systemd.
pub(super) fn units() -> Vec<UnitFacts> {
    if !Path::new(SYSTEMD).exists() {
        return Vec::new();
    }
    let mut units = Vec::new();
    for is_of_user in [false, true] {
        for name in UNITS {
            let scope = if is_of_user { "--user" } else { "--system" };
            let shown = ask(&["systemctl", scope, "show", PROPERTIES, name]);
            if let Some(text) = shown {
                units.push(UnitFacts {
                    name: name.to_owned(),
                    is_of_user,
                    properties: parse_properties(&text),
                });
            }
        }
    }
    units
}

/// Asks whether the clock is kept right; `None` where nobody knows.
pub(super) fn clock_is_synchronized() -> Option<bool> {
    if !Path::new(SYSTEMD).exists() {
        return None;
    }
    let said = ask(&["timedatectl", "show", "--property=NTPSynchronized", "--value"])?;
    match said.trim() {
        "yes" => Some(true),
        "no" => Some(false),
        _ => None,
    }
}

/// Looks for manual pages and completions.
pub(super) fn shell(env: &[(String, String)]) -> ShellFacts {
    let home = env.iter().find(|(name, _)| name == "HOME");
    let home = home.map(|(_, value)| PathBuf::from(value)).unwrap_or_default();
    let own = home.join(".local/share/man");
    let mut manuals = MANUALS.iter().map(Path::new).chain([own.as_path()]);
    let page = |dir: &Path| {
        let page = dir.join("man1/promptctl.1");
        page.exists() || page.with_extension("1.gz").exists()
    };
    let own = OWN_COMPLETIONS.iter().map(|path| home.join(path));
    let mut completions = COMPLETIONS.iter().map(PathBuf::from).chain(own);
    ShellFacts {
        has_manual: manuals.any(page),
        has_completions: completions.any(|path| path.exists()),
    }
}

/// Runs a program that only tells something. `None` when it is not there or does not know.
fn ask(words: &[&str]) -> Option<String> {
    let (program, arguments) = words.split_first()?;
    let asked = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .ok()?;
    let text = String::from_utf8(asked.stdout).ok()?;
    (asked.status.success() && !text.is_empty()).then_some(text)
}

fn parse_properties(text: &str) -> BTreeMap<String, String> {
    let pairs = text.lines().filter_map(|line| line.split_once('='));
    pairs
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn properties_are_read_line_by_line() {
        let text = "LoadState=loaded\nActiveState=failed\nResult=start-limit-hit\nEnvironment=A=b\n\n";
        let properties = parse_properties(text);
        assert_eq!(properties["Result"], "start-limit-hit");
        assert_eq!(properties["Environment"], "A=b");
        assert_eq!(properties.len(), 4);
    }

    #[test]
    fn manuals_and_completions_of_the_user_are_found() {
        let home = tempfile::tempdir().unwrap();
        let env = [("HOME".to_owned(), home.path().display().to_string())];
        let man = home.path().join(".local/share/man/man1");
        std::fs::create_dir_all(&man).unwrap();
        std::fs::write(man.join("promptctl.1"), "").unwrap();
        assert!(shell(&env).has_manual);
        let completions = home.path().join(".zfunc");
        std::fs::create_dir_all(&completions).unwrap();
        std::fs::write(completions.join("_promptctl"), "").unwrap();
        assert!(shell(&env).has_completions);
    }
}
