//! Whether a request was meant for this host: a web page whose name is made to point here has another one. Pure.

/// The names of this host in the eyes of its own programs.
const OWN: [&str; 3] = ["localhost", "127.0.0.1", "[::1]"];

/// Tells whether the value of a `Host` header names this host, or one of others that are allowed. The port does not matter,
/// since it may be forwarded, unless the allowed one has a port.
pub(super) fn is_allowed(host: &str, others: &[String]) -> bool {
    let Some(name) = without_port(host) else {
        return false;
    };
    let is = |allowed: &str, value: &str| allowed.eq_ignore_ascii_case(value);
    OWN.iter().any(|own| is(own, name)) || others.iter().any(|other| is(other, name) || is(other, host))
}

/// Returns the name of a host without its port; `None` when what follows is no port.
fn without_port(host: &str) -> Option<&str> {
    let end = match host.strip_prefix('[') {
        Some(rest) => rest.find(']')? + 2,
        None => host.find(':').unwrap_or(host.len()),
    };
    let (name, port) = host.split_at_checked(end)?;
    let is_port = |digits: &str| digits.parse::<u16>().is_ok() && digits.bytes().all(|b| b.is_ascii_digit());
    (port.is_empty() || port.strip_prefix(':').is_some_and(is_port)).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(host: &str, others: &[&str], allowed: bool) {
        let others: Vec<String> = others.iter().map(ToString::to_string).collect();
        assert_eq!(is_allowed(host, &others), allowed, "{host} {others:?}");
    }

    #[test]
    fn a_request_is_for_this_host_when_it_names_the_loopback() {
        for host in [
            "localhost",
            "LocalHost:9464",
            "127.0.0.1",
            "127.0.0.1:1",
            "[::1]",
            "[::1]:65535",
        ] {
            check(host, &[], true);
        }
        for host in [
            "",
            "evil.example",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "localhost:",
            "localhost:80:80",
            "localhost:+80",
            "localhost:99999",
            "localhost@evil.example",
            "[::1",
            "[::1]x",
            "::1",
            "0.0.0.0",
            "127.0.0.2",
        ] {
            check(host, &[], false);
        }
    }

    #[test]
    fn names_that_are_allowed_count_with_any_port_or_with_their_own() {
        check("prompts.internal:80", &["prompts.internal"], true);
        check("Prompts.internal", &["prompts.internal"], true);
        check("prompts.internal:81", &["prompts.internal:80"], false);
        check("prompts.internal:80", &["prompts.internal:80"], true);
        check("other.internal", &["prompts.internal"], false);
    }
}
