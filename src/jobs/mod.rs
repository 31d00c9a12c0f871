//! Long work: the job queue actor and its ledger.
