//! Ctrl-C while another program has the terminal, or while there is something to clean up.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::flag;

/// Both flags of the process: whether a signal ends it, and whether one came while it did not.
#[derive(Debug)]
struct Flags {
    ends: Arc<AtomicBool>,
    came: Arc<AtomicBool>,
}

static FLAGS: OnceLock<Flags> = OnceLock::new();

/// While this lives, an interrupt, a request to end and the loss of the terminal do not end the process.
#[derive(Debug)]
pub(crate) struct Held {
    flags: &'static Flags,
}

/// Holds interrupts back. Where the handlers cannot be installed, they end the process as ever.
pub(crate) fn hold() -> Held {
    let flags = FLAGS.get_or_init(|| {
        let flags = Flags {
            ends: Arc::new(AtomicBool::new(true)),
            came: Arc::new(AtomicBool::new(false)),
        };
        for signal in [SIGINT, SIGTERM, SIGHUP] {
            // In this order: the default action does not come back.
            drop(flag::register(signal, Arc::clone(&flags.came)));
            drop(flag::register_conditional_default(
                signal,
                Arc::clone(&flags.ends),
            ));
        }
        flags
    });
    flags.came.store(false, Ordering::SeqCst);
    flags.ends.store(false, Ordering::SeqCst);
    Held { flags }
}

impl Held {
    /// Tells whether a signal came.
    pub(crate) fn was_interrupted(&self) -> bool {
        self.flags.came.load(Ordering::SeqCst)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.flags.ends.store(true, Ordering::SeqCst);
    }
}
