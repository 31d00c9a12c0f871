# Short names for what is done often; `just --list` shows them. Everything here is a plain command.

# Format, lint, document, test: what must hold before a commit.
check: fmt lint doc test

# Format every file.
fmt:
    cargo fmt

# Clippy on all targets, warnings are errors.
lint:
    cargo clippy --all-targets -- -D warnings

# The API documentation, private items too, warnings are errors.
doc:
    RUSTDOCFLAGS="-D warnings -A rustdoc::private_intra_doc_links" cargo doc --no-deps --document-private-items

# Unit tests, integration tests, doc tests; or those whose name contains FILTER.
test FILTER="":
    cargo test {{FILTER}}

# The whole gate, as continuous integration runs it.
ci:
    .ci/run

# The order of events around shards, tried under a scheduler; SIZE full tries four times as many.
interleavings SIZE="short":
    PROMPTD_FAULTS={{SIZE}} cargo test --lib --features interleavings interleavings:: -- --nocapture

# The promises of docs/durability.md: power failures, failing calls, kills, damage, changes by others, hostile input, orders
# of events. SIZE is full (about 14 minutes) or short; PARTS picks some of them.
crash SIZE="full" *PARTS:
    tests/faults/run.sh {{SIZE}} {{PARTS}}

# Units, start, reload, watchdog, trouble, under a systemd of its own; STORIES picks some. Needs root.
systemd *STORIES:
    tests/systemd/run.sh {{STORIES}}

# The Debian package of a release build, in target/debian. Needs cargo-deb and dpkg-dev.
deb:
    config/debian/build.sh

# The Debian package of a debug build, and what lintian says of it.
package:
    tests/package/run.sh

# Criterion benches; NAME is storage, analysis or extraction. See CONTRIBUTING.md for the size of the store.
bench NAME="storage":
    cargo bench --bench {{NAME}}

# Line coverage of all tests. Needs cargo-llvm-cov and the LLVM tools; see CONTRIBUTING.md.
coverage:
    cargo llvm-cov --summary-only

# Line coverage as a browsable report in target/llvm-cov/html.
coverage-html:
    cargo llvm-cov --html

# Licences, banned crates and sources of the dependencies, without a network. Needs cargo-deny.
deny:
    cargo deny --offline check licenses bans sources

# Known vulnerabilities in the dependencies; fetches the advisory database. Needs cargo-deny.
deny-advisories:
    cargo deny check advisories

# Fuzz the API of a daemon in a temporary store by its own OpenAPI document. Needs schemathesis (PyPI).
fuzz-api EXAMPLES="200":
    tests/api/fuzz.sh {{EXAMPLES}}

# The alerts, their tests, and the numbers of a real daemon after a load. Needs promtool.
metrics:
    tests/metrics/run.sh
