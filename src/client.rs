//! The HTTP client over the Unix socket, used by promptctl, the tests and the benches.
