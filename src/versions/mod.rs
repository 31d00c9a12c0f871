//! What a prompt history means: numbering, compare, rollback, best, labels.
