//! `diff`: what our controller would change now, field by field, and why.

use flux_proof::{Answer, FieldOwner, Finding};
use jiff::Timestamp;
use serde::Serialize;

use crate::text::{Style, Table, Tone, age, count, short_hash};
use crate::{API_VERSION, Handle};

/// Why something would change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Cause {
    /// What is asked for has changed since it was applied last: the revision, the spec or what it reads.
    Input,
    /// Somebody else has changed it in the cluster.
    Drift,
    /// The object is not there.
    Create,
    /// The object is not asked for any more.
    Prune,
    /// The fields stay as they are, and get another owner.
    Ownership,
    /// The rendering is another one, of the same input.
    Rendering,
    /// The API server does not say.
    Unknown,
}

impl Cause {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Input => "input",
            Self::Drift => "drift",
            Self::Create => "create",
            Self::Prune => "prune",
            Self::Ownership => "ownership",
            Self::Rendering => "rendering",
            Self::Unknown => "unknown",
        }
    }

    const fn tone(self) -> Tone {
        match self {
            Self::Prune | Self::Unknown | Self::Rendering => Tone::Bad,
            Self::Drift | Self::Input => Tone::Warning,
            Self::Create | Self::Ownership => Tone::Plain,
        }
    }
}

/// Something that would change.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Difference {
    /// Why.
    pub cause: Cause,
    /// The applied object, as `Kind/namespace/name`.
    pub object: String,
    /// The field; empty if it is the whole object.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub path: String,
    /// What is to be said about it.
    pub why: String,
    /// Who owns the field.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<FieldOwner>,
}

/// What the next run of an object would change.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Diff {
    api_version: &'static str,
    kind: &'static str,
    /// The Kustomization or HelmRelease.
    pub object: Handle,
    /// The revision that was rendered.
    pub revision: String,
    /// How many objects were compared.
    pub compared: usize,
    /// What would change.
    pub differences: Vec<Difference>,
}

impl Diff {
    /// Reads what our controller has answered; the finding that says why, if it could not compare anything.
    ///
    /// # Errors
    /// Nothing was compared.
    pub fn of(object: Handle, answer: &Answer) -> Result<Self, String> {
        let Some(proof) = &answer.proof else {
            let why = answer.findings.first();
            return Err(why.map_or_else(
                || "nothing was compared".to_owned(),
                |finding| format!("{} {}", finding.code, finding.why),
            ));
        };
        let is_settled = answer.findings.iter().all(|finding| finding.code != "M104");
        let differences = answer.differences.iter();
        let mut differences: Vec<_> = differences
            .map(|finding| difference(&object, finding, is_settled))
            .collect();
        differences.sort_by(|a, b| (a.cause, &a.object, &a.path).cmp(&(b.cause, &b.object, &b.path)));
        Ok(Self {
            api_version: API_VERSION,
            kind: "Diff",
            object,
            revision: proof.revision.clone(),
            compared: proof.counts.compared,
            differences,
        })
    }

    /// Returns the names of the objects that would change, each once.
    pub fn names(&self) -> Vec<String> {
        let mut names: Vec<_> = self
            .differences
            .iter()
            .map(|difference| difference.object.clone())
            .collect();
        names.sort();
        names.dedup();
        names
    }

    /// Returns the lines for people.
    pub fn lines(&self, style: Style, now: Timestamp) -> Vec<String> {
        let about = format!(
            "{} of {} at {}",
            count(self.compared, "object"),
            self.object,
            short_hash(&self.revision)
        );
        if self.differences.is_empty() {
            return vec![format!("No differences: {about} compared.")];
        }
        let mut table = Table::new(&["", "", "", ""]);
        for difference in &self.differences {
            let time = difference.owner.as_ref().and_then(|owner| owner.time.as_ref());
            let time = time.filter(|_| difference.cause == Cause::Drift);
            let since = time.map(|time| format!(", {} ago", age(time.0, now)));
            let why = format!("{}{}", difference.why, since.unwrap_or_default());
            table.row([
                (difference.cause.as_str(), difference.cause.tone()),
                (difference.object.as_str(), Tone::Plain),
                (difference.path.as_str(), Tone::Plain),
                (why.as_str(), Tone::Plain),
            ]);
        }
        let mut lines = table.lines(style);
        let differences = count(self.differences.len(), "difference");
        lines.push(format!(
            "{differences} in {}; {about} compared.",
            count(self.names().len(), "object")
        ));
        lines
    }
}

fn difference(about: &Handle, finding: &Finding, is_settled: bool) -> Difference {
    let cause = match &*finding.code {
        "M201" => Cause::Drift,
        "M106" => Cause::Prune,
        "M107" => Cause::Create,
        "M109" => Cause::Ownership,
        "M108" if is_settled => Cause::Rendering,
        "M108" | "M113" | "M114" | "M115" => Cause::Input,
        _ => Cause::Unknown,
    };
    Difference {
        cause,
        object: match finding.object.as_str() {
            "" => about.to_string(),
            object => object.to_owned(),
        },
        path: finding.path.clone(),
        why: match cause {
            Cause::Input if !finding.object.is_empty() => "it gets what is asked for now".to_owned(),
            _ => finding.why.clone(),
        },
        owner: finding.owner.clone(),
    }
}

#[cfg(test)]
mod tests {
    use flux_proof::{Counts, Name, Proof};

    use super::*;
    use crate::DeployerKind;

    fn answer(findings: Vec<Finding>, differences: Vec<Finding>) -> Answer {
        Answer {
            object: Name::new("Kustomization", "apps", "app"),
            proof: Some(Proof {
                revision: "main@sha1:00".to_owned(),
                counts: Counts {
                    compared: 3,
                    ..Counts::default()
                },
                ..Proof::default()
            }),
            findings,
            differences,
        }
    }

    fn diff(answer: &Answer) -> Result<Diff, String> {
        Diff::of(Handle::new(DeployerKind::Kustomization, "apps", "app"), answer)
    }

    #[test]
    fn each_difference_has_its_cause() {
        let field = |code: &'static str, path: &str| Finding {
            path: path.to_owned(),
            ..Finding::new(code, "why").about("Deployment/apps/web")
        };
        let differences = || {
            vec![
                field("M108", "spec.replicas"),
                field("M201", "spec.paused"),
                Finding::new("M107", "it is not there").about("ConfigMap/apps/new"),
            ]
        };
        let causes = |answer: &Answer| -> Vec<Cause> {
            let diff = diff(answer).unwrap();
            diff.differences
                .iter()
                .map(|difference| difference.cause)
                .collect()
        };
        let settled = answer(Vec::new(), differences());
        assert_eq!(causes(&settled), [Cause::Drift, Cause::Create, Cause::Rendering]);
        let newer = answer(vec![Finding::new("M104", "newer")], differences());
        assert_eq!(causes(&newer), [Cause::Input, Cause::Drift, Cause::Create]);
        let lines = diff(&newer)
            .unwrap()
            .lines(Style::default(), Timestamp::UNIX_EPOCH);
        assert_eq!(
            lines,
            [
                "input   Deployment/apps/web  spec.replicas  it gets what is asked for now",
                "drift   Deployment/apps/web  spec.paused    why",
                "create  ConfigMap/apps/new                  it is not there",
                "3 differences in 2 objects; 3 objects of ks/apps/app at main@sha1:00 compared.",
            ]
        );
        assert_eq!(
            diff(&newer).unwrap().names(),
            ["ConfigMap/apps/new", "Deployment/apps/web"]
        );
    }

    #[test]
    fn nothing_says_what_was_compared_and_what_could_not_be_says_why() {
        let same = diff(&answer(Vec::new(), Vec::new())).unwrap();
        assert_eq!(
            same.lines(Style::default(), Timestamp::UNIX_EPOCH),
            ["No differences: 3 objects of ks/apps/app at main@sha1:00 compared."]
        );
        let name = Name::new("Kustomization", "apps", "app");
        let none = Answer::unproven(name, Finding::new("M105", "there is no artifact"));
        assert_eq!(diff(&none).unwrap_err(), "M105 there is no artifact");
    }
}
