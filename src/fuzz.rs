//! Fuzz targets of the parsers, in one form: a corpus, a function that must hold for any bytes, and bolero to find the bytes.
//!
//! Run by the test harness, a target first takes each file of `tests/fixtures/fuzz/<target>/` as it is, then mixtures of them
//! made out of random bytes, for a bounded time. Run by `cargo bolero`, it takes the bytes of the fuzzing engine
//! (CONTRIBUTING.md). Targets stand in a module `fuzz` beside the parsers, so that nothing is public for tests alone.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// The longest input, in bytes.
pub(crate) const MAX_INPUT_BYTES: usize = 4096;
/// So long may one input take, in a build without optimisation on a machine that has other things to do.
const MAX_TIME: Duration = Duration::from_secs(10);

/// Defines the test of one target: `fuzz_target!(name_of_the_test, "name-of-the-corpus", |bytes| ...)`.
macro_rules! fuzz_target {
    ($test:ident, $corpus:literal, $holds:expr) => {
        #[test]
        fn $test() {
            let target = $crate::fuzz::Target::new($corpus);
            let holds = $holds;
            target.replay(&holds);
            // A check that panics ends the test, whatever state it leaves behind.
            let feed = std::panic::AssertUnwindSafe(|bytes: &[u8]| target.feed(bytes, &holds));
            bolero::check!()
                .with_test_time($crate::fuzz::time_for_one_target())
                .with_max_len($crate::fuzz::MAX_INPUT_BYTES)
                .for_each(|bytes: &[u8]| {
                    let whole = &feed;
                    whole(bytes);
                });
            target.report();
        }
    };
}
pub(crate) use fuzz_target;

/// How long one target is fed: long with `PROMPTD_FAULTS=full`.
pub(crate) fn time_for_one_target() -> Duration {
    let full = std::env::var("PROMPTD_FAULTS").is_ok_and(|size| size == "full");
    Duration::from_millis(if full { 3_000 } else { 150 })
}

/// One target: its name, its corpus, and how much it was fed.
pub(crate) struct Target {
    name: &'static str,
    corpus: Vec<Vec<u8>>,
    inputs: AtomicU64,
}

impl Target {
    /// Reads the corpus of a target; each has one.
    pub(crate) fn new(name: &'static str) -> Self {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/fixtures/fuzz")
            .join(name);
        let entries = std::fs::read_dir(&dir).unwrap_or_else(|e| panic!("{}: {e}", dir.display()));
        let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
        files.sort();
        assert!(!files.is_empty(), "the corpus {name} is empty");
        Self {
            name,
            corpus: files.iter().map(|file| std::fs::read(file).unwrap()).collect(),
            inputs: AtomicU64::new(0),
        }
    }

    /// Feeds the corpus.
    pub(crate) fn replay(&self, holds: &impl Fn(&[u8])) {
        self.corpus.iter().for_each(|bytes| self.check(bytes, holds));
    }

    /// Feeds the bytes of a fuzzing engine as they are. Random bytes are no JSON: they decide instead how the corpus is mixed.
    pub(crate) fn feed(&self, bytes: &[u8], holds: &impl Fn(&[u8])) {
        self.check(bytes, holds);
        if cfg!(not(fuzzing)) {
            self.check(&self.mixture(bytes), holds);
        }
    }

    /// Tells how many inputs were fed.
    pub(crate) fn report(&self) {
        let inputs = self.inputs.load(Ordering::Relaxed);
        assert!(
            inputs > self.corpus.len() as u64,
            "nothing but the corpus was fed"
        );
        eprintln!("covered: fuzz {}: {inputs} inputs", self.name);
    }

    fn check(&self, bytes: &[u8], holds: &impl Fn(&[u8])) {
        self.inputs.fetch_add(1, Ordering::Relaxed);
        let shown = Shown(self.name, bytes);
        let begun = Instant::now();
        holds(bytes);
        let took = begun.elapsed();
        assert!(took < MAX_TIME, "it took {took:?}");
        std::mem::forget(shown);
    }

    /// Applies what random bytes say to a file of the corpus: eight bytes an edit.
    fn mixture(&self, random: &[u8]) -> Vec<u8> {
        let mut words = random.chunks_exact(8).map(|chunk| {
            let number = |at: usize| usize::from(chunk[at]) << 8 | usize::from(chunk[at + 1]);
            (chunk[0], number(1), number(3), number(5), chunk[7])
        });
        let Some((_, first, ..)) = words.next() else {
            return Vec::new();
        };
        let mut mixed = self.corpus[first % self.corpus.len()].clone();
        for (kind, place, length, other, byte) in words.take(12) {
            let at = place % (mixed.len() + 1);
            let end = (at + 1 + length % 16).min(mixed.len());
            match kind % 7 {
                0 if at < mixed.len() => mixed[at] = byte,
                1 => drop(mixed.drain(at..end)),
                2 => mixed.insert(at, byte),
                3 => mixed.truncate(at),
                4 => {
                    let copied = mixed[at..end].repeat(1 + length / 256);
                    mixed.splice(at..at, copied);
                }
                5 => {
                    let source = &self.corpus[other % self.corpus.len()];
                    let from = length % (source.len() + 1);
                    let part = source[from..(from + usize::from(byte)).min(source.len())].to_vec();
                    mixed.splice(at..at, part);
                }
                _ => {
                    let odd = ODD[other % ODD.len()];
                    mixed.splice(at..end, odd.iter().copied());
                }
            }
        }
        mixed.truncate(16 * MAX_INPUT_BYTES);
        mixed
    }
}

/// Pieces on which parsers of these formats have stumbled.
const ODD: [&[u8]; 27] = [
    b"..",
    b"/",
    b"%2e%2e%2f",
    b"\0",
    b"\r\n",
    b"\xff",
    b"\xc0\x80",
    b"\xef\xbb\xbf",
    b"\\ud800",
    b"1e999",
    b"-0",
    b"18446744073709551616",
    b"-9223372036854775809",
    b"9007199254740993",
    b"[[[[[[[[[[[[[[[[",
    b"{\"a\":{\"a\":",
    b"null",
    b"\"",
    b"\\",
    b"@",
    b"~1",
    b"*a",
    b"&a ",
    b"<<: ",
    b"$serde_json::private::Number",
    b"\xe2\x80\xae",
    b"999999999999999999999999999999",
];

/// Prints the input of a check that panics.
struct Shown<'a>(&'static str, &'a [u8]);

impl Drop for Shown<'_> {
    fn drop(&mut self) {
        eprintln!("fuzz {}: the input was b\"{}\"", self.0, self.1.escape_ascii());
    }
}
