//! Signals of the operating system, as messages.

use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread::JoinHandle;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::flag;
use signal_hook::iterator::{Handle, Signals};
use tokio::sync::mpsc;

/// How many signals may wait; more of them would say nothing new.
const MAX_PENDING: usize = 16;

/// What the daemon is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// Stop (SIGTERM, SIGINT).
    Terminate,
    /// Read the configuration again (SIGHUP).
    Reload,
}

/// Where signals come from.
#[derive(Debug)]
pub enum SignalSource {
    /// The operating system.
    Os(OsSignals),
    /// A program that embeds the daemon, or a test.
    Manual(mpsc::Receiver<Signal>),
}

/// The thread that receives the signals of this process.
#[derive(Debug)]
pub struct OsSignals {
    received: mpsc::Receiver<Signal>,
    handle: Handle,
    thread: Option<JoinHandle<()>>,
}

impl SignalSource {
    /// Takes over SIGTERM, SIGINT and SIGHUP of this process. From the second SIGTERM or SIGINT on the process ends at
    /// once, with 128 and the number of the signal as its exit code, whatever else it is doing.
    ///
    /// # Errors
    /// When the operating system does not allow it.
    pub fn os() -> io::Result<Self> {
        let asked_before = Arc::new(AtomicBool::new(false));
        for signal in [SIGTERM, SIGINT] {
            // The order matters: the first signal finds the flag down and raises it, the second finds it up.
            flag::register_conditional_shutdown(signal, 128 + signal, Arc::clone(&asked_before))?;
            flag::register(signal, Arc::clone(&asked_before))?;
        }
        let mut signals = Signals::new([SIGTERM, SIGINT, SIGHUP])?;
        let handle = signals.handle();
        let (send, received) = mpsc::channel(MAX_PENDING);
        let thread = std::thread::Builder::new()
            .name("promptd-signals".to_owned())
            .spawn(move || {
                for signal in signals.forever() {
                    let signal = if signal == SIGHUP {
                        Signal::Reload
                    } else {
                        Signal::Terminate
                    };
                    if let Err(mpsc::error::TrySendError::Closed(_)) = send.try_send(signal) {
                        break;
                    }
                }
            })?;
        let thread = Some(thread);
        Ok(Self::Os(OsSignals {
            received,
            handle,
            thread,
        }))
    }

    /// Makes a source that a program or a test sends into.
    #[must_use]
    pub fn manual() -> (mpsc::Sender<Signal>, Self) {
        let (send, received) = mpsc::channel(MAX_PENDING);
        (send, Self::Manual(received))
    }

    /// Waits for the next signal. A manual source whose senders are gone asks to stop.
    pub async fn next(&mut self) -> Signal {
        let received = match self {
            Self::Os(signals) => &mut signals.received,
            Self::Manual(received) => received,
        };
        received.recv().await.unwrap_or(Signal::Terminate)
    }
}

impl Drop for OsSignals {
    fn drop(&mut self) {
        self.handle.close();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::warn!("the thread that receives signals had panicked");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_manual_source_gives_what_was_sent_and_then_asks_to_stop() {
        let (send, mut source) = SignalSource::manual();
        send.send(Signal::Reload).await.unwrap();
        assert_eq!(source.next().await, Signal::Reload);
        drop(send);
        assert_eq!(source.next().await, Signal::Terminate);
    }
}
