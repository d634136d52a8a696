//! Asking a registry once more when it is busy, as Helm's client does.

use std::thread;
use std::time::{Duration, Instant};

use crate::FetchError;
use crate::client::Answer;

/// How often a request is repeated.
const RETRIES: u32 = 5;

/// The first wait; each one after it is twice as long.
const FIRST: Duration = Duration::from_millis(250);

/// The bounds of a wait, whatever the server asks for.
const SHORTEST: Duration = Duration::from_millis(200);
const LONGEST: Duration = Duration::from_secs(3);

/// Asks until there is an answer of a server that is not too busy for one, but no longer than for `time`; then the last answer
/// counts. What comes to no answer in its time is not repeated.
pub(crate) fn until_served(
    time: Duration,
    mut ask: impl FnMut() -> Result<Answer, FetchError>,
) -> Result<Answer, FetchError> {
    let start = Instant::now();
    for retry in 0..RETRIES {
        let answer = ask()?;
        if !is_busy(answer.status) {
            return Ok(answer);
        }
        let wait = wait(retry, &answer);
        if start.elapsed() + wait >= time {
            return Ok(answer);
        }
        thread::sleep(wait);
    }
    ask()
}

/// Whether a status says that the same request may go well in a moment.
fn is_busy(status: u16) -> bool {
    matches!(status, 408 | 429) || status >= 500
}

/// How long to wait before a request is repeated; a server that limits rates may say so.
fn wait(retry: u32, answer: &Answer) -> Duration {
    let seconds = answer
        .retry_after
        .as_deref()
        .and_then(|text| text.parse::<u64>().ok());
    let asked = seconds.filter(|seconds| answer.status == 429 && *seconds > 0);
    let wait = asked.map_or_else(|| FIRST.saturating_mul(1 << retry), Duration::from_secs);
    wait.clamp(SHORTEST, LONGEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, retry_after: Option<&str>) -> Answer {
        Answer {
            status,
            words: String::new(),
            is_own: true,
            challenges: Vec::new(),
            link: None,
            retry_after: retry_after.map(str::to_owned),
            body: Vec::new(),
        }
    }

    #[test]
    fn waits_grow_within_bounds() {
        for (retry, status, asked, millis) in [
            (0, 503, None, 250),
            (1, 503, None, 500),
            (4, 503, None, 3000),
            (0, 503, Some("1"), 250),
            (0, 429, Some("1"), 1000),
            (0, 429, Some("60"), 3000),
            (0, 429, Some("soon"), 250),
            (1, 429, Some("0"), 500),
        ] {
            let found = wait(retry, &answer(status, asked));
            assert_eq!(found, Duration::from_millis(millis), "{retry} {status} {asked:?}");
        }
    }

    #[test]
    fn who_is_busy_is_asked_again() {
        let long = Duration::from_mins(1);
        for (statuses, time, asked) in [
            (&[200][..], long, 1),
            (&[404], long, 1),
            (&[503, 200], long, 2),
            (&[408, 401], long, 2),
            (&[503, 200], Duration::from_millis(100), 1),
        ] {
            let mut times = 0;
            let found = until_served(time, || {
                times += 1;
                Ok(answer(statuses[times - 1], None))
            });
            assert_eq!(found.unwrap().status, statuses[asked - 1]);
            assert_eq!(times, asked, "{statuses:?}");
        }
    }
}
