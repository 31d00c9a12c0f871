//! What a prompt history means: numbering, compare, rollback, best, labels.

pub mod compare;
pub mod numbering;
