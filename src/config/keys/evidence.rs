//! The keys of `optimizer.evidence`.

use super::kind::KeyKind::{Count, Size};
use super::{Key, SectionInfo};

pub(super) const SECTIONS: &[SectionInfo] = &[SectionInfo {
    path: "optimizer.evidence",
    description: "Test results that are kept of versions, and how many of them it takes to decide by. docs/scoring.md \
                  explains what they decide.",
}];

pub(super) const KEYS: &[Key] = &[
    Key {
        path: "optimizer.evidence.min_results",
        kind: Count {
            min: 1,
            max: 1_000_000,
        },
        about: "The least number of test results of a version that count: with fewer, 'best', 'auto' and promotion go by \
                scores alone. Raise it where single tests say little.",
    },
    Key {
        path: "optimizer.evidence.max_results",
        kind: Count { min: 1, max: 100_000 },
        about: "The most test results that are kept of one version; more are refused with evidence-full. All of them are \
                read to add another: raise it only where percentiles need it.",
    },
    Key {
        path: "optimizer.evidence.max_bytes",
        kind: Size {
            min: 1 << 10,
            max: 64 << 20,
        },
        about: "The most bytes that the test results of one version take on disk; more are refused with evidence-full. \
                Error messages and metadata are what makes them large.",
    },
];
