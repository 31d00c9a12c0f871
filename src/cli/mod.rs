//! The verbs of promptctl.
