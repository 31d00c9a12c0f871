//! The configuration: file, defaults, environment, validation, migration of old names.
