//! Page tokens. The input is a token, and a key that a token is made of.

use std::ops::Bound;

use longshore_door::page::{MAX_RESULTS, PageRequest};

const OPERATION: &str = "ListTasks";
/// Longest key of the store, in bytes.
const MAX_KEY_LENGTH: usize = 1024;

/// Reads a token, and one that was given.
pub fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    if let Ok(request) = request(text)
        && let Bound::Excluded(key) = request.start()
    {
        assert_eq!(
            given(&key).as_deref(),
            Some(text),
            "a token is taken that was never given"
        );
    }
    if text.len() <= MAX_KEY_LENGTH {
        let token = given(text).expect("there is a next page");
        let start = request(&token).map(|request| request.start());
        assert_eq!(
            start.ok(),
            Some(Bound::Excluded(text.to_owned())),
            "{token}"
        );
        let other = PageRequest::new("ListServices", Some(&token), None, MAX_RESULTS, MAX_RESULTS);
        assert!(other.is_err(), "{token} is taken by another operation");
    }
}

fn request(token: &str) -> Result<PageRequest, longshore_door::error::ApiError> {
    PageRequest::new(OPERATION, Some(token), Some(1), MAX_RESULTS, MAX_RESULTS)
}

/// The token after a page that ends with `key`.
fn given(key: &str) -> Option<String> {
    let first = PageRequest::new(OPERATION, None, Some(1), MAX_RESULTS, MAX_RESULTS).ok()?;
    first.cut([key, "next"], |key| (*key).to_owned()).next_token
}
