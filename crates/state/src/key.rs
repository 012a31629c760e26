//! The name of one record.

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// Longest key, in bytes. Cluster, service and task names are each at most 255 bytes, and a key
/// holds two of them with its table name; 1024 leaves room for both at their
/// longest, 255 characters.
pub const MAX_KEY_BYTES: usize = 1024;

/// A `/`-separated name such as `task/prod/8f3c`: 1 to [`MAX_KEY_BYTES`] bytes of printable ASCII.
///
/// Keys order by their bytes. A clone shares the text.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(Arc<str>);

/// Why a text is no key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The text has no bytes.
    #[error("a store key must not be empty")]
    Empty,
    /// The text is longer than [`MAX_KEY_BYTES`].
    #[error("a store key of {bytes} bytes is above the limit of {MAX_KEY_BYTES}; shorten the name")]
    TooLong {
        /// Length of the refused text in bytes.
        bytes: usize,
    },
    /// The text holds a byte outside printable ASCII (0x20 to 0x7e).
    #[error(
        "store key {text:?} has a byte at position {position} that is not printable ASCII; \
         escape the name before it becomes a key"
    )]
    NotPrintable {
        /// The refused text.
        text: String,
        /// Offset of the first refused byte.
        position: usize,
    },
}

impl Key {
    /// Checks `text` and makes it a key.
    ///
    /// # Errors
    /// [`KeyError`] says which rule the text breaks.
    pub fn new(text: impl AsRef<str>) -> Result<Key, KeyError> {
        let text = text.as_ref();
        if text.is_empty() {
            return Err(KeyError::Empty);
        }
        if text.len() > MAX_KEY_BYTES {
            return Err(KeyError::TooLong { bytes: text.len() });
        }
        if let Some(position) = text.bytes().position(|byte| !(0x20..=0x7e).contains(&byte)) {
            return Err(KeyError::NotPrintable {
                text: text.to_owned(),
                position,
            });
        }
        Ok(Key(text.into()))
    }

    /// The text of the key.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// A key below every valid one, to start a range at a revision.
    pub fn lowest() -> Key {
        Key("".into())
    }
}

impl fmt::Display for Key {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, out)
    }
}

impl AsRef<str> for Key {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

// Sound because the derived Eq, Ord and Hash are those of the text.
impl Borrow<str> for Key {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl FromStr for Key {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Key, KeyError> {
        Key::new(text)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_checked() {
        let long = "k".repeat(MAX_KEY_BYTES);
        let over = "k".repeat(MAX_KEY_BYTES + 1);
        let cases = [
            ("task/prod/8f", None),
            ("tag with space~", None),
            (long.as_str(), None),
            ("", Some(KeyError::Empty)),
            (
                over.as_str(),
                Some(KeyError::TooLong {
                    bytes: MAX_KEY_BYTES + 1,
                }),
            ),
            (
                "a\nb",
                Some(KeyError::NotPrintable {
                    text: "a\nb".into(),
                    position: 1,
                }),
            ),
            (
                "é",
                Some(KeyError::NotPrintable {
                    text: "é".into(),
                    position: 0,
                }),
            ),
        ];
        for (text, fault) in cases {
            assert_eq!(Key::new(text).err(), fault, "{text:?}");
        }
    }
}
