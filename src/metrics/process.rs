//! The process as its kernel sees it, under the names that every Prometheus client uses.

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;

use super::Samples;

/// The most that is read of a file of the kernel.
const MAX_BYTES: u64 = 1 << 20;

/// Memory, processor time, file descriptors and threads of this process.
#[derive(Debug, Clone, Copy, Default)]
pub struct ProcessMetrics;

/// What `/proc/self/stat` says of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stat {
    cpu_ticks: u64,
    threads: u64,
    started_ticks: u64,
    virtual_bytes: u64,
    resident_pages: u64,
}

impl Collector for ProcessMetrics {
    #[expect(clippy::cast_precision_loss, reason = "the format knows floats alone")]
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let mut samples = Samples::new(encoder);
        if let Some(stat) = read("/proc/self/stat").as_deref().and_then(parse_stat) {
            let ticks_per_second = rustix::param::clock_ticks_per_second().max(1) as f64;
            samples.counter_of_parts(
                "process_cpu_seconds",
                "Processor time used, in user and system mode",
                stat.cpu_ticks as f64 / ticks_per_second,
            )?;
            samples.gauge(
                "process_resident_memory_bytes",
                "Memory in RAM",
                stat.resident_pages * rustix::param::page_size() as u64,
            )?;
            samples.gauge(
                "process_virtual_memory_bytes",
                "Virtual memory",
                stat.virtual_bytes,
            )?;
            samples.gauge("process_threads", "Threads", stat.threads)?;
            let booted = read("/proc/stat").as_deref().and_then(parse_boot_time);
            let started = booted.map(|booted| booted as f64 + stat.started_ticks as f64 / ticks_per_second);
            samples.known_gauge(
                "process_start_time_seconds",
                "When the process started, in seconds since 1970",
                started,
            )?;
        }
        samples.known_gauge("process_open_fds", "Open file descriptors", open_fds())?;
        let limits = read("/proc/self/limits");
        let most = limits.as_deref().and_then(parse_max_fds);
        samples.known_gauge("process_max_fds", "The most file descriptors", most)
    }
}

#[expect(clippy::disallowed_methods, reason = "files of the kernel, not of the store")]
fn read(path: &str) -> Option<String> {
    let mut text = String::new();
    let file = File::open(Path::new(path)).ok()?;
    file.take(MAX_BYTES).read_to_string(&mut text).ok()?;
    Some(text)
}

#[expect(
    clippy::disallowed_methods,
    reason = "a directory of the kernel, not of the store"
)]
fn open_fds() -> Option<u64> {
    let entries = std::fs::read_dir("/proc/self/fd").ok()?;
    // One of them is the listing itself.
    Some((entries.count() as u64).saturating_sub(1))
}

/// The name of a program may hold spaces and brackets, so the fields are counted from the last bracket.
fn parse_stat(text: &str) -> Option<Stat> {
    let (_, rest) = text.rsplit_once(')')?;
    let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
    // Numbered as in proc_pid_stat(5), where the state, the first one here, is number 3.
    let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
    Some(Stat {
        cpu_ticks: field(14)? + field(15)?,
        threads: field(20)?,
        started_ticks: field(22)?,
        virtual_bytes: field(23)?,
        resident_pages: field(24)?,
    })
}

fn parse_boot_time(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix("btime "))?;
    line.trim().parse().ok()
}

fn parse_max_fds(text: &str) -> Option<u64> {
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_ascii_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::{Registry, render};

    #[test]
    fn a_program_with_brackets_in_its_name_is_read_like_any_other() {
        let text = "77 (a) (b c) S 1 77 77 0 -1 4194560 1 0 0 0 120 30 0 0 20 0 9 0 5000 1048576 256 18446744073709551615";
        let expected = Stat {
            cpu_ticks: 150,
            threads: 9,
            started_ticks: 5000,
            virtual_bytes: 1_048_576,
            resident_pages: 256,
        };
        assert_eq!(parse_stat(text), Some(expected));
        assert_eq!(parse_stat("77 (x) S 1"), None);
        assert_eq!(parse_stat(""), None);
    }

    #[test]
    fn boot_time_and_the_limit_of_descriptors_are_found() {
        assert_eq!(
            parse_boot_time("cpu 1 2\nbtime 1700000000\n"),
            Some(1_700_000_000)
        );
        let limits = "Limit   Soft Limit Hard Limit Units\nMax open files            1024                 524288               files\n";
        assert_eq!(parse_max_fds(limits), Some(1024));
        assert_eq!(parse_max_fds("Max open files unlimited unlimited files"), None);
    }

    #[test]
    fn this_process_has_memory_descriptors_and_a_beginning() {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(ProcessMetrics));
        let text = render(&registry).unwrap();
        for name in [
            "process_cpu_seconds_total",
            "process_resident_memory_bytes",
            "process_open_fds",
            "process_start_time_seconds",
        ] {
            assert!(
                text.lines().any(|line| line.starts_with(&format!("{name} "))),
                "{name} in {text}"
            );
        }
    }
}
