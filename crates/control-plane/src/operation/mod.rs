//! What people do to the state of an installation: back it up, restore it, move it to another
//! store, check it.
//!
//! | file | noun |
//! |---|---|
//! | `location.rs` | [`Location`]: which store is meant, and opening it |
//! | `content.rs` | [`Content`]: the records that an installation is made of, and their digest |
//! | `archive.rs` | the backup file |
//! | `transfer.rs` | [`transfer::fill`]: writing a content into an empty store |
//! | `inspection.rs` | [`inspection::inspect`]: what is wrong with a content |
//! | `command.rs` | the commands, and what they say |

pub mod archive;
mod command;
pub mod content;
pub mod inspection;
pub mod location;
pub mod transfer;

#[cfg(test)]
mod tests;

pub use command::{backup, check, migrate, refuse_unfinished, restore};
pub use content::Content;
pub use location::Location;
