//! The clock and the random numbers of the machine, for templates.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use sprig::Environment;

/// The machine's clock, time zone and source of randomness; names are not resolved.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemEnvironment;

impl Environment for SystemEnvironment {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    fn fill_random(&self, bytes: &mut [u8]) {
        // The system's source fails only where nothing secure could be done instead.
        #[expect(clippy::expect_used, reason = "weak secrets are worse than no render")]
        getrandom::fill(bytes).expect("the system gives random numbers");
    }

    fn local_zone(&self) -> TimeZone {
        TimeZone::system()
    }
}
