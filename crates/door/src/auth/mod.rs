//! Who calls. The one gate in front of every operation.
//!
//! Both doors hand what they received to this module and get a [`Verified`] back, or an error.
//! [`Verified`] cannot be made anywhere else, and the operation table asks for one, so no code
//! path leads to an operation without a checked signature: leaving the check out does not compile.
//!
//! - [`sigv4`]: requests signed with Signature Version 4, for the AWS JSON wire;
//! - [`bearer`]: short-lived tokens that the same access keys mint, for gRPC;
//! - [`key`]: the access keys;
//! - [`gate`]: whether the caller may do what it asks for.

pub mod bearer;
pub mod gate;
pub mod key;
pub mod sigv4;

pub use key::AccessKeys;

/// The user behind a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    access_key_id: String,
    arn: String,
}

impl Caller {
    /// The access key that signed.
    pub fn access_key_id(&self) -> &str {
        &self.access_key_id
    }

    /// The ARN of the user who owns that key, as `registeredBy` and events show it.
    pub fn arn(&self) -> &str {
        &self.arn
    }

    /// A caller for tests of operations, which has passed no gate.
    #[cfg(any(test, feature = "testing"))]
    pub fn for_test() -> Self {
        Self {
            access_key_id: "AKIAIOSFODNN7EXAMPLE".to_owned(),
            arn: "arn:aws:iam::000000000000:user/test".to_owned(),
        }
    }
}

/// Proof that a request was checked: the signature is right, recent, and of this caller.
#[derive(Debug, Clone)]
pub struct Verified {
    caller: Caller,
}

impl Verified {
    /// Only the modules of this gate can get here.
    fn new(access_key_id: &str, key: &key::AccessKey) -> Self {
        Self {
            caller: Caller {
                access_key_id: access_key_id.to_owned(),
                arn: key.arn().to_owned(),
            },
        }
    }

    /// Proof of nothing, for tests of whole services.
    #[cfg(any(test, feature = "testing"))]
    pub fn for_test() -> Self {
        Self {
            caller: Caller::for_test(),
        }
    }

    /// Whom it proves.
    pub fn caller(&self) -> &Caller {
        &self.caller
    }
}
