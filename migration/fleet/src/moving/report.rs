//! What is told of a migration: of each object, and in the end.

use serde::Serialize;

use super::{Change, Step};
use crate::codes::Code;
use crate::text::{Sign, Style, clean, count, short_hash};
use crate::{API_VERSION, Handle};

/// How a run of `apply` or `rollback` ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Ending {
    /// All that was asked for is done.
    Done,
    /// Objects were left where they are, each for a reason.
    Skipped,
    /// It was asked to stop after a wave.
    Paused,
    /// It stopped on the way; every object has one owner.
    Stopped,
    /// It was interrupted; every object has one owner.
    Interrupted,
    /// An object has no owner or two, and that could not be put right.
    Lost,
}

impl Ending {
    /// Returns the exit code.
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::Done | Self::Paused => 0,
            Self::Skipped => 1,
            Self::Stopped => 3,
            Self::Lost => 4,
            Self::Interrupted => 130,
        }
    }
}

/// What came of one object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Told {
    /// The object.
    pub object: Handle,
    /// The step that it ended with.
    pub step: Step,
    /// How long stock took to end a run, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idle_ms: Option<u64>,
    /// How the move was proven, or why it was not.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub proof: String,
    /// How long the new controller took to end a run, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub taken_ms: Option<u64>,
    /// The revision that is applied.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub revision: String,
    /// How many objects were compared, if there was something to compare with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub compared: Option<usize>,
    /// What moved that should not have, or was changed by others.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<(String, Change)>,
    /// For how long it was watched, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub soak_s: Option<u64>,
    /// Why it ended like this.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub why: String,
}

impl Told {
    /// Begins to tell of an object.
    pub const fn new(object: Handle, step: Step) -> Self {
        Self {
            object,
            step,
            idle_ms: None,
            proof: String::new(),
            taken_ms: None,
            revision: String::new(),
            compared: None,
            changes: Vec::new(),
            soak_s: None,
            why: String::new(),
        }
    }

    /// Returns the lines for people.
    pub fn lines(&self, style: Style) -> Vec<String> {
        let sign = match self.step {
            Step::Done => Sign::Good,
            Step::Returned if self.why.is_empty() => Sign::Good,
            Step::Skipped => Sign::Warning,
            _ => Sign::Bad,
        };
        let mut parts = vec![format!("{} {}", style.sign(sign), self.object)];
        let seconds = |milliseconds: u64| format!("{}.{}s", milliseconds / 1000, milliseconds % 1000 / 100);
        if let Some(idle) = self.idle_ms {
            parts.push(format!("idle {}", seconds(idle)));
        }
        if !self.proof.is_empty() {
            parts.push(clean(&self.proof).into_owned());
        }
        if let Some(taken) = self.taken_ms {
            parts.push(format!("taken {}", seconds(taken)));
        }
        if self.step == Step::Done && !self.revision.is_empty() {
            parts.push(format!("ready {}", clean(&short_hash(&self.revision))));
        }
        match self.compared {
            Some(compared) if self.changes.is_empty() => parts.push(format!("unmoved {compared}/{compared}")),
            Some(compared) => parts.push(format!("MOVED {} of {compared}", self.changes.len())),
            None if self.step == Step::Done => {
                parts.push("not compared: nobody wrote down what was before".to_owned());
            }
            None => {}
        }
        if let Some(soak) = self.soak_s {
            parts.push(format!("soak {soak}s"));
        }
        match self.step {
            Step::Returned => parts.push("with stock".to_owned()),
            Step::Skipped => parts.push("left where it is".to_owned()),
            _ => {}
        }
        let mut lines = vec![parts.join("  ")];
        let changes = self.changes.iter();
        lines.extend(
            changes.map(|(object, change)| format!("    {}: {}", clean(object), clean(&change.what))),
        );
        if !self.why.is_empty() {
            lines.push(format!("    {}", clean(&self.why)));
        }
        lines
    }
}

/// Whether a word is one of the codes that `explain` knows.
fn is_code(word: &str) -> bool {
    word.starts_with(['M', 'D']) && Code::find(word).is_some()
}

/// Who has how many of the objects of a migration.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Shares {
    /// Our controller.
    pub openflux: usize,
    /// Stock.
    pub stock: usize,
    /// Nobody, or two.
    pub none: usize,
}

/// What is told in the end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    api_version: &'static str,
    kind: &'static str,
    /// The migration.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub migration: String,
    /// How it ended.
    pub ending: Ending,
    /// The objects that were dealt with.
    pub objects: Vec<Told>,
    /// Who has the objects now.
    pub shares: Shares,
    /// What to do next, each with its command.
    pub next: Vec<(String, String)>,
}

impl Report {
    /// Begins to tell of a move.
    pub const fn of_move(migration: String) -> Self {
        Self::new("Move", migration)
    }

    /// Begins to tell of a way back.
    pub const fn of_return(migration: String) -> Self {
        Self::new("Rollback", migration)
    }

    const fn new(kind: &'static str, migration: String) -> Self {
        Self {
            api_version: API_VERSION,
            kind,
            migration,
            ending: Ending::Done,
            objects: Vec::new(),
            shares: Shares {
                openflux: 0,
                stock: 0,
                none: 0,
            },
            next: Vec::new(),
        }
    }

    /// The codes by which it is said why objects did not move, each once.
    pub fn codes(&self) -> Vec<String> {
        let left = self.objects.iter().filter(|told| told.step != Step::Done);
        let words = left.flat_map(|told| told.why.split(|c: char| !c.is_ascii_alphanumeric()));
        let mut codes: Vec<String> = Vec::new();
        for word in words.filter(|word| is_code(word)) {
            if !codes.iter().any(|code| code == word) {
                codes.push(word.to_owned());
            }
        }
        codes
    }

    /// Takes note of an ending; the worst counts.
    pub fn end(&mut self, ending: Ending) {
        self.ending = self.ending.max(ending);
    }

    /// Returns the last lines for people; those of the objects were shown when they ended.
    pub fn lines(&self, style: Style) -> Vec<String> {
        let mut lines = Vec::new();
        let word = match self.ending {
            Ending::Done => "Done.",
            Ending::Skipped => "Done, with objects left where they are.",
            Ending::Paused => "Paused.",
            Ending::Stopped => "Stopped.",
            Ending::Interrupted => "Interrupted.",
            Ending::Lost => "Stopped, and not all could be put right.",
        };
        let none = match self.shares.none {
            0 => "None is without an owner.".to_owned(),
            none => style.paint(
                crate::text::Tone::Bad,
                &format!("{} without an owner, or with two.", count(none, "object")),
            ),
        };
        lines.push(format!(
            "{word} With openflux: {}. With stock: {}. {none}",
            self.shares.openflux, self.shares.stock
        ));
        let width = self.next.iter().map(|(what, _)| what.chars().count()).max();
        for (what, command) in &self.next {
            let gap = " ".repeat(width.unwrap_or_default().saturating_sub(what.chars().count()));
            lines.push(format!("  {what}:{gap} {command}"));
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::DeployerKind;
    use crate::moving::ChangeClass;

    #[test]
    fn what_there_is_more_to_say_about_is_named_once() {
        let told = |step: Step, why: &str| Told {
            why: why.to_owned(),
            ..Told::new(Handle::new(DeployerKind::Kustomization, "apps", "podinfo"), step)
        };
        let mut report = Report::of_move("m".to_owned());
        report.objects = vec![
            told(Step::Skipped, "M104 it fails: M999 of it; M201 drift"),
            told(Step::Returned, "M201, and MOVED"),
            told(Step::Done, "M203 not in Git"),
        ];
        assert_eq!(report.codes(), ["M104", "M201"]);
    }

    #[test]
    fn an_object_is_told_in_a_line() {
        let object = Handle::new(DeployerKind::Kustomization, "apps", "podinfo");
        let mut told = Told {
            idle_ms: Some(230),
            proof: "proven 13/13".to_owned(),
            taken_ms: Some(1_460),
            revision: "main@sha1:f00dcafef00dcafef00dcafe".to_owned(),
            compared: Some(13),
            soak_s: Some(60),
            ..Told::new(object, Step::Done)
        };
        assert_eq!(
            told.lines(Style::default()),
            [
                "✔ ks/apps/podinfo  idle 0.2s  proven 13/13  taken 1.4s  ready main@sha1:f00dcafef00d  unmoved 13/13  soak 60s"
            ]
        );
        told.step = Step::Returned;
        told.soak_s = None;
        told.changes = vec![(
            "ConfigMap/apps/a".to_owned(),
            Change {
                class: ChangeClass::Moved,
                what: "it was written by kustomize-controller".to_owned(),
            },
        )];
        told.why = "1 object moved".to_owned();
        assert_eq!(
            told.lines(Style::default()),
            [
                "✗ ks/apps/podinfo  idle 0.2s  proven 13/13  taken 1.4s  MOVED 1 of 13  with stock",
                "    ConfigMap/apps/a: it was written by kustomize-controller",
                "    1 object moved",
            ]
        );
    }

    #[test]
    fn the_worst_ending_is_the_exit_code() {
        let mut report = Report::of_move("m".to_owned());
        for (ending, code) in [
            (Ending::Done, 0),
            (Ending::Skipped, 1),
            (Ending::Stopped, 3),
            (Ending::Skipped, 3),
            (Ending::Interrupted, 130),
            (Ending::Lost, 4),
            (Ending::Interrupted, 4),
        ] {
            report.end(ending);
            assert_eq!(report.ending.exit_code(), code);
        }
        report.shares.openflux = 2;
        report.next = vec![
            ("go on".to_owned(), "openflux migrate apply m --resume".to_owned()),
            ("all back".to_owned(), "openflux migrate rollback m".to_owned()),
        ];
        assert_eq!(
            report.lines(Style::default()),
            [
                "Stopped, and not all could be put right. With openflux: 2. With stock: 0. None is without an owner.",
                "  go on:    openflux migrate apply m --resume",
                "  all back: openflux migrate rollback m",
            ]
        );
    }
}
