//! What somebody at a terminal is asked: whether to begin, and between waves what comes next.

use std::io::{BufRead as _, IsTerminal as _, Write};

use flux_fleet::text::count;
use tokio::sync::oneshot;

use super::stop::Stop;
use crate::cluster::CommandError;

/// What is said between waves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Next,
    Pause,
    Back,
    /// Nothing is said, and the run is to end.
    Stop,
}

impl Answer {
    fn of(line: &str) -> Self {
        match line {
            "b" | "B" => Self::Back,
            "" => Self::Next,
            _ => Self::Pause,
        }
    }
}

/// Asks what comes next. The Lease is renewed and Ctrl-C is heard meanwhile.
pub(super) async fn ask(told: &str, stop: &Stop) -> Result<Answer, CommandError> {
    let mut err = std::io::stderr();
    write!(
        err,
        "{told}  [Enter] next wave   [p] pause here   [b] move this wave back "
    )?;
    err.flush()?;
    let (sender, answered) = oneshot::channel();
    // A thread of its own, since the end of the process does not wait for it.
    std::thread::spawn(move || {
        // Whoever has asked may be gone.
        let _ = sender.send(answer());
    });
    await_answer(answered, stop).await
}

async fn await_answer(
    answered: oneshot::Receiver<Result<String, CommandError>>,
    stop: &Stop,
) -> Result<Answer, CommandError> {
    tokio::select! {
        () = stop.wait() => Ok(Answer::Stop),
        answered = answered => answered.map_or(Ok(Answer::Pause), |line| Ok(Answer::of(&line?))),
    }
}

fn answer() -> Result<String, CommandError> {
    let mut line = String::new();
    let read = std::io::stdin().lock().read_line(&mut line)?;
    // The end of input is no consent.
    Ok(if read == 0 {
        "p".to_owned()
    } else {
        line.trim().to_owned()
    })
}

/// Asks whether to go on; without a terminal somebody has to have said so before.
pub(crate) fn confirm(question: &str, yes: bool) -> Result<bool, CommandError> {
    if yes {
        return Ok(true);
    }
    if !std::io::stdin().is_terminal() {
        return Err(CommandError::Usage(format!(
            "{question} There is no terminal to ask at: say --yes"
        )));
    }
    let mut err = std::io::stderr();
    write!(err, "{question} [y/N] ")?;
    err.flush()?;
    Ok(matches!(answer()?.as_str(), "y" | "Y" | "yes"))
}

/// Says how many objects on which cluster, for a question.
pub(crate) fn question(verb: &str, objects: usize, cluster: &str) -> String {
    format!("{verb} {} on {cluster}?", count(objects, "object"))
}

#[cfg(test)]
mod tests {
    use tokio::sync::watch;

    use super::*;

    #[tokio::test]
    async fn nobody_is_waited_for_once_the_run_is_to_end() {
        let channels = || {
            let ((asks, asked), (ends, now)) = (watch::channel(false), watch::channel(false));
            (asks, ends, Stop::new(asked, now))
        };
        let (_asks, _ends, stop) = channels();
        for (line, expected) in [("", Answer::Next), ("b", Answer::Back), ("p", Answer::Pause)] {
            let (sender, answered) = oneshot::channel();
            sender.send(Ok(line.to_owned())).unwrap();
            assert_eq!(await_answer(answered, &stop).await.unwrap(), expected);
        }
        for is_lost in [false, true] {
            let (asks, ends, stop) = channels();
            let (_sender, answered) = oneshot::channel();
            if is_lost {
                ends.send_replace(true);
            } else {
                asks.send_replace(true);
            }
            assert_eq!(await_answer(answered, &stop).await.unwrap(), Answer::Stop);
            assert!(stop.is_asked());
        }
    }
}
