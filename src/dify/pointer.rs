//! RFC 6901 pointers: how a place in a document is named.

use std::borrow::Cow;
use std::fmt;

/// A pointer under construction.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Pointer(String);

impl Pointer {
    /// Returns the pointer of an entry of the value that this one points at.
    pub(super) fn key(&self, key: &str) -> Self {
        Self(format!("{}/{}", self.0, escape(key)))
    }

    /// Returns the pointer of an item of the list that this one points at.
    pub(super) fn index(&self, index: usize) -> Self {
        Self(format!("{}/{index}", self.0))
    }
}

impl fmt::Display for Pointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Returns a key as one token of a pointer.
pub(super) fn escape(token: &str) -> Cow<'_, str> {
    if token.contains(['~', '/']) {
        Cow::Owned(token.replace('~', "~0").replace('/', "~1"))
    } else {
        Cow::Borrowed(token)
    }
}

/// Returns the key that one token of a pointer stands for.
pub(super) fn unescape(token: &str) -> Cow<'_, str> {
    if token.contains('~') {
        Cow::Owned(token.replace("~1", "/").replace("~0", "~"))
    } else {
        Cow::Borrowed(token)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_escaped_and_come_back() {
        for key in ["plain", "a/b", "m~n", "~1", "", "日本"] {
            let pointer = Pointer::default().key(key).to_string();
            assert_eq!(unescape(pointer.strip_prefix('/').unwrap()), key, "{pointer}");
        }
        assert_eq!(Pointer::default().key("a/~").index(3).to_string(), "/a~1~0/3");
    }
}
