//! What systemd says of the units. Pure.

use super::facts::UnitFacts;
use super::finding::Finding;

/// Judges the units that systemd knows.
pub(super) fn judge_units(units: &[UnitFacts]) -> Vec<Finding> {
    let loaded: Vec<&UnitFacts> = units.iter().filter(|unit| unit.is_loaded()).collect();
    let socket_listens = |is_of_user| {
        let mut of_systemd = loaded.iter().filter(|unit| unit.is_of_user == is_of_user);
        of_systemd.any(|unit| unit.name == "promptd.socket" && is_active(unit))
    };
    let judged = loaded
        .iter()
        .map(|unit| judge_unit(unit, socket_listens(unit.is_of_user)));
    let mut findings: Vec<Finding> = judged.collect();
    let of = |name: &str, is_of_user: bool| {
        let named = |unit: &&&UnitFacts| unit.name == name && unit.is_of_user == is_of_user;
        loaded.iter().find(named)
    };
    for is_of_user in [false, true] {
        if let (Some(socket), Some(service)) = (
            of("promptd.socket", is_of_user),
            of("promptd.service", is_of_user),
        ) && is_active(socket)
            && service.get("ActiveState") == "failed"
        {
            findings.push(
                Finding::problem(
                    "systemd",
                    "promptd.socket is active, and promptd.service has failed",
                )
                .why("clients can connect and are never answered, or are answered with 'connection refused'")
                .fix(format!("{} reset-failed promptd.service", service.systemctl()))
                .fix(format!("{} start promptd.service", service.systemctl())),
            );
        }
    }
    findings
}

fn is_active(unit: &UnitFacts) -> bool {
    unit.get("ActiveState") == "active"
}

fn judge_unit(unit: &UnitFacts, socket_is_active: bool) -> Finding {
    let (name, active, result) = (&unit.name, unit.get("ActiveState"), unit.get("Result"));
    let systemctl = unit.systemctl();
    let journal = if unit.is_of_user {
        format!("journalctl --user -u {name} -n 50")
    } else {
        format!("sudo journalctl -u {name} -n 50")
    };
    match (active, result) {
        ("failed", "start-limit-hit") => Finding::problem(
            "systemd",
            format!("{name} failed too often and is not started again (start-limit-hit)"),
        )
        .why("after the reason is gone, systemd must be told to forget the failures")
        .fix(format!("see why: {journal}"))
        .fix(format!("{systemctl} reset-failed {name}"))
        .fix(format!("{systemctl} start {name}")),
        ("failed", result) => Finding::problem(
            "systemd",
            format!("{name} has failed ({result}{})", exit_code(unit)),
        )
        .why(reason_of(unit.get("ExecMainStatus")))
        .fix(format!("see why: {journal}"))
        .fix(format!("{systemctl} start {name}")),
        ("activating", _) if unit.get("SubState") == "auto-restart" => Finding::problem(
            "systemd",
            format!("{name} ends again and again{}", exit_code(unit)),
        )
        .why(reason_of(unit.get("ExecMainStatus")))
        .fix(format!("see why: {journal}")),
        ("inactive", _) if socket_is_active => {
            Finding::ok("systemd", format!("{name} starts at the first request"))
        }
        ("inactive", _) => Finding::note("systemd", format!("{name} does not run"))
            .fix(format!("{systemctl} enable --now {name}")),
        (active, _) => Finding::ok("systemd", format!("{name} is {active}")),
    }
}

fn exit_code(unit: &UnitFacts) -> String {
    match unit.get("ExecMainStatus") {
        "" | "0" => String::new(),
        code => format!(", exit code {code}"),
    }
}

/// The exit codes of promptd (docs/operations.md, section 2).
fn reason_of(code: &str) -> String {
    match code {
        "64" => "its arguments are wrong",
        "73" => "the store or the socket cannot be made",
        "75" => "another promptd has the store or the socket",
        "78" => "the configuration is refused, or names a group of the socket that is not there",
        _ => "nobody can use promptd until it runs",
    }
    .to_owned()
}
