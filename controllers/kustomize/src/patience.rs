//! How long a build that fetches from other machines is left alone by newer artifacts.

use std::time::Duration;

/// How long a build is left alone by newer artifacts when the one before gave way to one; it doubles each time.
const PATIENCE: Duration = Duration::from_secs(5);

/// Enough for whatever a build is given the time for.
const MOST_DOUBLINGS: u32 = 10;

/// How long a build is left alone by newer artifacts after `gave_way` builds in a row that gave way to one.
///
/// The first gives way at once, as it may hang; but artifacts that come more often than a clone takes must not keep it
/// from ever ending.
pub(crate) fn patience(gave_way: u32) -> Duration {
    match gave_way.min(MOST_DOUBLINGS) {
        0 => Duration::ZERO,
        times => PATIENCE * 2_u32.pow(times - 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn artifacts_that_come_often_leave_a_build_more_and_more_time() {
        let seconds = [0, 1, 2, 3, 8, u32::MAX].map(|gave_way| patience(gave_way).as_secs());
        assert_eq!(seconds, [0, 5, 10, 20, 640, 2560]);
    }
}
