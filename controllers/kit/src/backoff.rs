//! Pauses between attempts that fail: they double, up to a bound.

use std::time::Duration;

/// Bounds of an exponential back-off.
#[derive(Clone, Copy, Debug)]
pub struct Backoff {
    /// Delay after the first failure; Flux's `--min-retry-delay`, 750 ms by default.
    pub min: Duration,
    /// Longest delay; Flux's `--max-retry-delay`, 15 min by default.
    pub max: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self {
            min: Duration::from_millis(750),
            max: Duration::from_mins(15),
        }
    }
}

impl Backoff {
    /// Gives the delay after a number of failures in a row.
    pub fn delay(&self, failures: u32) -> Duration {
        self.min
            .saturating_mul(2u32.saturating_pow(failures.saturating_sub(1)))
            .min(self.max)
    }

    /// Begins to count the failures of one thing.
    pub fn attempts(self) -> Attempts {
        Attempts {
            backoff: self,
            failures: 0,
        }
    }
}

/// The failures in a row of one thing.
#[derive(Clone, Debug)]
pub struct Attempts {
    backoff: Backoff,
    failures: u32,
}

impl Attempts {
    /// Counts a failure; gives the delay before the next attempt.
    pub fn failed(&mut self) -> Duration {
        self.failures = self.failures.saturating_add(1);
        self.backoff.delay(self.failures)
    }

    /// Takes note that the thing works: the next failure is the first one.
    pub fn succeeded(&mut self) {
        self.failures = 0;
    }
}

/// Spreads a delay over its second half, so that many who failed together do not all come back together.
pub fn spread(delay: Duration) -> Duration {
    delay.mul_f64(0.5 + fastrand::f64() / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_up_to_the_bound_and_begin_anew() {
        let backoff = Backoff {
            min: Duration::from_millis(200),
            max: Duration::from_secs(1),
        };
        let mut attempts = backoff.attempts();
        let mut delays = |count: usize| {
            let delays = (0..count)
                .map(|_| attempts.failed().as_millis())
                .collect::<Vec<_>>();
            attempts.succeeded();
            delays
        };
        assert_eq!(delays(5), [200, 400, 800, 1000, 1000]);
        assert_eq!(delays(1), [200]);
        assert_eq!(backoff.delay(u32::MAX), Duration::from_secs(1));
    }

    #[test]
    fn spread_delays_differ_and_are_neither_short_nor_late() {
        let delay = Duration::from_secs(10);
        let delays: Vec<_> = (0..50).map(|_| spread(delay)).collect();
        assert!(delays.iter().all(|spread| (delay / 2..=delay).contains(spread)));
        assert!(delays.iter().any(|spread| *spread != delays[0]));
    }
}
