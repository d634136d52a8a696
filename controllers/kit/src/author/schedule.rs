//! When objects are looked at.

use std::time::Duration;

use artifact_crd::Schedule;
use flux_api::GoDuration;

/// The pause between two looks where nobody says another.
const INTERVAL: Duration = Duration::from_mins(10);
/// The shortest pause.
const SHORTEST: Duration = Duration::from_secs(10);
/// How long a look may take where nobody says another.
const TIMEOUT: Duration = Duration::from_mins(1);

/// Reads a [`Schedule`].
pub trait ScheduleExt {
    /// Gives the pause between two looks; one that is too short, or none, is another.
    fn pause(&self) -> Duration;

    /// Gives how long a look may take.
    fn deadline(&self) -> Duration;

    /// Says what cannot be read, if anything.
    fn problem(&self) -> Option<String>;
}

fn read(text: Option<&String>) -> Option<Duration> {
    let duration = text?.parse::<GoDuration>().ok()?.to_std();
    (!duration.is_zero()).then_some(duration)
}

impl ScheduleExt for Schedule {
    fn pause(&self) -> Duration {
        read(self.interval.as_ref()).unwrap_or(INTERVAL).max(SHORTEST)
    }

    fn deadline(&self) -> Duration {
        read(self.timeout.as_ref()).unwrap_or(TIMEOUT)
    }

    fn problem(&self) -> Option<String> {
        let fields = [("interval", &self.interval), ("timeout", &self.timeout)];
        fields.into_iter().find_map(|(name, text)| {
            let text = text.as_ref()?;
            let wrong = read(Some(text)).is_none();
            wrong.then(|| format!("spec.{name}: {text:?} is no duration, such as 10m"))
        })
    }
}

/// Spreads a pause: never earlier than asked, and up to some percent later.
pub fn lengthened(pause: Duration, percent: u8) -> Duration {
    pause.mul_f64(1.0 + fastrand::f64() * f64::from(percent) / 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_says_has_a_default_and_what_is_too_short_is_not_followed() {
        let schedule = |interval: Option<&str>| Schedule {
            interval: interval.map(str::to_owned),
            ..Schedule::default()
        };
        for (interval, seconds) in [
            (None, 600),
            (Some("1m30s"), 90),
            (Some("1s"), 10),
            (Some("0"), 600),
        ] {
            assert_eq!(
                schedule(interval).pause(),
                Duration::from_secs(seconds),
                "{interval:?}"
            );
        }
        assert_eq!(schedule(None).problem(), None);
        assert!(
            schedule(Some("soon"))
                .problem()
                .is_some_and(|problem| problem.contains("soon"))
        );
    }

    #[test]
    fn nobody_is_early() {
        let pause = Duration::from_secs(100);
        let all: Vec<_> = (0..50).map(|_| lengthened(pause, 5)).collect();
        assert!(
            all.iter()
                .all(|spread| (pause..=pause.mul_f64(1.05)).contains(spread))
        );
        assert_eq!(lengthened(pause, 0), pause);
    }
}
