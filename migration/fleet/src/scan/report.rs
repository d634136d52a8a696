//! What a scan found, for people and for programs.

use std::collections::BTreeMap;

use serde::Serialize;

use super::order::Wave;
use super::verdict::{Class, Manager, Verdict};
use crate::text::{Sign, Style, Table, Tone, clean, count, shorten};
use crate::{API_VERSION, DeployerKind, Handle};

/// Where the label of an object goes in a checkout.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Place {
    /// The object.
    pub object: Handle,
    /// `git-file`, `git-patch` or `producer`.
    pub carrier: &'static str,
    /// The file, with the line.
    pub file: String,
    /// Why it is not the file of the object itself, or why no file is edited.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub why: String,
}

/// What a scan found.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Scan {
    api_version: &'static str,
    kind: &'static str,
    /// What was looked at, in a line.
    pub about: String,
    /// The label that moves objects.
    pub label: String,
    /// The objects, each with its verdict.
    pub objects: Vec<Verdict>,
    /// Where labels go, if a checkout was looked at.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub places: Vec<Place>,
    /// What could not be read or built.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unread: Vec<String>,
}

/// What of a scan is shown.
#[derive(Clone, Debug, Default)]
pub struct Shown {
    /// Only objects of this class, all of them.
    pub class: Option<Class>,
    /// All objects.
    pub all: bool,
}

/// How many objects of a class are shown without being asked for.
const EXAMPLES: usize = 10;

impl Scan {
    /// Starts a report.
    pub fn new(about: String, label: &(String, String), objects: Vec<Verdict>) -> Self {
        Self {
            api_version: API_VERSION,
            kind: "Scan",
            about,
            label: format!("{}={}", label.0, label.1),
            objects,
            places: Vec::new(),
            unread: Vec::new(),
        }
    }

    fn of(&self, class: Class) -> impl Iterator<Item = &Verdict> {
        self.objects.iter().filter(move |verdict| verdict.class == class)
    }

    /// Returns the lines for people.
    pub fn lines(&self, style: Style, shown: &Shown) -> Vec<String> {
        let mut lines = vec![clean(&self.about).into_owned(), String::new()];
        lines.extend(self.summary().indented(2).lines(style));
        for class in [
            Class::Blocked,
            Class::Cannot,
            Class::NotNow,
            Class::CanMove,
            Class::Moved,
            Class::Skipped,
        ] {
            let asked = shown.class == Some(class) || shown.all;
            let by_itself = shown.class.is_none() && matches!(class, Class::Blocked | Class::Cannot);
            if asked || by_itself {
                lines.extend(self.class_lines(class, style, asked));
            }
        }
        if !self.places.is_empty() {
            lines.extend([String::new(), "where the labels go".to_owned()]);
            lines.extend(self.place_lines(style));
        }
        lines.extend(self.order_lines());
        for unread in &self.unread {
            lines.push(format!("{} {}", style.sign(Sign::Bad), clean(unread)));
        }
        lines
    }

    /// Returns the lines of a report in Markdown.
    pub fn markdown(&self) -> Vec<String> {
        let mut table = Table::new(&["OBJECT", "STATE", "WHY"]);
        for verdict in &self.objects {
            let object = verdict.object.to_string();
            table.row([
                (object.as_str(), Tone::Plain),
                (verdict.class.as_str(), Tone::Plain),
                (why(verdict).as_str(), Tone::Plain),
            ]);
        }
        table.markdown()
    }

    fn summary(&self) -> Table {
        let mut table = Table::new(&["STATE", "KS", "HR", "WHY"]).right(1).right(2);
        for class in Class::ALL {
            let number = |kind: DeployerKind| {
                self.of(class)
                    .filter(|verdict| verdict.object.kind == kind)
                    .count()
                    .to_string()
            };
            let (ks, hr) = (
                number(DeployerKind::Kustomization),
                number(DeployerKind::HelmRelease),
            );
            let mut codes: BTreeMap<&'static str, usize> = BTreeMap::new();
            for verdict in self.of(class) {
                // What keeps an object from moving comes first; remarks say nothing here.
                if let Some(note) = verdict.notes.first().filter(|note| !is_remark(note.code)) {
                    *codes.entry(note.code).or_default() += 1;
                }
            }
            let codes: Vec<_> = codes
                .iter()
                .map(|(code, number)| {
                    let slug = crate::codes::Code::find(code).map_or("", |code| code.slug);
                    format!("{code} {slug} ({number})")
                })
                .collect();
            table.row([
                (class.as_str(), Tone::Plain),
                (ks.as_str(), Tone::Plain),
                (hr.as_str(), Tone::Plain),
                (codes.join("  ").as_str(), Tone::Plain),
            ]);
        }
        table
    }

    fn class_lines(&self, class: Class, style: Style, all: bool) -> Vec<String> {
        let found: Vec<_> = self.of(class).collect();
        if found.is_empty() {
            return Vec::new();
        }
        let mut table = Table::new(&["", "", "", ""]).indented(2);
        let room = if all { usize::MAX } else { EXAMPLES };
        for verdict in found.iter().take(room) {
            let objects = count(verdict.objects, "object");
            let brought = match &verdict.manager {
                Manager::Nobody => String::new(),
                manager => format!("from {manager}"),
            };
            table.row([
                (verdict.object.to_string().as_str(), Tone::Plain),
                (if all { objects.as_str() } else { "" }, Tone::Faint),
                (if all { brought.as_str() } else { "" }, Tone::Faint),
                (shorten(&why(verdict), 200).as_str(), Tone::Plain),
            ]);
        }
        let mut lines = vec![String::new(), class.as_str().to_owned()];
        lines.extend(table.lines(style));
        if found.len() > room {
            lines.push(format!(
                "  ... {} more: openflux migrate scan --state={}",
                found.len() - room,
                class.word()
            ));
        }
        lines
    }

    fn place_lines(&self, style: Style) -> Vec<String> {
        let mut table = Table::new(&["", "", "", ""]).indented(2);
        for place in &self.places {
            let tone = if place.carrier == "producer" {
                Tone::Warning
            } else {
                Tone::Plain
            };
            table.row([
                (place.object.to_string().as_str(), Tone::Plain),
                (place.file.as_str(), Tone::Plain),
                (place.carrier, tone),
                (place.why.as_str(), Tone::Plain),
            ]);
        }
        table.lines(style)
    }

    fn order_lines(&self) -> Vec<String> {
        let movable = || {
            self.objects
                .iter()
                .filter(|verdict| matches!(verdict.class, Class::CanMove | Class::NotNow))
        };
        if movable().next().is_none() {
            return Vec::new();
        }
        let mut lines = vec![String::new(), "order, by what a surprise would hurt".to_owned()];
        for wave in Wave::ALL {
            let number = movable().filter(|verdict| verdict.wave == wave).count();
            if number > 0 {
                lines.push(format!(
                    "  {}  {}: {}",
                    wave.number(),
                    count(number, "object"),
                    wave.about()
                ));
            }
        }
        lines
    }
}

/// Codes that keep nothing from moving.
fn is_remark(code: &str) -> bool {
    code.starts_with("M2")
}

fn why(verdict: &Verdict) -> String {
    let notes: Vec<_> = verdict
        .notes
        .iter()
        .map(|note| format!("{} {}", note.code, note.why))
        .collect();
    notes.join("; ")
}
