//! Who may do what: roles by user and group, for all prompts or some, and labels that only some may move. Pure.
//!
//! A [`Policy`] is made of the configuration; [`Policy::rights_of`] tells what a [`Principal`] may do. Nothing here looks
//! at a socket, a file or a clock.

mod policy;
mod rights;
mod role;
#[cfg(test)]
mod tests;

pub use policy::{InvalidRule, Policy, Rule};
pub use rights::{Missing, Rights};
pub use role::Role;

/// Who asks: the user and the groups behind a connection, as the kernel and the user database say.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Principal {
    /// The number of the user.
    pub uid: u32,
    /// The numbers of the groups, the primary one first.
    pub gids: Vec<u32>,
}
