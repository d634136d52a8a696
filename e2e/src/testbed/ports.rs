//! Free ports that stay ours until we end, however many testbeds run on the machine.

use std::fs::{self, File};
use std::net::TcpListener;
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Mutex, PoisonError};

use anyhow::{Context as _, Result};

/// Below the ephemeral ports, so that no outgoing connection takes one between our look and the server's bind.
const FIRST: u16 = 20_000;
const COUNT: u16 = 12_000;

static TAKEN: Mutex<Vec<File>> = Mutex::new(Vec::new());

/// Returns a port on the loopback address that nobody listens on and that no other testbed will get.
pub fn free_port() -> Result<u16> {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let dir = std::env::temp_dir().join("openflux-ports");
    fs::create_dir_all(&dir).with_context(|| dir.display().to_string())?;
    for _ in 0..COUNT {
        // Processes start at different places, so that they seldom meet.
        let start = std::process::id().wrapping_mul(97) as u16;
        let port = FIRST + start.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed)) % COUNT;
        let path = dir.join(port.to_string());
        let lock = File::create(&path).with_context(|| path.display().to_string())?;
        if lock.try_lock().is_ok() && TcpListener::bind(("127.0.0.1", port)).is_ok() {
            TAKEN.lock().unwrap_or_else(PoisonError::into_inner).push(lock);
            return Ok(port);
        }
    }
    anyhow::bail!("no free port between {FIRST} and {}", FIRST + COUNT - 1)
}
