//! Many objects, wave by wave, until all have moved or one has not.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use flux_fleet::Handle;
use flux_fleet::moving::report::Told;
use flux_fleet::moving::{Ending, Report, Step};
use flux_fleet::text::Style;
use futures::StreamExt;
use tokio::sync::mpsc;

use super::around::Around;
use super::asking::{Answer, ask};
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
