//! `promptctl completions`: scripts for shells, with the names of prompts asked from the daemon.

use std::time::Duration;

use clap::{Args, ValueEnum};
use clap_complete::Shell;

use crate::cli::exit::{CliError, Exit};
use crate::cli::session::Session;
use crate::client::{Client, Limits, PromptFilter};
use crate::model::PromptId;
use crate::versions::Order;

const EXAMPLES: &str = "\
Examples:
  promptctl completions bash > ~/.local/share/bash-completion/completions/promptctl
  promptctl completions zsh > ~/.zfunc/_promptctl
  promptctl completions fish > ~/.config/fish/completions/promptctl.fish

In bash, zsh and fish the names of prompts and versions are completed, too, as long as promptd answers.";

/// How long a completion may keep the user waiting.
const PATIENCE: Duration = Duration::from_millis(500);
/// How many names are offered.
const MAX_NAMES: usize = 200;

/// Print a completion script for a shell
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct CompletionsArgs {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

/// What to complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum What {
    /// The name of a prompt, or after '@' one of its versions.
    Reference,
}

/// Prints candidates for a word; called by the completion scripts.
#[derive(Debug, Args)]
pub(crate) struct CompleteArgs {
    #[arg(value_enum)]
    what: What,
    #[arg(default_value = "", allow_hyphen_values = true)]
    word: String,
}

/// Prints the script.
pub(super) fn run(args: &CompletionsArgs, session: &mut Session) -> Result<Exit, CliError> {
    let script = script(args.shell);
    session.console.data(script)?;
    Ok(Exit::Success)
}

/// Prints the candidates. A daemon that does not answer is no error here: there is just nothing to offer.
pub(super) async fn complete(args: CompleteArgs, session: &mut Session) -> Result<Exit, CliError> {
    let limits = Limits {
        connect_timeout: PATIENCE,
        answer_timeout: PATIENCE,
        ..Limits::default()
    };
    let client = Client::with_limits(session.client().socket(), limits);
    let What::Reference = args.what;
    for candidate in candidates(&client, &args.word).await {
        session.console.line(candidate)?;
    }
    Ok(Exit::Success)
}

async fn candidates(client: &Client, word: &str) -> Vec<String> {
    match word.split_once('@') {
        None => {
            let filter = PromptFilter {
                prefix: (!word.is_empty()).then(|| word.to_owned()),
            };
            let page = client.prompts(&filter).limit(MAX_NAMES).next().await;
            let prompts = page.ok().flatten().unwrap_or_default();
            prompts
                .into_iter()
                .map(|prompt| prompt.prompt_id.to_string())
                .collect()
        }
        Some((name, reference)) => {
            let Ok(id) = PromptId::new(name) else {
                return Vec::new();
            };
            let mut references = vec!["latest".to_owned(), "best".to_owned()];
            if let Ok(prompt) = client.prompt(&id).await {
                references.extend(prompt.labels.keys().map(ToString::to_string));
            }
            let versions = client.versions(&id, Order::Desc).limit(MAX_NAMES).next().await;
            let versions = versions.ok().flatten().unwrap_or_default();
            references.extend(versions.into_iter().map(|version| version.version.to_string()));
            references.retain(|candidate| candidate.starts_with(reference));
            references
                .into_iter()
                .map(|reference| format!("{name}@{reference}"))
                .collect()
        }
    }
}

/// Returns the script for a shell; where the shell is known well, with a part of ours that asks for names.
fn script(shell: Shell) -> String {
    let mut command = crate::cli::command();
    let mut bytes = Vec::new();
    clap_complete::generate(shell, &mut command, "promptctl", &mut bytes);
    let script = String::from_utf8_lossy(&bytes).into_owned();
    match shell {
        Shell::Bash => format!("{script}{BASH_NAMES}"),
        Shell::Fish => format!("{script}{FISH_NAMES}"),
        Shell::Zsh => zsh_names(&script),
        _ => script,
    }
}

/// Asks for names where the word is no option and the verb takes one; everything else is left to the generated part.
const BASH_NAMES: &str = r#"
_promptctl_names() {
    local cur="${COMP_WORDS[COMP_CWORD]}" word verb="" at=""
    # '@' may be among the characters that break words.
    if [[ "$COMP_WORDBREAKS" == *@* ]]; then
        local line="${COMP_LINE:0:COMP_POINT}"
        cur="${line##* }"
        [[ "$cur" == *@* ]] && at="${cur%@*}@"
    fi
    for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
        case "$word" in
            get|log|latest|diff|rollback|label|edit|rm|trash|put|analyze|rewrite|promote|verify|collect|watch) verb="$word"; break ;;
        esac
    done
    if [[ -n "$verb" && "$cur" != -* ]]; then
        local IFS=$'\n'
        COMPREPLY=( $(promptctl __complete reference "$cur" 2>/dev/null) )
        COMPREPLY=( "${COMPREPLY[@]#"$at"}" )
        [[ ${#COMPREPLY[@]} -gt 0 ]] && return 0
    fi
    _promptctl "$@"
}
complete -F _promptctl_names -o bashdefault -o default promptctl
"#;

/// As [`BASH_NAMES`].
const FISH_NAMES: &str = r#"
complete -c promptctl -n "__fish_seen_subcommand_from get log latest diff rollback label edit rm trash put analyze rewrite promote verify collect watch" -a "(promptctl __complete reference (commandline -ct) 2>/dev/null)"
"#;

/// Lets the generated part complete names where it knows nothing better than the default.
fn zsh_names(script: &str) -> String {
    let mut named = String::with_capacity(script.len() + 512);
    for line in script.split_inclusive('\n') {
        let takes_name = ["reference", "name", "names", "target", "to", "from", "targets"]
            .iter()
            .any(|name| line.contains(&format!(":{name} ")) || line.contains(&format!(":{name}:")));
        if takes_name && line.contains(":_default") {
            named.push_str(&line.replace(":_default", ":_promptctl_names"));
        } else {
            named.push_str(line);
        }
    }
    let function = "_promptctl_names() {\n    local -a names\n    \
        names=(${(f)\"$(promptctl __complete reference \"$PREFIX\" 2>/dev/null)\"})\n    \
        compadd -a names\n}\n\n";
    match named.find("if [ \"$funcstack[1]\"") {
        Some(at) => {
            named.insert_str(at, function);
            named
        }
        None => script.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shell_gets_a_script_that_knows_the_verbs() {
        for shell in Shell::value_variants() {
            let script = script(*shell);
            for verb in ["rollback", "completions"] {
                assert!(script.contains(verb), "{shell} {verb}");
            }
        }
    }

    #[test]
    fn the_shells_that_can_ask_for_names_do() {
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
            assert!(
                script(shell).contains("promptctl __complete reference"),
                "{shell}"
            );
        }
        let zsh = script(Shell::Zsh);
        assert!(
            zsh.contains(":_promptctl_names"),
            "at least one argument is completed by name"
        );
    }
}
