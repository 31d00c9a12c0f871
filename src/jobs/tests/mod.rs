//! The queue as a whole, over a memory storage that can be made to wait, fail and panic. Time stands still unless
//! everybody waits, so no test does.

mod cancel;
mod collect;
mod crash;
mod damage;
mod disk;
mod fixture;
mod import;
mod lifecycle;
mod optimize;
#[cfg(not(feature = "interleavings"))]
mod power;
mod secrets;
mod storage;
