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
use tokio::sync::{mpsc, oneshot};

use super::around::Around;
use super::flux::{Flux, patiently, resource};
use super::one::Walked;
use super::state::{Move, Mover, News, Via};
use super::stop::Stop;
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

/// Objects that move together, and which wave of the migration they are.
#[derive(Clone, Debug)]
pub(crate) struct Numbered {
    /// From one; waves that are left out count too.
    pub(crate) number: usize,
    pub(crate) objects: Vec<Handle>,
}

/// Which part of their way objects go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Leg {
    /// From where the journal ends to the end.
    Whole,
    /// From there until all is known that has to be known before the label.
    ToLabel,
    /// From the label to the end.
    FromLabel,
    /// Back to stock.
    Back,
}

impl Leg {
    const fn from(self) -> Option<Step> {
        match self {
            Self::Whole | Self::ToLabel => None,
            Self::FromLabel => Some(Step::Label),
            Self::Back => Some(Step::Back),
        }
    }
}

/// A run through waves.
pub(crate) struct Run<'a> {
    pub(crate) mover: &'a Mover,
    pub(crate) news: mpsc::UnboundedReceiver<News>,
    pub(crate) pace: Pace,
    pub(crate) stop: &'a Stop,
    /// How many waves the migration has.
    pub(crate) total: usize,
    /// What is done around each wave of the way there.
    pub(crate) around: &'a Around,
    pub(crate) report: &'a mut Report,
    pub(crate) out: &'a mut dyn Write,
}

impl Run<'_> {
    /// Goes through waves; each object begins where its journal ends, or goes back.
    pub(crate) async fn go(&mut self, waves: &[Numbered], returns: bool) -> Result<(), CommandError> {
        for (at, wave) in waves.iter().enumerate() {
            let is_over = if returns {
                self.back(wave).await?;
                self.stop.is_asked()
            } else {
                self.there(wave).await?
            };
            if self.stop.is_asked() {
                self.report.end(Ending::Interrupted);
            }
            if is_over || !returns && self.report.ending > Ending::Paused {
                return Ok(());
            }
            if at + 1 == waves.len() || returns {
                continue;
            }
            let told = format!("Wave {} of {} done.", wave.number, self.total);
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
                self.back(wave).await?;
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

    async fn back(&mut self, wave: &Numbered) -> Result<(), CommandError> {
        let moves = wave.objects.iter().map(|handle| self.mover.begin(handle));
        self.walk(moves.collect(), Leg::Back).await.map(|_| ())
    }

    /// Moves one wave, with what is done before and after it, and says whether that is all.
    async fn there(&mut self, wave: &Numbered) -> Result<bool, CommandError> {
        let before = self.around.before(wave.number, &wave.objects, self.stop).await;
        if self.is_held_up(before)? {
            return Ok(true);
        }
        let moves = wave
            .objects
            .iter()
            .map(|handle| self.mover.begin(handle))
            .collect();
        let is_over = match self.mover.options.via {
            Via::Cluster => self.walk(moves, Leg::Whole).await?.0,
            Via::Git => {
                let (is_over, ready) = self.walk(moves, Leg::ToLabel).await?;
                if is_over || ready.is_empty() || self.stop.is_asked() {
                    is_over
                } else {
                    // The commit moves all of them at once, so that each is known before any label is written.
                    let objects: Vec<_> = ready.iter().map(|ready| ready.handle.clone()).collect();
                    let written = self.around.label(&objects);
                    if self.is_held_up(written)? {
                        return Ok(true);
                    }
                    self.walk(ready, Leg::FromLabel).await?.0
                }
            }
        };
        if !self.stop.is_asked() {
            let after = self.around.after(wave.number, &wave.objects, !is_over, self.stop);
            let after = after.await;
            if self.is_held_up(after)? {
                return Ok(true);
            }
        }
        Ok(is_over)
    }

    /// Says why no other wave is begun, if there is a reason, and whether there is.
    fn is_held_up(&mut self, why: Option<String>) -> Result<bool, CommandError> {
        let Some(why) = why else { return Ok(false) };
        let is_asked = self.stop.is_asked();
        self.report.end(if is_asked {
            Ending::Interrupted
        } else {
            Ending::Stopped
        });
        if self.pace.shows {
            print_lines(self.out, [why])?;
        } else {
            writeln!(std::io::stderr(), "{why}")?;
        }
        Ok(true)
    }

    /// Goes a part of the way with objects of one wave. Says whether that is all, since no other is begun once an object has not moved;
    /// and which objects are ready for the label.
    async fn walk<'m>(
        &mut self,
        moves: Vec<Move<'m>>,
        leg: Leg,
    ) -> Result<(bool, Vec<Move<'m>>), CommandError> {
        let is_over = AtomicBool::new(false);
        let at_once = match leg {
            // Their labels are on their way, however many they are.
            Leg::FromLabel => moves.len(),
            _ => self.pace.at_once,
        };
        let walk = |walk: Move<'m>| {
            let (is_over, stop) = (&is_over, self.stop);
            async move {
                if is_over.load(Ordering::Relaxed) && leg != Leg::FromLabel || stop.is_asked() {
                    return None;
                }
                let walked = walk.walk(leg.from(), leg == Leg::ToLabel).await;
                // Those that go their way back hinder no other.
                if let Walked::Ended(_, ending) = &walked
                    && leg != Leg::Back
                    && *ending > Ending::Skipped
                {
                    is_over.store(true, Ordering::Relaxed);
                }
                Some(walked)
            }
        };
        let walks: Vec<_> = moves.into_iter().map(walk).collect();
        let mut walks = futures::stream::iter(walks).buffer_unordered(at_once.max(1));
        let mut now = self.stop.now();
        let mut ready = Vec::new();
        let mut doing: BTreeMap<Handle, &'static str> = BTreeMap::new();
        loop {
            tokio::select! {
                walked = walks.next() => match walked {
                    None => return Ok((is_over.load(Ordering::Relaxed), ready)),
                    Some(None) => {}
                    Some(Some(Walked::Ready(walk))) => {
                        doing.remove(walk.handle);
                        ready.push(*walk);
                    }
                    Some(Some(Walked::Ended(told, ending))) => {
                        doing.remove(&told.object);
                        if self.pace.shows {
                            print_lines(self.out, told.lines(self.pace.style))?;
                            self.out.flush()?;
                        }
                        self.report.end(ending);
                        note(self.report, *told);
                    }
                },
                Some(new) = self.news.recv() => {
                    doing.insert(new.object, new.doing);
                }
                _ = now.wait_for(|now| *now) => {
                    self.report.end(Ending::Interrupted);
                    return Ok((true, ready));
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
