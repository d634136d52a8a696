//! Many objects, wave by wave, until all have moved or one has not.

use std::collections::BTreeMap;
use std::io::{BufRead as _, IsTerminal as _, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use flux_fleet::moving::report::{Shares, Told};
use flux_fleet::moving::{Ending, Report, Step};
use flux_fleet::text::{Style, count};
use flux_fleet::{DeployerKind, Handle, Owner};
use futures::StreamExt;
use kube::Api;
use kube::api::{DynamicObject, ListParams};
use tokio::sync::{mpsc, oneshot, watch};

use super::around::Around;
use super::flux::{Flux, patiently, resource};
use super::state::{Mover, News};
use crate::cluster::{CommandError, print_lines};

/// After how long of silence it is said what is waited for.
const SILENCE: Duration = Duration::from_secs(10);

/// How waves are gone through.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    /// How many objects move at once.
    pub(crate) at_once: usize,
    /// Whether it ends after one wave.
    pub(crate) pauses: bool,
    /// Whether somebody at a terminal is asked between waves.
    pub(crate) asks: bool,
    /// Whether each object's line is shown as it ends.
    pub(crate) shows: bool,
    pub(crate) style: Style,
}

/// What is said between waves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
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

/// Whether the run is to end early.
#[derive(Clone)]
pub(crate) struct Stop {
    asked: watch::Receiver<bool>,
    /// Asked for a second time, or the Lease is lost.
    now: watch::Receiver<bool>,
}

impl Stop {
    /// Listens for Ctrl-C: once for the end after the current objects, twice for the end.
    pub(crate) fn listen(now: watch::Sender<bool>) -> Self {
        let (asks, asked) = watch::channel(false);
        let stop = Self {
            asked,
            now: now.subscribe(),
        };
        tokio::spawn(async move {
            while tokio::signal::ctrl_c().await.is_ok() {
                if asks.send_replace(true) {
                    now.send_replace(true);
                    break;
                }
                let _ = writeln!(
                    std::io::stderr(),
                    "stopping when the current objects are done; once more to stop now"
                );
            }
        });
        stop
    }

    fn is_asked(&self) -> bool {
        *self.asked.borrow() || *self.now.borrow()
    }

    /// Waits until the run is to end.
    async fn wait(&self) {
        let (mut asked, mut now) = (self.asked.clone(), self.now.clone());
        tokio::select! {
            Ok(_) = asked.wait_for(|asked| *asked) => {}
            Ok(_) = now.wait_for(|now| *now) => {}
            // Nobody can say so any more.
            else => std::future::pending().await,
        }
    }
}

/// A run through waves.
pub(crate) struct Run<'a> {
    pub(crate) mover: &'a Mover,
    pub(crate) news: mpsc::UnboundedReceiver<News>,
    pub(crate) pace: Pace,
    pub(crate) stop: &'a Stop,
    /// What is done around each wave of the way there.
    pub(crate) around: &'a Around,
    pub(crate) report: &'a mut Report,
    pub(crate) out: &'a mut dyn Write,
}

impl Run<'_> {
    /// Goes through waves; each object begins with `from`, or where its journal ends.
    pub(crate) async fn go(&mut self, waves: &[Vec<Handle>], from: Option<Step>) -> Result<(), CommandError> {
        let returns = from == Some(Step::Back);
        for (number, wave) in waves.iter().enumerate() {
            if !returns {
                let before = self.around.before(number + 1, wave).await?;
                if self.is_held_up(before)? {
                    return Ok(());
                }
            }
            let is_over = self.walk(wave, from).await?;
            if self.stop.is_asked() {
                self.report.end(Ending::Interrupted);
            } else if !returns {
                let after = self.around.after(number + 1, wave, !is_over).await?;
                if self.is_held_up(after)? {
                    return Ok(());
                }
            }
            if is_over || !returns && self.report.ending > Ending::Paused {
                return Ok(());
            }
            if number + 1 == waves.len() || returns {
                continue;
            }
            let told = format!("Wave {} of {} done.", number + 1, waves.len());
            if self.pace.shows {
                print_lines(self.out, [told.clone()])?;
                self.out.flush()?;
            }
            let answer = if self.pace.pauses {
                Answer::Pause
            } else if self.pace.asks {
                ask(&told, self.stop).await?
            } else {
                Answer::Next
            };
            if matches!(answer, Answer::Next) {
                continue;
            }
            if matches!(answer, Answer::Back) {
                self.walk(wave, Some(Step::Back)).await?;
            }
            self.report.end(if matches!(answer, Answer::Stop) {
                Ending::Interrupted
            } else {
                Ending::Paused
            });
            return Ok(());
        }
        Ok(())
    }

    /// Says why no other wave is begun, if there is a reason, and whether there is.
    fn is_held_up(&mut self, why: Option<String>) -> Result<bool, CommandError> {
        let Some(why) = why else { return Ok(false) };
        self.report.end(Ending::Stopped);
        if self.pace.shows {
            print_lines(self.out, [why])?;
        } else {
            writeln!(std::io::stderr(), "{why}")?;
        }
        Ok(true)
    }

    /// Goes through one wave, and says whether that is all: once an object has not moved, no other is begun.
    async fn walk(&mut self, wave: &[Handle], from: Option<Step>) -> Result<bool, CommandError> {
        let is_over = AtomicBool::new(false);
        let walk = |handle: &Handle| {
            let handle = handle.clone();
            let (is_over, stop, mover) = (&is_over, self.stop, self.mover);
            async move {
                if is_over.load(Ordering::Relaxed) || stop.is_asked() {
                    return None;
                }
                let walked = mover.walk(&handle, from).await;
                // Those that go their way back hinder no other.
                if from != Some(Step::Back) && walked.1 > Ending::Skipped {
                    is_over.store(true, Ordering::Relaxed);
                }
                Some(walked)
            }
        };
        let walks: Vec<_> = wave.iter().map(walk).collect();
        let mut walks = futures::stream::iter(walks).buffer_unordered(self.pace.at_once.max(1));
        let mut now = self.stop.now.clone();
        let mut doing: BTreeMap<Handle, &'static str> = BTreeMap::new();
        loop {
            tokio::select! {
                walked = walks.next() => match walked {
                    None => return Ok(is_over.load(Ordering::Relaxed)),
                    Some(None) => {}
                    Some(Some((told, ending))) => {
                        doing.remove(&told.object);
                        if self.pace.shows {
                            print_lines(self.out, told.lines(self.pace.style))?;
                            self.out.flush()?;
                        }
                        self.report.end(ending);
                        note(self.report, told);
                    }
                },
                Some(new) = self.news.recv() => {
                    doing.insert(new.object, new.doing);
                }
                _ = now.wait_for(|now| *now) => {
                    self.report.end(Ending::Interrupted);
                    return Ok(true);
                }
                () = tokio::time::sleep(SILENCE) => {
                    let all: Vec<_> = doing.iter().map(|(object, doing)| format!("{object}: {doing}")).collect();
                    // Whoever closed stderr does not want to know.
                    let _ = writeln!(std::io::stderr(), "{}", all.join("; "));
                }
            }
        }
    }
}

/// What came of an object last is what counts.
fn note(report: &mut Report, told: Told) {
    report.objects.retain(|before| before.object != told.object);
    report.objects.push(told);
}

/// Asks what comes next. The Lease is renewed and Ctrl-C is heard meanwhile.
async fn ask(told: &str, stop: &Stop) -> Result<Answer, CommandError> {
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

/// Says who has how many of these objects now; and which have no owner, or two.
pub(crate) async fn shares(flux: &Flux, objects: &[Handle]) -> Result<(Shares, Vec<Handle>), CommandError> {
    let owners = flux.owners().await?;
    let mut found: BTreeMap<Handle, Owner> = BTreeMap::new();
    for kind in DeployerKind::ALL {
        if !objects.iter().any(|object| object.kind == kind) {
            continue;
        }
        let api: Api<DynamicObject> = Api::all_with(flux.client.clone(), &resource(kind));
        let all = patiently(async || {
            let all = api.list_metadata(&ListParams::default()).await;
            all.map_err(CommandError::api(format!("{}s", kind.kind())))
        })
        .await?;
        for object in all.items {
            let meta = object.metadata;
            let handle = Handle::new(
                kind,
                meta.namespace.unwrap_or_default(),
                meta.name.unwrap_or_default(),
            );
            let owner = owners.owner_with(&handle, &meta.labels.unwrap_or_default());
            found.insert(handle, owner);
        }
    }
    let (mut shares, mut lost) = (Shares::default(), Vec::new());
    for object in objects {
        match found.get(object) {
            Some(Owner::Openflux { .. }) => shares.openflux += 1,
            Some(Owner::Stock { .. }) => shares.stock += 1,
            Some(Owner::Contested { .. } | Owner::Nobody { .. }) => {
                shares.none += 1;
                lost.push(object.clone());
            }
            // What is gone has no owner and needs none.
            None => {}
        }
    }
    Ok((shares, lost))
}

/// Says how many objects on which cluster, for a question.
pub(crate) fn question(verb: &str, objects: usize, cluster: &str) -> String {
    format!("{verb} {} on {cluster}?", count(objects, "object"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn nobody_is_waited_for_once_the_run_is_to_end() {
        let channels = || {
            let ((asks, asked), (ends, now)) = (watch::channel(false), watch::channel(false));
            (asks, ends, Stop { asked, now })
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
