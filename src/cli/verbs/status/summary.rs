//! The status as a person needs it: one line for each part, and more where something is not well.

use serde_json::Value;

use crate::cli::color::{Paint, Palette};
use crate::cli::field::field;
use crate::cli::visible::visible_line;
use crate::cli::wording::{self, counted};
use crate::model::Timestamp;

/// How many parts that are not well are shown one by one.
const MAX_SHOWN: usize = 10;

/// Returns the lines below the heading.
pub(super) fn summary(status: &Value, now: i64, palette: Palette) -> String {
    let mut page = Page {
        text: String::new(),
        palette,
    };
    let storage = field(status, "/storage");
    if let Some(path) = field(storage, "/path").as_str() {
        page.line("store", &visible_line(path));
    }
    disk(&mut page, field(storage, "/disk"));
    shards(&mut page, field(storage, "/shards"));
    actors(&mut page, field(storage, "/actors"), field(status, "/jobs/actor"));
    cache(&mut page, field(storage, "/cache"));
    index(&mut page, field(storage, "/index"));
    watching(&mut page, field(storage, "/watch"));
    scrubber(&mut page, field(storage, "/scrub"), now);
    problems(
        &mut page,
        field(storage, "/problems"),
        field(status, "/jobs/problems"),
    );
    if field(storage, "/backend") == "filesystem" {
        match field(status, "/jobs/last_backup").as_i64() {
            Some(at) => page.line("backup", &format!("the newest is {} old", age(now - at))),
            None => page.line("backup", "none is known"),
        }
    }
    jobs(&mut page, field(status, "/jobs"));
    http(&mut page, field(status, "/http"));
    page.text
}

/// Returns one line for each shard.
pub(super) fn all_shards(status: &Value) -> String {
    let shards = field(status, "/storage/shards/all").as_array();
    shards
        .into_iter()
        .flatten()
        .map(|shard| format!("  {}\n", describe(shard)))
        .collect()
}

struct Page {
    text: String,
    palette: Palette,
}

impl Page {
    fn line(&mut self, name: &str, what: &str) {
        let name = self.palette.paint(Paint::Heading, &format!("{name:<9}"));
        self.text.push_str(&format!("{name} {what}\n"));
    }

    fn detail(&mut self, what: &str) {
        let what = self.palette.paint(Paint::Bad, &visible_line(what));
        self.text.push_str(&format!("            {what}\n"));
    }
}

fn disk(page: &mut Page, disk: &Value) {
    let (Some(free), Some(total)) = (
        field(disk, "/free_bytes").as_u64(),
        field(disk, "/total_bytes").as_u64(),
    ) else {
        return;
    };
    let used = field(disk, "/used_percent").as_f64().unwrap_or_default();
    let (free, total) = (wording::bytes(free), wording::bytes(total));
    page.line("disk", &format!("{free} of {total} free ({used:.0} % used)"));
    if !field(disk, "/full").is_null() {
        page.detail(&format!(
            "full since {}: nothing new is stored",
            text(field(disk, "/full/since"))
        ));
    }
    if field(disk, "/read_only") == true {
        page.detail("read-only: nothing can be written");
    }
}

fn shards(page: &mut Page, shards: &Value) {
    let Some(count) = field(shards, "/count").as_u64() else {
        return;
    };
    let number = |key: &str| shards.get(key).and_then(Value::as_u64).unwrap_or_default();
    let mut what = format!(
        "{}, {} up; {} waiting",
        counted(count, "shard"),
        number("up"),
        counted(number("queue_depth"), "write")
    );
    if let Some(seconds) = field(shards, "/oldest_work_seconds").as_f64() {
        what.push_str(&format!(", the oldest for {seconds:.1} s"));
    }
    if number("restarts") > 0 {
        what.push_str(&format!("; {}", counted(number("restarts"), "restart")));
    }
    page.line("shards", &what);
    let mut shown: Vec<String> = ["down", "hanging"]
        .iter()
        .flat_map(|list| shards.get(*list).and_then(Value::as_array).into_iter().flatten())
        .map(describe)
        .collect();
    shown.dedup();
    let more = shown.len().saturating_sub(MAX_SHOWN);
    shown.iter().take(MAX_SHOWN).for_each(|shard| page.detail(shard));
    if more > 0 {
        page.detail(&format!("and {more} more: promptctl status --shards"));
    }
}

/// Describes a shard in a line.
fn describe(shard: &Value) -> String {
    let mut words = vec![text(field(shard, "/shard"))];
    let seconds = |key: &str| shard.get(key).and_then(Value::as_u64).map(wording::duration);
    if field(shard, "/up") == true {
        words.push("up".to_owned());
    } else {
        let since = seconds("down_seconds").map(|time| format!(" for {time}"));
        words.push(format!("down{}", since.unwrap_or_default()));
    }
    if field(shard, "/resting") == true {
        words.push("resting".to_owned());
    }
    if let Some(depth) = field(shard, "/queue_depth").as_u64().filter(|depth| *depth > 0) {
        words.push(format!("{} waiting", counted(depth, "write")));
    }
    if let Some(time) = seconds("working_seconds") {
        words.push(format!("at work for {time}"));
    }
    if let Some(restarts) = field(shard, "/restarts")
        .as_u64()
        .filter(|restarts| *restarts > 0)
    {
        words.push(counted(restarts, "restart"));
    }
    let reasons = [field(shard, "/refuses"), field(shard, "/last_error")].map(text);
    words.extend(reasons.into_iter().filter(|reason| !reason.is_empty()).take(1));
    words.join(", ")
}

fn actors(page: &mut Page, storage: &Value, queue: &Value) {
    let all: Vec<(&str, &Value)> = storage
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, state)| (name.as_str(), state))
        .chain([("job queue", queue)])
        .filter(|(_, state)| state.is_object())
        .collect();
    let down: Vec<&&str> = all
        .iter()
        .filter(|(_, state)| field(state, "/up") == false)
        .map(|(name, _)| name)
        .collect();
    let restarts: u64 = all
        .iter()
        .filter_map(|(_, state)| field(state, "/restarts").as_u64())
        .sum();
    if all.is_empty() {
        return;
    }
    let mut what = format!("{} of {} run", all.len() - down.len(), all.len());
    if restarts > 0 {
        what.push_str(&format!("; {}", counted(restarts, "restart")));
    }
    page.line("actors", &what);
    for (name, state) in all {
        let reason = text(field(state, "/last_error"));
        if field(state, "/up") == false {
            page.detail(&format!("{name} is down: {reason}"));
        } else if !reason.is_empty() {
            page.detail(&format!("{name} was started again: {reason}"));
        }
    }
}

fn cache(page: &mut Page, cache: &Value) {
    let (Some(bytes), Some(max)) = (
        field(cache, "/bytes").as_u64(),
        field(cache, "/max_bytes").as_u64(),
    ) else {
        return;
    };
    let rate = field(cache, "/hit_rate").as_f64().unwrap_or_default() * 100.0;
    let (bytes, max) = (wording::bytes(bytes), wording::bytes(max));
    page.line(
        "cache",
        &format!("{rate:.1} % of reads found in it; {bytes} of {max}"),
    );
}

fn index(page: &mut Page, index: &Value) {
    if field(index, "/enabled") != true {
        return;
    }
    match field(index, "/lag_seconds").as_f64() {
        Some(lag) => page.line("index", &format!("behind for {lag:.1} s")),
        None => page.line("index", "up to date"),
    }
    let reason = text(field(index, "/state/last_error"));
    if !reason.is_empty() {
        page.detail(&reason);
    }
}

fn watching(page: &mut Page, watch: &Value) {
    let Some(mode) = field(watch, "/mode").as_str() else {
        return;
    };
    let watches = field(watch, "/watches").as_u64().unwrap_or_default();
    let limit = field(watch, "/max_user_watches").as_u64();
    let limit = limit.map(|limit| format!(" of {limit}")).unwrap_or_default();
    let overflows = field(watch, "/overflows").as_u64().unwrap_or_default();
    let mut what = format!("{}, {watches}{limit} directories watched", visible_line(mode));
    if overflows > 0 {
        what.push_str(&format!("; events were lost {}", counted(overflows, "time")));
    }
    page.line("changes", &what);
    let reason = text(field(watch, "/last_error"));
    if !reason.is_empty() {
        page.detail(&reason);
    }
}

fn scrubber(page: &mut Page, scrub: &Value, now: i64) {
    if field(scrub, "/enabled") != true {
        return;
    }
    let finished = field(scrub, "/last_cycle/finished_at").as_str();
    let finished = finished.and_then(|at| Timestamp::new(at).ok());
    let last = finished.map_or_else(
        || "not everything was read yet".to_owned(),
        |at| format!("everything was read {} ago", age(now - at.instant().as_second())),
    );
    let found = field(scrub, "/found").as_u64().unwrap_or_default();
    page.line(
        "scrubber",
        &format!("{last}; {} found", counted(found, "damaged file")),
    );
    if found > 0 {
        let finding = field(scrub, "/last_finding");
        let (id, version) = (
            text(field(finding, "/prompt_id")),
            text(field(finding, "/version")),
        );
        page.detail(&format!("{id}@{version}: {}", text(field(finding, "/message"))));
    }
}

fn problems(page: &mut Page, store: &Value, ledger: &Value) {
    let listed = field(store, "/first").as_array().into_iter().flatten();
    let ledger: Vec<&Value> = ledger.as_array().into_iter().flatten().collect();
    let count = field(store, "/count").as_u64().unwrap_or_default() + ledger.len() as u64;
    if count == 0 {
        return;
    }
    page.line("problems", &format!("{count}: promptctl verify explains them"));
    for problem in listed.chain(ledger).take(MAX_SHOWN) {
        page.detail(&format!(
            "{}: {} ({})",
            text(field(problem, "/path")),
            text(field(problem, "/message")),
            text(field(problem, "/kind"))
        ));
    }
}

fn jobs(page: &mut Page, jobs: &Value) {
    let number = |key: &str| jobs.get(key).and_then(Value::as_u64).unwrap_or_default();
    page.line(
        "jobs",
        &format!(
            "{} waiting, {} running, {} ended",
            number("queued"),
            number("running"),
            number("finished")
        ),
    );
}

fn http(page: &mut Page, http: &Value) {
    let number = |key: &str| http.get(key).and_then(Value::as_u64).unwrap_or_default();
    let refused = number("refused_connections") + number("refused_requests");
    page.line(
        "clients",
        &format!(
            "{} of {} connections, {} of {} requests; {refused} refused",
            number("connections"),
            number("max_connections"),
            number("requests_in_flight"),
            number("max_requests_in_flight")
        ),
    );
}

fn age(seconds: i64) -> String {
    wording::duration(u64::try_from(seconds).unwrap_or_default())
}

fn text(value: &Value) -> String {
    visible_line(value.as_str().unwrap_or_default())
}
