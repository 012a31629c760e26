//! Ports of loopback for servers that a test starts.

use std::net::TcpListener;
use std::sync::atomic::{AtomicU16, Ordering};

/// Below them programs may have their usual ports, above them (on Linux, unless it is set
/// otherwise) the kernel takes those of outgoing connections.
const FIRST: u16 = 10_000;
const END: u16 = 32_768;

/// Processes that run side by side begin this far from one another.
const STRIDE: u32 = 200;

/// A port that nobody listens at now, another one at each call.
///
/// It is none that the kernel gives an outgoing connection: a server that is killed and started
/// again finds its port free, even though clients have dialled, and been refused, all the while.
///
/// # Panics
/// All ports are in use.
pub fn free_port() -> u16 {
    static TAKEN: AtomicU16 = AtomicU16::new(0);
    let span = u32::from(END - FIRST);
    let begin = std::process::id().wrapping_mul(STRIDE);
    (0..span)
        .map(|_| {
            let taken = TAKEN.fetch_add(1, Ordering::Relaxed);
            let offset = begin.wrapping_add(u32::from(taken)) % span;
            FIRST + u16::try_from(offset).expect("less than the span")
        })
        .find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok())
        .expect("a port of loopback is free")
}
