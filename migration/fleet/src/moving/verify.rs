//! Whether all that has moved is where it should be, and as it was.

use serde::Serialize;

use super::report::Shares;
use super::{Change, Journal, Step};
use crate::doctor::Facts;
use crate::scan::{Verdict, verdicts};
use crate::text::{Sign, Style, clean, count};
use crate::{API_VERSION, Handle, Owner, State, Subject};

/// What is not as it should be with an object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The object.
    pub object: Handle,
    /// What is wrong.
    pub what: String,
}

/// What a look at everything that has moved has found.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Verification {
    api_version: &'static str,
    kind: &'static str,
    /// The migration, if one was asked for.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub migration: String,
    /// The objects that were looked at.
    pub objects: Vec<Handle>,
    /// Who has them.
    pub shares: Shares,
    /// What is wrong.
    pub findings: Vec<Finding>,
    /// What should be known.
    pub notes: Vec<Finding>,
    /// How many applied objects were compared with what they were before.
    pub compared: usize,
    /// What could not be read.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unread: Vec<String>,
}

impl Verification {
    /// Looks at the objects of a migration, or at all that carry the label.
    pub fn of(facts: &Facts, journal: Option<&Journal>) -> Self {
        let label = journal.map_or_else(|| facts.label(), |journal| journal.header.label());
        let (key, value) = &label;
        let subjects = Subject::all(&facts.world);
        let found = verdicts(facts);
        let mut verification = Self {
            api_version: API_VERSION,
            kind: "Verification",
            migration: journal
                .map(|journal| journal.header.migration.clone())
                .unwrap_or_default(),
            objects: Vec::new(),
            shares: Shares::default(),
            findings: Vec::new(),
            notes: Vec::new(),
            compared: 0,
            unread: facts.world.unread.clone(),
        };
        for (subject, verdict) in subjects.iter().zip(&found) {
            let labelled = subject.labels.get(key) == Some(value);
            let is_meant = match journal {
                Some(journal) => journal.header.objects().any(|object| *object == subject.handle),
                None => labelled,
            };
            if is_meant {
                let was_moved = journal.is_some_and(|journal| {
                    let progress = journal.progress.get(&subject.handle);
                    progress.is_some_and(|progress| progress.step == Step::Done)
                });
                verification.look(subject, verdict, was_moved && !labelled);
            }
        }
        for object in journal.iter().flat_map(|journal| journal.header.objects()) {
            if !verification.objects.contains(object) {
                verification.note(object, "it is not there any more");
            }
        }
        verification
    }

    fn look(&mut self, subject: &Subject, verdict: &Verdict, was_moved_back: bool) {
        let object = &subject.handle;
        self.objects.push(object.clone());
        match &verdict.owner {
            Owner::Openflux { .. } => self.shares.openflux += 1,
            Owner::Stock { stopped, deployment } => {
                self.shares.stock += 1;
                if *stopped {
                    self.find(object, format!("{deployment}, which has it, is scaled to zero"));
                }
            }
            Owner::Contested { stock, .. } => {
                self.shares.none += 1;
                self.find(object, format!("{stock} selects it too: openflux stands back"));
            }
            Owner::Nobody { why } => {
                self.shares.none += 1;
                self.find(object, format!("nobody has it: {why}"));
            }
        }
        if was_moved_back {
            self.find(object, "it was moved, and has lost its label");
        }
        if subject.state == State::Failing {
            self.find(
                object,
                format!("it fails: {}: {}", subject.reason, subject.message),
            );
        }
        for note in &verdict.notes {
            let text = format!("{} {}", note.code, note.why);
            match note.code {
                "M105" => self.find(object, text),
                "M203" => self.note(object, text),
                _ => {}
            }
        }
    }

    fn find(&mut self, object: &Handle, what: impl Into<String>) {
        self.findings.push(Finding {
            object: object.clone(),
            what: what.into(),
        });
    }

    fn note(&mut self, object: &Handle, what: impl Into<String>) {
        self.notes.push(Finding {
            object: object.clone(),
            what: what.into(),
        });
    }

    /// Takes note of what differs from what an object had applied before it moved.
    pub fn compare(&mut self, object: &Handle, compared: usize, changes: Vec<(String, Change)>) {
        self.compared += compared;
        for (applied, change) in changes {
            self.find(object, format!("{applied}: {}", change.what));
        }
    }

    /// Takes note of what could not be compared.
    pub fn not_compared(&mut self, object: &Handle, why: &str) {
        self.note(object, format!("it was not compared: {why}"));
    }

    /// Returns whether something is wrong.
    pub fn has_findings(&self) -> bool {
        !self.findings.is_empty() || !self.unread.is_empty()
    }

    /// Returns the lines for people.
    pub fn lines(&self, style: Style) -> Vec<String> {
        let line = |sign: Sign, finding: &Finding| {
            format!(
                "{} {}  {}",
                style.sign(sign),
                finding.object,
                clean(&finding.what)
            )
        };
        let mut lines: Vec<String> = self
            .findings
            .iter()
            .map(|finding| line(Sign::Bad, finding))
            .collect();
        lines.extend(self.notes.iter().map(|note| line(Sign::Warning, note)));
        lines.extend(
            self.unread
                .iter()
                .map(|unread| format!("{} {}", style.sign(Sign::Bad), clean(unread))),
        );
        let compared = match self.compared {
            0 => String::new(),
            number => format!(
                " {} compared with what they were before.",
                count(number, "object")
            ),
        };
        lines.push(format!(
            "{} looked at. With openflux: {}. With stock: {}. Without an owner, or with two: {}.{compared} {}",
            count(self.objects.len(), "object"),
            self.shares.openflux,
            self.shares.stock,
            self.shares.none,
            match self.findings.len() {
                0 => "All is well.".to_owned(),
                number => format!("{} found.", count(number, "problem")),
            }
        ));
        lines
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::doctor::tests::{healthy, kustomization};
    use crate::moving::ChangeClass;

    fn moved() -> Facts {
        let mut facts = healthy();
        let change = json!({"/metadata/labels": {flux_api::SHARD_KEY: "openflux"}, "/status/lastAppliedRevision": "main@sha1:00"});
        facts.world.kustomizations = vec![kustomization("app", &change), kustomization("other", &json!({}))];
        facts
    }

    #[test]
    fn what_has_moved_and_is_well_is_said_in_a_line() {
        let verification = Verification::of(&moved(), None);
        assert_eq!(
            verification.lines(Style::default()),
            [
                "1 object looked at. With openflux: 1. With stock: 0. Without an owner, or with two: 0. All is well."
            ]
        );
        assert!(!verification.has_findings());
    }

    #[test]
    fn what_is_wrong_is_named() {
        let mut facts = moved();
        facts.world.ours.clear();
        let mut verification = Verification::of(&facts, None);
        let object = verification.objects[0].clone();
        let change = Change {
            class: ChangeClass::Foreign,
            what: "data changed by kubectl".to_owned(),
        };
        verification.compare(&object, 3, vec![("ConfigMap/apps/a".to_owned(), change)]);
        assert!(verification.has_findings());
        let lines = verification.lines(Style::default());
        assert!(
            lines[0].starts_with("✗ ks/apps/app  nobody has it: "),
            "{lines:?}"
        );
        assert_eq!(
            lines[1],
            "✗ ks/apps/app  ConfigMap/apps/a: data changed by kubectl"
        );
        assert!(
            lines[2].ends_with("3 objects compared with what they were before. 2 problems found."),
            "{lines:?}"
        );
    }
}
