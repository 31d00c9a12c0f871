//! The pages of the daemon and of its configuration.

use super::roff::Roff;
use crate::config::{environment_name, keys, sections};

const SOURCE: &str = concat!("promptd ", env!("CARGO_PKG_VERSION"));

/// promptd(8).
pub(super) fn daemon() -> String {
    Roff::page("promptd", 8, SOURCE)
        .section("NAME")
        .paragraph("promptd - keeps every version of every prompt of LLM applications")
        .section("SYNOPSIS")
        .paragraph("promptd [--config FILE] [--store DIR] [--socket PATH] [--check-config] [--print-config]")
        .section("DESCRIPTION")
        .paragraph(
            "promptd keeps prompts as plain JSON files, one per version, and serves them to the programs of this host \
             through a Unix socket. A version that was acknowledged is on the disk: it survives a crash of the daemon and of \
             the machine, and its content never changes through the interface. promptctl(1) is its command line; every \
             other program speaks HTTP/1.1 and JSON over the socket.",
        )
        .paragraph(
            "It needs no root, no configuration file and no argument. One daemon holds a store; a second one on the same \
             store ends with a message.",
        )
        .section("OPTIONS")
        .entry("--config FILE", "The configuration file, promptd.yaml(5). Without it the first of the places below FILES.")
        .entry("--store DIR", "The store directory. It is made when it is not there.")
        .entry("--socket PATH", "The socket.")
        .entry("--check-config", "Check the configuration, say what is wrong with it, and end.")
        .entry("--print-config", "Print the configuration that would be in force, and end.")
        .section("FILES")
        .entry(
            "$CONFIGURATION_DIRECTORY/promptd.yaml, ~/.config/promptd/promptd.yaml, /etc/promptd/promptd.yaml",
            "The configuration: the first that there is, unless --config or $PROMPTD_CONFIG names one.",
        )
        .entry(
            "$STATE_DIRECTORY/store, ~/.local/state/promptd/store",
            "The store: NAME/VERSION.json below one directory per shard. Files may be read, edited and added by hand; \
             what is odd is reported by 'promptctl verify' and never deleted.",
        )
        .entry(
            "$RUNTIME_DIRECTORY/promptd.sock, $XDG_RUNTIME_DIR/promptd/promptd.sock",
            "The socket; without either variable it lies beside the store.",
        )
        .section("ENVIRONMENT")
        .entry("PROMPTD_CONFIG", "The configuration file, where --config names none.")
        .entry("PROMPTD__SECTION__KEY", "Every key of promptd.yaml(5), over what the file says.")
        .section("SIGNALS")
        .entry("SIGTERM, SIGINT", "Finish what was begun, write the index and end.")
        .entry("SIGHUP", "Read the configuration again: limits, access, retention, watching and the log level count at once; the log says what \
             needs a restart.")
        .section("EXIT STATUS")
        .entry("0", "It was asked to end, and did.")
        .entry("64", "The command line is wrong.")
        .entry("73", "The store or the socket cannot be made.")
        .entry("75", "Another promptd holds the store or answers at the socket.")
        .entry("78", "The configuration is refused.")
        .entry("1", "Anything else; the log says what.")
        .section("SEE ALSO")
        .paragraph("promptctl(1), promptd.yaml(5)")
        .finish()
}

/// promptd.yaml(5), made of the table of all keys.
pub(super) fn configuration() -> String {
    let mut page = Roff::page("promptd.yaml", 5, SOURCE)
        .section("NAME")
        .paragraph("promptd.yaml - configuration of promptd")
        .section("DESCRIPTION")
        .paragraph(
            "Every key has a default, so the file may be empty or missing. Unknown keys, wrong types and values out of \
             bounds are refused with their line. The environment is laid over the file, and the command line over both.",
        )
        .paragraph("'promptctl config print --defaults' prints a file with every key and its explanation.");
    let keys = keys();
    for section in sections() {
        page = page
            .section(&section.path.to_uppercase())
            .paragraph(section.description);
        let of_section = keys.iter().filter(|key| {
            key.path
                .rsplit_once('.')
                .is_some_and(|(path, _)| path == section.path)
        });
        for key in of_section {
            let text = format!(
                "{}\nTakes {}. Default: {}. Variable: {}.",
                key.description,
                key.kind,
                key.default,
                environment_name(key.path)
            );
            page = page.entry(key.path, &text);
        }
    }
    page.section("SEE ALSO")
        .paragraph("promptd(8), promptctl(1)")
        .finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_is_explained() {
        let page = configuration();
        for key in keys() {
            assert!(
                page.contains(&format!("\\fB{}\\fR", key.path.replace('-', "\\-"))),
                "{}",
                key.path
            );
        }
    }
}
