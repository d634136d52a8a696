//! The clock and the random numbers of the machine, for templates.

use std::net::ToSocketAddrs as _;

use jiff::Timestamp;
use sprig::Environment;

/// The machine's clock and source of randomness; names of hosts are resolved only where an operator wants that.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct SystemEnvironment {
    /// Whether templates may look up the addresses of hosts (gate `AllowDNSLookups`).
    pub(crate) resolves: bool,
}

impl Environment for SystemEnvironment {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    fn fill_random(&self, bytes: &mut [u8]) {
        // The system's source fails only where nothing secure could be done instead.
        #[expect(clippy::expect_used, reason = "weak secrets are worse than no render")]
        getrandom::fill(bytes).expect("the system gives random numbers");
    }

    fn host_address(&self, name: &str) -> String {
        let resolved = || (name, 0).to_socket_addrs().ok()?.next();
        let address = self.resolves.then(resolved).flatten();
        address.map_or_else(String::new, |address| address.ip().to_string())
    }
}
