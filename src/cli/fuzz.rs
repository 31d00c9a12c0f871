//! Fuzz targets: arguments, and what is shown on a terminal.

use super::reference::{ExactVersion, Target, pair};
use super::visible::visible_line;
use crate::fuzz::fuzz_target;

fuzz_target!(
    an_argument_points_at_what_it_shows,
    "cli-ref",
    |bytes: &[u8]| {
        let Ok(text) = std::str::from_utf8(bytes) else {
            return;
        };
        if let Ok(target) = text.parse::<Target>() {
            assert_eq!(target.to_string().parse(), Ok(target));
        }
        if let Ok(exact) = text.parse::<ExactVersion>() {
            assert_eq!(exact.to_string().parse(), Ok(exact));
        }
        drop(pair(text, None));
        drop(pair(text, Some(text)));
    }
);

fuzz_target!(nothing_steers_the_terminal, "terminal", |bytes: &[u8]| {
    let text = String::from_utf8_lossy(bytes);
    assert!(!visible_line(&text).chars().any(char::is_control));
});
