//! `nextToken` and `maxResults` of the list operations.
//!
//! A token says where the last page ended: the operation and the last key it showed. The next page
//! starts after that key, so pages stay stable while things are created and deleted between them.
//! Where an operation has filters, a token is also of the filters it was made with: with others it
//! would point into a list that never was.

use std::ops::Bound;

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::error::ApiError;

/// The largest `maxResults` of most list operations, and their page size when it is left out.
pub const MAX_RESULTS: usize = 100;
/// Longest token that is read, in characters: a key of 1 KiB, encoded.
const MAX_TOKEN_LENGTH: usize = 2048;
/// First byte of a decoded token.
const VERSION: u8 = 1;
/// Bytes of SHA-256 that guard a token against typing errors; tokens are no secret.
const CHECKSUM_LENGTH: usize = 8;
/// Between an operation and the digest of its filters.
const SEPARATOR: char = '#';

/// Which part of a sorted list a request asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageRequest {
    /// The operation, with a digest of the filters where there are any.
    scope: String,
    after: Option<String>,
    size: usize,
}

/// A part of a sorted list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// In the order of their keys.
    pub items: Vec<T>,
    /// Absent on the last page.
    pub next_token: Option<String>,
}

impl PageRequest {
    /// Checks what the request holds. `default` is the page size when `max_results` is left out,
    /// `most` the largest that is allowed.
    ///
    /// Errors: InvalidParameterException for a size outside 1 to `most`, or for a token that this
    /// operation never gave.
    pub fn new(
        operation: &'static str,
        next_token: Option<&str>,
        max_results: Option<i32>,
        default: usize,
        most: usize,
    ) -> Result<Self, ApiError> {
        Self::filtered(operation, &[], next_token, max_results, default, most)
    }

    /// The same for a list that `filters` narrow down. They have a fixed order; one that is left
    /// out is the empty string.
    ///
    /// Errors: also InvalidParameterException for a token that was made with other filters.
    pub fn filtered(
        operation: &'static str,
        filters: &[&str],
        next_token: Option<&str>,
        max_results: Option<i32>,
        default: usize,
        most: usize,
    ) -> Result<Self, ApiError> {
        let scope = scope(operation, filters);
        let size = match max_results {
            None => default,
            Some(given) => usize::try_from(given)
                .ok()
                .filter(|size| (1..=most).contains(size))
                .ok_or_else(|| {
                    ApiError::invalid_parameter(format!(
                        "maxResults is {given}; use 1 to {most}, or leave it out."
                    ))
                })?,
        };
        // An empty token is what some clients send for the first page.
        let after = match next_token.filter(|token| !token.is_empty()) {
            None => None,
            Some(token) => Some(match decode(token) {
                Some((of, key)) if of == scope => key,
                Some((of, _)) if of.split(SEPARATOR).next() == Some(operation) => {
                    return Err(ApiError::invalid_parameter(
                        "nextToken is not valid: it was made with other filters. Keep the filters of the first page, or leave the token out to begin anew.",
                    ));
                }
                _ => {
                    return Err(ApiError::invalid_parameter(
                        "nextToken is not valid: pass the one that the previous page of this operation returned, or leave it out.",
                    ));
                }
            }),
        };
        Ok(Self { scope, after, size })
    }

    /// Where the page starts in a map sorted by key; give it to `BTreeMap::range` together with
    /// `Bound::Unbounded`.
    pub fn start(&self) -> Bound<String> {
        match &self.after {
            None => Bound::Unbounded,
            Some(key) => Bound::Excluded(key.clone()),
        }
    }

    /// Cuts the page out of `items`, which must be sorted by `key`, smallest first, each key once.
    pub fn cut<T>(
        &self,
        items: impl IntoIterator<Item = T>,
        key: impl Fn(&T) -> String,
    ) -> Page<T> {
        self.cut_by(items, key, |a, b| a.cmp(b))
    }

    /// Like [`Self::cut`] for a list that is sorted by another order of the keys, such as newest
    /// first.
    pub fn cut_by<T>(
        &self,
        items: impl IntoIterator<Item = T>,
        key: impl Fn(&T) -> String,
        order: impl Fn(&str, &str) -> std::cmp::Ordering,
    ) -> Page<T> {
        let mut rest = items.into_iter().filter(|item| match &self.after {
            None => true,
            Some(after) => order(&key(item), after).is_gt(),
        });
        let items: Vec<T> = rest.by_ref().take(self.size).collect();
        let next_token = match (items.last(), rest.next()) {
            (Some(last), Some(_)) => Some(encode(&self.scope, &key(last))),
            _ => None,
        };
        Page { items, next_token }
    }
}

fn short_digest(text: &str) -> [u8; CHECKSUM_LENGTH] {
    let digest = digest::digest(&digest::SHA256, text.as_bytes());
    let mut sum = [0; CHECKSUM_LENGTH];
    sum.copy_from_slice(&digest.as_ref()[..CHECKSUM_LENGTH]);
    sum
}

fn checksum(scope: &str, key: &str) -> [u8; CHECKSUM_LENGTH] {
    short_digest(&format!("{scope}\n{key}"))
}

/// The operation alone where no filter is set.
fn scope(operation: &str, filters: &[&str]) -> String {
    if filters.iter().all(|filter| filter.is_empty()) {
        return operation.to_owned();
    }
    // Lengths keep one filter from running into the next.
    let text: String = filters
        .iter()
        .map(|filter| format!("{}:{filter}", filter.len()))
        .collect();
    format!("{operation}{SEPARATOR}{}", hex::encode(short_digest(&text)))
}

/// Version, checksum, scope, a zero byte, key.
fn encode(scope: &str, key: &str) -> String {
    let mut bytes = vec![VERSION];
    bytes.extend(checksum(scope, key));
    bytes.extend(scope.as_bytes());
    bytes.push(0);
    bytes.extend(key.as_bytes());
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The scope and the key of a token.
fn decode(token: &str) -> Option<(String, String)> {
    if token.len() > MAX_TOKEN_LENGTH {
        return None;
    }
    let bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
    let (version, rest) = bytes.split_first()?;
    let (sum, rest) = rest.split_at_checked(CHECKSUM_LENGTH)?;
    let (scope, key) = std::str::from_utf8(rest).ok()?.split_once('\0')?;
    (*version == VERSION && sum == checksum(scope, key)).then(|| (scope.to_owned(), key.to_owned()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn request(token: Option<&str>, size: i32) -> PageRequest {
        PageRequest::new("ListTasks", token, Some(size), MAX_RESULTS, MAX_RESULTS).unwrap()
    }

    #[test]
    fn pages_join_to_the_whole() {
        let all: Vec<String> = (0..10).map(|i| format!("k{i}")).collect();
        for size in 1..=11 {
            let (mut seen, mut token) = (Vec::new(), None);
            loop {
                let page = request(token.as_deref(), size).cut(all.clone(), String::clone);
                assert!(page.items.len() <= size as usize);
                seen.extend(page.items);
                token = page.next_token;
                if token.is_none() {
                    break;
                }
            }
            assert_eq!(seen, all);
        }
    }

    #[test]
    fn a_page_goes_on_where_its_last_key_was_deleted() {
        let first = request(None, 2).cut(["a", "b", "c", "d"], ToString::to_string);
        let second =
            request(first.next_token.as_deref(), 2).cut(["a", "c", "d"], ToString::to_string);
        assert_eq!(second.items, ["c", "d"]);
        assert_eq!(second.next_token, None);
    }

    #[test]
    fn a_list_may_run_backwards() {
        let order = |a: &str, b: &str| b.cmp(a);
        let first = request(None, 2).cut_by(["c", "b", "a"], ToString::to_string, order);
        assert_eq!(first.items, ["c", "b"]);
        let second = request(first.next_token.as_deref(), 2);
        assert_eq!(
            second
                .cut_by(["c", "b", "a"], ToString::to_string, order)
                .items,
            ["a"]
        );
    }

    #[test]
    fn sizes_and_tokens_are_checked() {
        for size in [0, -1, 101, i32::MIN] {
            let error = PageRequest::new("ListTasks", None, Some(size), 100, 100).unwrap_err();
            assert!(error.message.contains(&size.to_string()), "{error}");
        }
        let foreign = encode("ListServices", "a");
        for token in ["x", "!!!!", foreign.as_str(), &"A".repeat(3000)] {
            assert!(PageRequest::new("ListTasks", Some(token), None, 100, 100).is_err());
        }
        assert_eq!(request(Some(""), 1), request(None, 1));
    }

    #[test]
    fn a_token_is_of_the_filters_it_was_made_with() {
        let read = |filters: &[&str], token: Option<&str>| {
            PageRequest::filtered("ListTasks", filters, token, Some(1), 100, 100)
        };
        let token = |filters: &[&str]| {
            let page = read(filters, None).unwrap();
            page.cut(["a", "b"], ToString::to_string)
                .next_token
                .unwrap()
        };
        let made = token(&["x", ""]);
        assert!(read(&["x", ""], Some(&made)).is_ok());
        for other in [&["", "x"][..], &["x", "y"], &["", ""], &[]] {
            let error = read(other, Some(&made)).unwrap_err();
            assert!(error.message.contains("other filters"), "{error}");
            assert!(read(&["x", ""], Some(&token(other))).is_err());
        }
        assert_eq!(token(&["", ""]), token(&[]), "no filter is no filter");
        assert_ne!(token(&["1", "2"]), token(&["12", ""]));
        let foreign = PageRequest::new("ListServices", Some(&made), None, 100, 100);
        let message = foreign.unwrap_err().message;
        assert!(!message.contains("other filters"), "{message}");
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_decoded(key in ".{0,200}") {
            prop_assert_eq!(decode(&encode("Op", &key)), Some(("Op".to_owned(), key)));
        }

        #[test]
        fn any_text_is_refused_without_panic(token in ".{0,300}") {
            prop_assert_eq!(decode(&token), None);
        }
    }
}
