//! A plan for people.

use flux_proof::{Finding, NextUpgrade};

use super::{MigrationPlan, PlannedObject};
use crate::text::{Style, Table, Tone, clean, count};

/// How many findings of one object are shown.
const SHOWN: usize = 5;

impl MigrationPlan {
    /// Returns the lines for people; `file` is where the plan was put, if it was.
    pub fn lines(&self, style: Style, file: Option<&str>) -> Vec<String> {
        let mut lines = Vec::new();
        let has_places = self.objects.iter().any(|object| object.carrier.is_some());
        let heads: &[&str] = if has_places {
            &["WAVE", "OBJECT", "OBJECTS", "PROOF", "NOTES", "LABEL"]
        } else {
            &["WAVE", "OBJECT", "OBJECTS", "PROOF", "NOTES"]
        };
        let mut table = Table::new(heads).right(2).indented(1);
        for (wave, object) in self.moving() {
            table_row(&mut table, wave, object, has_places);
        }
        if !table.is_empty() {
            lines.extend(table.lines(style));
        }
        lines.extend(self.left_lines(style));
        for unread in &self.unread {
            lines.push(format!("   not read: {}", clean(unread)));
        }
        if !lines.is_empty() {
            lines.push(String::new());
        }
        lines.extend(self.summary());
        if self.moving().next().is_some() {
            lines.extend(self.next_lines(file));
        }
        lines
    }

    /// Returns the lines of a report in Markdown.
    pub fn markdown(&self) -> Vec<String> {
        let mut table = Table::new(&["WAVE", "OBJECT", "OBJECTS", "PROOF", "NOTES", "LABEL"]);
        for object in &self.objects {
            let wave = object.wave.map_or("-".to_owned(), |wave| wave.to_string());
            let (compared, notes) = (compared(object), notes(object));
            let name = object.object.to_string();
            let place = object
                .carrier
                .as_ref()
                .map(super::Carrier::place)
                .unwrap_or_default();
            table.row([
                (wave.as_str(), Tone::Plain),
                (name.as_str(), Tone::Plain),
                (compared.as_str(), Tone::Plain),
                (proof(object), Tone::Plain),
                (notes.as_str(), Tone::Plain),
                (place.as_str(), Tone::Plain),
            ]);
        }
        let mut lines = table.markdown();
        lines.push(String::new());
        lines.extend(self.summary().iter().map(|line| line.trim().to_owned()));
        lines
    }

    /// Says why the others stay where they are.
    fn left_lines(&self, style: Style) -> Vec<String> {
        let mut table = Table::new(&["", "", "", ""]).indented(1);
        for object in self.objects.iter().filter(|object| object.wave.is_none()) {
            let name = object.object.to_string();
            let verdict = object.verdict.as_str();
            let mut findings = object.findings.iter().filter(|finding| !finding.is_remark());
            let first = findings.next().or(object.findings.first());
            let first = first.map(text).unwrap_or_default();
            table.row([
                ("-", Tone::Plain),
                (name.as_str(), Tone::Plain),
                (verdict, Tone::Faint),
                (first.as_str(), Tone::Plain),
            ]);
            let rest: Vec<_> = findings.collect();
            for finding in rest.iter().take(SHOWN) {
                table.row([
                    ("", Tone::Plain),
                    ("", Tone::Plain),
                    ("", Tone::Plain),
                    (text(finding).as_str(), Tone::Plain),
                ]);
            }
            if rest.len() > SHOWN {
                let more = format!("... {} more", rest.len() - SHOWN);
                table.row([
                    ("", Tone::Plain),
                    ("", Tone::Plain),
                    ("", Tone::Plain),
                    (more.as_str(), Tone::Faint),
                ]);
            }
        }
        if table.is_empty() {
            return Vec::new();
        }
        // The heads are empty.
        table.lines(style)
    }

    fn summary(&self) -> Vec<String> {
        let (moving, waves) = (self.moving().count(), self.waves().len());
        let counts = self.counts();
        let touched = counts.created + counts.changed + counts.deleted;
        let mut lines = vec![format!(
            "Plan: move {moving} of {} in {}. {} would be created, changed or deleted: {} compared, {} identical.",
            self.objects.len(),
            count(waves, "wave"),
            count(touched, "object"),
            counts.compared,
            counts.identical,
        )];
        let releases: Vec<_> = self
            .moving()
            .filter_map(|(_, object)| object.proof.as_ref()?.release.as_ref())
            .collect();
        if !releases.is_empty() {
            let with = |next: NextUpgrade| {
                releases
                    .iter()
                    .filter(|release| release.next_upgrade == next)
                    .count()
            };
            let line = format!(
                "      HelmReleases: {} verified; the next upgrade renders byte for byte the same in {}",
                count(releases.len(), "release"),
                with(NextUpgrade::Identical),
            );
            let random = match with(NextUpgrade::Random) {
                0 => String::new(),
                1 => ", 1 has random values".to_owned(),
                random => format!(", {random} have random values"),
            };
            lines.push(format!("{line}{random}."));
        }
        lines
    }

    fn next_lines(&self, file: Option<&str>) -> Vec<String> {
        let mut lines = vec![match file {
            Some(file) => format!("Next: openflux migrate apply {}", clean(file)),
            None => "Next: openflux migrate plan -o FILE, then openflux migrate apply FILE".to_owned(),
        }];
        lines.push("Back, at any time, also without this tool:".to_owned());
        lines.extend(
            self.way_back()
                .iter()
                .map(|command| format!("      {}", clean(command))),
        );
        lines
    }
}

fn table_row(table: &mut Table, wave: u32, object: &PlannedObject, has_places: bool) {
    let name = object.object.to_string();
    let (wave, compared, notes) = (wave.to_string(), compared(object), notes(object));
    let place = object
        .carrier
        .as_ref()
        .map(super::Carrier::place)
        .unwrap_or_default();
    let cells = [
        (wave.as_str(), Tone::Plain),
        (name.as_str(), Tone::Plain),
        (compared.as_str(), Tone::Plain),
        (proof(object), Tone::Good),
        (notes.as_str(), Tone::Plain),
        (place.as_str(), Tone::Plain),
    ];
    table.row(cells.into_iter().take(if has_places { 6 } else { 5 }));
}

fn compared(object: &PlannedObject) -> String {
    object
        .proof
        .as_ref()
        .map_or("-".to_owned(), |proof| proof.counts.compared.to_string())
}

fn proof(object: &PlannedObject) -> &'static str {
    match &object.proof {
        Some(proof) if proof.counts.is_nothing_written() => "identical",
        Some(_) => "different",
        None => "-",
    }
}

fn notes(object: &PlannedObject) -> String {
    let mut texts: Vec<_> = object.findings.iter().take(SHOWN).map(short).collect();
    if object.findings.len() > SHOWN {
        texts.push(format!("... {} more", object.findings.len() - SHOWN));
    }
    texts.join("; ")
}

/// A finding in a few words, where its name says all.
fn short(finding: &Finding) -> String {
    let code = crate::codes::Code::find(&finding.code);
    let says_all = matches!(&*finding.code, "M203" | "M205" | "M206" | "M207");
    match code.filter(|_| says_all) {
        Some(code) => format!("{} {}", code.code, code.slug),
        None => text(finding),
    }
}

/// A finding in one line.
fn text(finding: &Finding) -> String {
    let mut text = finding.code.to_string();
    for part in [&finding.object, &finding.path] {
        if !part.is_empty() {
            text.push(' ');
            text.push_str(part);
        }
    }
    if !finding.why.is_empty() {
        if !finding.object.is_empty() {
            text.push(':');
        }
        text.push(' ');
        text.push_str(&finding.why);
    }
    text
}
