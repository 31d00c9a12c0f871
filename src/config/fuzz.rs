//! Fuzz targets: the configuration file, and giving it its present names.

use std::path::Path;

use super::load::assemble;
use super::*;
use crate::fuzz::fuzz_target;

fuzz_target!(
    a_configuration_is_understood_or_refused,
    "config",
    |bytes: &[u8]| {
        let Ok(text) = std::str::from_utf8(bytes) else {
            return;
        };
        match assemble(Some((Path::new("promptd.yaml"), text)), &Sources::default()) {
            Ok(config) => assert!(config.optimizer.storage.config.effective_shard_depth().digits() <= 4),
            Err(error) => assert!(!error.to_string().is_empty()),
        }
    }
);

fuzz_target!(
    migrating_a_second_time_changes_nothing,
    "config-migrate",
    |bytes: &[u8]| {
        let Ok(text) = std::str::from_utf8(bytes) else {
            return;
        };
        if let Ok(migrated) = migrate(text) {
            let again = migrate(&migrated.text).unwrap();
            assert_eq!(
                (again.text.as_str(), again.changes.len()),
                (migrated.text.as_str(), 0)
            );
        }
    }
);
