//! Every ECS operation once, behind two doors: AWS JSON and gRPC.
//!
//! A request comes in through a [`door`], passes the gate ([`auth`]), is decoded and checked
//! against the field [`ledger`], and runs as one row of the operation [`table`].
//!
//! To add an operation:
//!
//! 1. write its type and [`operation::Operation`] in the file of its noun under `ecs/`;
//! 2. name that type in its row of [`table`], in place of `unsupported`;
//! 3. classify its input members in `fields.toml`; a test lists those that are missing.

pub mod auth;
pub mod context;
pub mod door;
pub mod ecs;
pub mod error;
pub mod ledger;
pub mod operation;
pub mod page;
pub mod table;
