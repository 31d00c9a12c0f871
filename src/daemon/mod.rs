//! Running the daemon: start, signals, stop.
