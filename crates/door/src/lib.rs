//! How requests come in: one listener for many AWS services, on several wires.
//!
//! A request comes in through the [`router`], passes the gate ([`auth`]), is decoded and checked
//! against the field [`ledger`] of its service, and runs as one row of the service's operation
//! table ([`service`]). Nothing here knows which services there are: the control plane hands them
//! in as a list.
//!
//! | file | noun |
//! |---|---|
//! | [`router`] | [`Door`]: which request goes where |
//! | [`serve`] | the listener: connections and their limits |
//! | [`wire`] | AWS JSON and gRPC, each once |
//! | [`auth`] | who calls: SigV4, bearer tokens, access keys |
//! | [`operation`] | [`Operation`]: a name, an input, an output, one function |
//! | [`service`] | an AWS service: its descriptor and its operations |
//! | [`ledger`] | what becomes of every member of every input |
//! | [`page`] | `nextToken` and `maxResults` |
//! | [`error`] | what a caller is told when an operation fails |
//! | [`fault`] | what is wrong with a request, all of it at once |
//! | [`backend`] | what handlers of every service work with |

pub mod auth;
pub mod backend;
pub mod error;
pub mod fault;
pub mod ledger;
pub mod operation;
pub mod page;
pub mod router;
pub mod serve;
pub mod service;
pub mod wire;

pub use backend::{Backend, Clock, Entropy};
pub use error::{ApiError, ErrorKind};
pub use fault::{Faults, Violations};
pub use operation::Operation;
pub use router::Door;
