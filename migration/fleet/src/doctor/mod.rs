//! `doctor`: what stands in the way of running beside stock Flux, each with its reason and with what to do.
//!
//! Every check is a function of [`Facts`]. One that cannot be made is a failure with its reason, never a success.

mod cluster;
mod exclusion;
mod facts;
mod flags;
mod network;
mod objects;
mod others;
mod ours;
mod sources;
mod stock;

use serde::Serialize;

use crate::API_VERSION;
use crate::text::{Sign, Style, Tone, clean, count};

pub use facts::{Facts, Refusal, Right, Who};

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Level {
    /// It is as it should be.
    Passed,
    /// It can go on like this, and should be known.
    Warning,
    /// It will not work, or nobody knows whether it does.
    Failure,
}

/// What is wrong, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// How bad it is.
    pub level: Level,
    /// What is wrong, in one line.
    pub what: String,
    /// More about it, a line each.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub details: Vec<String>,
    /// What to do, a line each.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub fix: Vec<String>,
}

impl Finding {
    /// Something that will not work.
    pub fn failure(what: impl Into<String>) -> Self {
        Self::new(Level::Failure, what)
    }

    /// Something that should be known.
    pub fn warning(what: impl Into<String>) -> Self {
        Self::new(Level::Warning, what)
    }

    fn new(level: Level, what: impl Into<String>) -> Self {
        Self {
            level,
            what: what.into(),
            details: Vec::new(),
            fix: Vec::new(),
        }
    }

    /// A check that could not be made.
    pub fn unknown(why: impl AsRef<str>) -> Self {
        Self::failure(format!("could not be checked: {}", why.as_ref()))
    }

    /// Says more about it.
    #[must_use]
    pub fn detail(mut self, line: impl Into<String>) -> Self {
        self.details.push(line.into());
        self
    }

    /// Lists things, the first of them by name.
    #[must_use]
    pub fn list(mut self, things: &[String]) -> Self {
        const SHOWN: usize = 5;
        self.details.extend(things.iter().take(SHOWN).cloned());
        if things.len() > SHOWN {
            self.details.push(format!("... {} more", things.len() - SHOWN));
        }
        self
    }

    /// Says what to do.
    #[must_use]
    pub fn fix(mut self, lines: &str) -> Self {
        self.fix.extend(lines.lines().map(str::to_owned));
        self
    }
}

/// A check and what came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    /// Its code, which `explain` knows.
    pub code: &'static str,
    /// What it belongs to.
    pub group: &'static str,
    /// What is checked.
    pub title: &'static str,
    /// What is wrong; nothing if it is as it should be.
    pub findings: Vec<Finding>,
}

impl Check {
    /// Returns the worst of its findings.
    pub fn level(&self) -> Level {
        let levels = self.findings.iter().map(|finding| finding.level);
        levels.max().unwrap_or(Level::Passed)
    }
}

/// A check: code, group, title, and what makes it.
type Entry = (
    &'static str,
    &'static str,
    &'static str,
    fn(&Facts) -> Vec<Finding>,
);

/// All checks, in the order in which they are shown.
const CHECKS: &[Entry] = &[
    (
        "D101",
        "cluster",
        "the version of Kubernetes is known to work",
        cluster::version,
    ),
    (
        "D102",
        "cluster",
        "you may do what the next step needs",
        cluster::rights,
    ),
    ("D103", "cluster", "the clocks agree", cluster::clocks),
    (
        "D104",
        "cluster",
        "no webhook changes Flux objects",
        cluster::webhooks,
    ),
    (
        "D111",
        "stock",
        "the version of Flux is known to work",
        stock::version,
    ),
    (
        "D112",
        "stock",
        "the definitions of Flux are served as expected",
        stock::definitions,
    ),
    (
        "D113",
        "stock",
        "the stock controllers are ready and understood",
        stock::controllers,
    ),
    (
        "D114",
        "stock",
        "one process of each stock controller leads",
        stock::leases,
    ),
    (
        "D121",
        "exclusion",
        "stock leaves labelled objects alone",
        exclusion::excluded,
    ),
    (
        "D122",
        "exclusion",
        "the exclusion outlives an upgrade",
        exclusion::durable,
    ),
    (
        "D123",
        "exclusion",
        "the roll-out of the exclusion has ended",
        exclusion::rolled_out,
    ),
    (
        "D124",
        "exclusion",
        "no selector is given twice",
        exclusion::given_once,
    ),
    (
        "D125",
        "exclusion",
        "every labelled source is still fetched",
        exclusion::sources,
    ),
    (
        "D131",
        "sharding",
        "every shard has a controller",
        objects::shards,
    ),
    (
        "D141",
        "ours",
        "the definition of Artifacts is installed",
        ours::definition,
    ),
    (
        "D142",
        "ours",
        "our controller is ready, in the version of this tool",
        ours::deployment,
    ),
    (
        "D143",
        "ours",
        "our controller may do what it needs",
        ours::rights,
    ),
    (
        "D144",
        "ours",
        "our controller can reach those of Flux",
        network::reaches,
    ),
    ("D145", "ours", "artifacts come from allowed hosts", ours::hosts),
    (
        "D146",
        "ours",
        "our controller has the memory that it needs",
        ours::memory,
    ),
    (
        "D151",
        "flags",
        "our controller has the flags of stock's",
        flags::mirrored,
    ),
    (
        "D161",
        "sources",
        "every source has an Artifact that is up to date",
        sources::mirrored,
    ),
    (
        "D162",
        "sources",
        "nobody else writes Artifacts of stock sources",
        sources::foreign,
    ),
    (
        "D163",
        "sources",
        "stock takes what the bridge offers",
        sources::bridge,
    ),
    (
        "D171",
        "objects",
        "every object has one controller at work",
        objects::owned,
    ),
    (
        "D172",
        "objects",
        "no field is used that is not supported",
        objects::supported,
    ),
    (
        "D173",
        "objects",
        "what is moved is moved in Git",
        objects::durable,
    ),
    (
        "D175",
        "objects",
        "no object is applied by two",
        objects::applied_once,
    ),
    (
        "D176",
        "objects",
        "dependencies exist and make no circle",
        objects::dependencies,
    ),
    (
        "D181",
        "tenancy",
        "tenants cannot move objects",
        others::label_writers,
    ),
    (
        "D182",
        "tenancy",
        "tenants cannot write Artifacts",
        others::artifact_writers,
    ),
    (
        "D191",
        "others",
        "no other tool undoes labels or arguments",
        others::tools,
    ),
];

/// The groups of checks.
pub const GROUPS: [&str; 10] = [
    "cluster",
    "stock",
    "exclusion",
    "sharding",
    "ours",
    "flags",
    "sources",
    "objects",
    "tenancy",
    "others",
];

/// Groups of checks that make no sense before our controller is installed.
const AFTER_INSTALLATION: [&str; 4] = ["ours", "flags", "sources", "objects"];

/// What came of all checks.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Diagnosis {
    api_version: &'static str,
    kind: &'static str,
    kubernetes: String,
    flux: Option<String>,
    openflux: Option<String>,
    /// The checks.
    pub checks: Vec<Check>,
}

impl Diagnosis {
    /// Makes all checks, or those of some groups.
    pub fn of(facts: &Facts, groups: &[String]) -> Self {
        let before = facts.before_installation;
        let wanted = |group: &str| {
            (groups.is_empty() || groups.iter().any(|name| name == group))
                && !(before && AFTER_INSTALLATION.contains(&group))
        };
        let checks = CHECKS.iter().filter(|(_, group, ..)| wanted(group));
        Self {
            api_version: API_VERSION,
            kind: "Diagnosis",
            kubernetes: facts.world.kubernetes.clone(),
            flux: crate::status::flux_version(&facts.world),
            openflux: ours::version(facts),
            checks: checks
                .map(|(code, group, title, make)| Check {
                    code,
                    group,
                    title,
                    findings: make(facts),
                })
                .collect(),
        }
    }

    /// Returns whether a check has failed.
    pub fn has_failures(&self) -> bool {
        self.checks.iter().any(|check| check.level() == Level::Failure)
    }

    fn number(&self, level: Level) -> usize {
        self.checks.iter().filter(|check| check.level() == level).count()
    }

    /// Returns the lines for people; `all` shows also what is as it should be.
    pub fn lines(&self, style: Style, all: bool) -> Vec<String> {
        let known = |name: &str, version: Option<&str>| {
            let version = version.filter(|version| !version.is_empty());
            version.map_or_else(|| format!("no {name}"), |version| format!("{name} {version}"))
        };
        let versions = [
            known("Kubernetes", Some(&self.kubernetes)),
            known("Flux", self.flux.as_deref()),
            known("openflux", self.openflux.as_deref()),
        ];
        let mut lines = vec![format!(
            "{}   {}",
            clean(&versions.join("  ")),
            count(self.checks.len(), "check")
        )];
        let mut group = "";
        for check in &self.checks {
            if check.level() == Level::Passed && !all {
                continue;
            }
            if check.group != group {
                group = check.group;
                lines.push(style.paint(Tone::Faint, group));
            }
            if check.findings.is_empty() {
                lines.push(format!(
                    "  {} {} {}",
                    style.sign(Sign::Good),
                    check.code,
                    check.title
                ));
            }
            for finding in &check.findings {
                lines.extend(finding.lines(check.code, style));
            }
        }
        let (warnings, failures) = (self.number(Level::Warning), self.number(Level::Failure));
        let hint = if all { "" } else { " (-o wide lists them)" };
        lines.push(format!(
            "{}, {}, {} passed{hint}; openflux explain CODE says more",
            count(failures, "failure"),
            count(warnings, "warning"),
            self.number(Level::Passed),
        ));
        lines
    }

    /// Returns the lines of a report in Markdown.
    pub fn markdown(&self) -> Vec<String> {
        let mut table = crate::text::Table::new(&["CODE", "LEVEL", "WHAT", "WHAT TO DO"]);
        for check in &self.checks {
            for finding in &check.findings {
                let level = match finding.level {
                    Level::Failure => "failure",
                    Level::Warning => "warning",
                    Level::Passed => "passed",
                };
                let cells = [check.code, level, &finding.what, &finding.fix.join(" ")];
                table.row(cells.map(|cell| (cell, Tone::Plain)));
            }
        }
        if table.is_empty() {
            return vec![format!("All {} passed.", count(self.checks.len(), "check"))];
        }
        table.markdown()
    }
}

impl Finding {
    fn lines(&self, code: &str, style: Style) -> Vec<String> {
        let (sign, tone) = match self.level {
            Level::Failure => (Sign::Bad, Tone::Bad),
            Level::Warning => (Sign::Warning, Tone::Warning),
            Level::Passed => (Sign::Good, Tone::Plain),
        };
        let mut lines = vec![format!(
            "  {} {} {}",
            style.sign(sign),
            code,
            style.paint(tone, &clean(&self.what))
        )];
        let room = "         ";
        lines.extend(self.details.iter().map(|line| format!("{room}{}", clean(line))));
        for (at, line) in self.fix.iter().enumerate() {
            let start = if at == 0 { "fix: " } else { "     " };
            // Patches are indented.
            lines.push(format!("{room}{start}{}", line.trim_end()));
        }
        lines
    }
}

#[cfg(test)]
pub(crate) mod tests;
