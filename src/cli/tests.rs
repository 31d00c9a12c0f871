//! The command line as a whole, without a daemon.

use super::*;

#[test]
fn the_command_line_is_consistent() {
    command().debug_assert();
}

#[test]
fn the_help_shows_verbs_examples_and_options() {
    insta::assert_snapshot!(command().render_help().to_string(), @"
    Keeps every version of every prompt

    Usage: promptctl [OPTIONS] <COMMAND>

    Commands:
      put          Make the next version of a prompt
      get          Print the text of a version
      list         List the prompts
      log          Show the history of a prompt, the newest version first
      latest       Print which version of a prompt is the latest, as NAME@VERSION
      diff         Show what changed between two versions
      rollback     Make a new version with the content of an old one
      label        Point a label at a version, remove it, or list the labels
      edit         Change a prompt in your editor and make the next version
      rm           Move versions or whole prompts to the trash
      trash        List what was deleted and can be restored
      restore      Bring versions back, from the trash or from a backup
      analyze      Score a text, and say what is wrong with it and what would help
      rewrite      Rewrite a text by rules, and say what each candidate gains and why it is taken or not
      optimize     Rewrite the prompts of Dify workflows by rules or a model, and keep the candidates
      promote      Make a release of a candidate that 'promptctl optimize' has kept
      evidence     Keep what tests of versions measured, and show what it adds up to
      variants     Make variants of a workflow from a test plan, with cases to try, and run them
      import       Bring prompts in: from Dify workflows, or from a directory of version files
      export       Write versions into files: a directory, NDJSON, or back into a Dify workflow
      backup       Make a backup of the whole store, list backups, check one
      job          List, follow and cancel long work of the daemon
      watch        Show what changes in the store, as it changes, whoever changes it
      verify       Read every version in the store and report what is not as it should be
      collect      Move old versions to the trash, and forget what lies there for long
      audit        Show who changed what and when, and check that the log of it is whole
      status       Show how promptd is: state, store, cache, queues, limits
      doctor       Find and explain what is wrong with this installation of promptd
      metrics      Print the numbers of promptd in the text format of Prometheus
      config       Print, check and migrate the configuration of promptd
      bench        Measure how fast promptd is here, through its real socket
      demo         See promptd at work: import, change, compare, label, roll back, crash, recover
      completions  Print a completion script for a shell
      man          Write the manual pages
      version      Print the versions of promptctl and of the promptd that it talks to
      help         Print this message or the help of the given subcommand(s)

    Options:
      -h, --help     Print help (see more with '--help')
      -V, --version  Print version

    Global options:
          --socket <PATH>  The socket of promptd
          --color <WHEN>   When to use colour [default: auto] [possible values: auto, always, never]
      -q, --quiet          Say nothing but data and errors
      -v, --verbose        Say each request and how long it took

    Examples:
      promptctl put greet prompt.txt          make the next version of a prompt from a file
      promptctl get greet@production          print the text of a version
      promptctl diff greet@1.0.0..latest      what has changed
      promptctl label greet@1.2.0 production  point a label at a version
      promptctl import dsl support_bot.yml    take the prompts out of a Dify workflow
      promptctl demo                          see all of it at work on a throw-away store
    ");
}

#[test]
fn every_verb_has_a_summary_and_examples() {
    for verb in command().get_subcommands().filter(|verb| !verb.is_hide_set()) {
        let name = verb.get_name();
        assert!(verb.get_about().is_some(), "{name} has no summary");
        let help = verb.get_after_help().map(ToString::to_string).unwrap_or_default();
        assert!(
            help.contains(&format!("promptctl {name}")),
            "{name} has no example"
        );
    }
}

fn check(arguments: &str, is_ok: bool) {
    let arguments: Vec<OsString> = arguments.split(' ').map(OsString::from).collect();
    assert_eq!(parse(&arguments).is_ok(), is_ok, "{arguments:?}");
}

#[test]
fn arguments_that_contradict_each_other_are_refused() {
    check(
        "promptctl put greet file.txt --bump minor --meta a=b --label live",
        true,
    );
    check("promptctl put greet", false);
    check("promptctl put greet -e", true);
    check("promptctl put ../x file.txt", false);
    check("promptctl get greet@^1.2", true);
    check("promptctl get greet --json --field x", false);
    check("promptctl label greet@1.0.0 production", true);
    check("promptctl label greet@1.0.0", false);
    check("promptctl label --list greet", true);
    check("promptctl label --list greet production", false);
    check("promptctl rm greet@latest", false);
    check("promptctl diff a@1..2 --unified --stat", false);
    check("promptctl -q -v list", false);
    check("promptctl list --color sometimes", false);
    check("promptctl bench --prompts 5", false);
    check("promptctl export", false);
    check("promptctl export ./dsl --latest", true);
    check("promptctl export dsl bot.yml", true);
    check(
        "promptctl export dsl bot.yml --in-place --json --ref production",
        true,
    );
    check("promptctl export dsl bot.yml --in-place --output x.yml", false);
    check("promptctl export dsl bot.yml --dry-run --in-place", false);
    check("promptctl export --latest dsl bot.yml", false);
    check(
        "promptctl variants bot.yml --plan plan.yml --catalog c.yml --output out",
        true,
    );
    check("promptctl variants --plan plan.yml --entry bot", true);
    check("promptctl variants bot.yml --candidates --datasets d.yml", true);
    check("promptctl variants bot.yml", false);
    check("promptctl variants --candidates", false);
    check("promptctl variants bot.yml --candidates --plan plan.yml", false);
    check(
        "promptctl variants bot.yml --plan plan.yml --force --dry-run",
        false,
    );
    check("promptctl variants run out -- sh -c true", true);
    check("promptctl variants run out", false);
    check("promptctl variants bot.yml --plan p.yml run out -- true", false);
    check("promptctl", false);
}

#[test]
fn a_daemon_that_is_not_there_ends_with_69() {
    let run = |arguments: &[&str]| {
        let arguments = arguments.iter().map(OsString::from);
        let env = Environment::of_vars([("PROMPTD_SOCKET", "/nonexistent/promptd.sock")]);
        let cli = parse(&arguments.collect::<Vec<_>>()).unwrap();
        let console = Console::new(
            &env,
            cli.color,
            cli.quiet,
            Box::new(std::io::sink()),
            Box::new(std::io::sink()),
        );
        let mut session = Session::new(env, console, cli.socket.as_deref());
        finish(&mut session, cli.verb)
    };
    assert_eq!(run(&["promptctl", "list"]), Exit::Unreachable);
    assert_eq!(run(&["promptctl", "get", "greet"]), Exit::Unreachable);
    assert_eq!(run(&["promptctl", "version"]), Exit::Unreachable);
    assert_eq!(run(&["promptctl", "completions", "bash"]), Exit::Success);
}
