//! Many Kustomizations, or HelmReleases, installed, then upgraded by a new artifact that changes one of their objects.

use std::time::{Duration, Instant};

use anyhow::Result;
use e2e::testbed::Audit;
use k8s_openapi::jiff::Timestamp;
use serde_json::Value;

use super::floor;
use super::stage::{App, Contender, Release, Stage, names};
use super::table::{Figure, Measured, Row};
use crate::load::{Size, pack};

/// How many, from how many sources, and how.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load {
    pub(crate) count: usize,
    /// Whether all of them share one source, or each has one of its own.
    pub(crate) one_source: bool,
    pub(crate) wait: bool,
    pub(crate) concurrent: usize,
    /// What each of them consists of.
    pub(crate) size: Size,
    /// Further fields of the spec of each, by its number.
    pub(crate) more: fn(usize) -> Value,
}

pub(crate) const COLUMNS: &[&str] = &[
    "install",
    "upgrade",
    "CPU",
    "peak RSS",
    "RSS started",
    "RSS settled",
    "downloads",
];

impl Load {
    pub(crate) fn apps(self) -> Vec<String> {
        names("app", self.count)
    }

    pub(crate) fn sources(self) -> Vec<String> {
        if self.one_source {
            vec!["shared".to_owned()]
        } else {
            self.apps()
        }
    }

    pub(crate) fn releases(self) -> Result<[Release; 2]> {
        Ok([pack("1", 0, self.size)?, pack("2", 0, self.size)?])
    }

    fn objects(self) -> impl Iterator<Item = App> {
        self.apps()
            .into_iter()
            .enumerate()
            .map(move |(number, name)| App {
                source: if self.one_source {
                    "shared".to_owned()
                } else {
                    name.clone()
                },
                name,
                wait: self.wait,
                timeout: "5m",
                more: (self.more)(number),
            })
    }

    pub(crate) async fn measure(self, only_ours: bool) -> Result<Measured> {
        let mut rows = Vec::new();
        if !only_ours {
            let stage = Stage::set(&self.releases()?.each_ref(), Audit::Nothing).await?;
            rows.push(
                self.roll_out(&stage, Contender::Stock)
                    .await?
                    .row(Contender::Stock.name()),
            );
        }
        let stage = Stage::set(&self.releases()?.each_ref(), Audit::Nothing).await?;
        rows.push(
            self.roll_out(&stage, Contender::Ours)
                .await?
                .row(Contender::Ours.name()),
        );
        drop(stage);
        let floor = floor::measure(self).await?;
        rows.push(Row {
            name: "floor: our requests alone",
            figures: vec![
                Some(Figure::Seconds(floor.install.as_secs_f64())),
                Some(Figure::Seconds(floor.upgrade.as_secs_f64())),
                None,
                None,
                None,
                None,
                None,
            ],
        });
        Ok(Measured {
            rows,
            note: floor.census,
        })
    }

    /// Lets one contender do it.
    pub(crate) async fn roll_out(self, stage: &Stage, contender: Contender) -> Result<Rollout> {
        let releases = self.releases()?;
        let process = contender.start(&stage.testbed, self.concurrent)?;
        tokio::time::sleep(Duration::from_secs(4)).await;
        let started = process.usage()?.resident;
        stage.create_sources(&self.sources()).await?;
        stage.offer(&self.sources(), &releases[0]).await?;
        // An idle controller is what a commit meets.
        tokio::time::sleep(Duration::from_secs(5)).await;

        let apps = self.apps();
        let install = Phase::begin();
        tokio::try_join!(stage.ready(&apps, &releases[0]), stage.deploy(self.objects()))?;
        let install = install.end();

        let sources = self.sources();
        let upgrade = Phase::begin();
        tokio::try_join!(
            stage.ready(&apps, &releases[1]),
            stage.offer(&sources, &releases[1])
        )?;
        let upgrade = upgrade.end();
        let usage = process.usage()?;
        tokio::time::sleep(Duration::from_secs(5)).await;
        Ok(Rollout {
            install,
            upgrade,
            cpu: usage.cpu,
            peak: usage.peak_resident,
            started,
            settled: process.usage()?.resident,
            downloads: stage.downloads(),
        })
    }
}

/// What one contender needed.
pub(crate) struct Rollout {
    pub(crate) install: Took,
    pub(crate) upgrade: Took,
    /// From its start to the end of the upgrade.
    cpu: Duration,
    peak: u64,
    /// Resident memory with nothing to do, before there was anything.
    started: u64,
    /// Resident memory with nothing to do, after everything.
    settled: u64,
    downloads: usize,
}

impl Rollout {
    pub(crate) fn row(&self, name: &'static str) -> Row {
        Row {
            name,
            figures: vec![
                Some(Figure::Seconds(self.install.duration.as_secs_f64())),
                Some(Figure::Seconds(self.upgrade.duration.as_secs_f64())),
                Some(Figure::Seconds(self.cpu.as_secs_f64())),
                Some(Figure::bytes(self.peak)),
                Some(Figure::bytes(self.started)),
                Some(Figure::bytes(self.settled)),
                Some(Figure::Count(self.downloads as f64)),
            ],
        }
    }
}

struct Phase {
    at: Timestamp,
    start: Instant,
}

/// A phase that is over.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Took {
    pub(crate) from: Timestamp,
    pub(crate) to: Timestamp,
    duration: Duration,
}

impl Phase {
    fn begin() -> Self {
        Self {
            at: Timestamp::now(),
            start: Instant::now(),
        }
    }

    fn end(self) -> Took {
        Took {
            from: self.at,
            to: Timestamp::now(),
            duration: self.start.elapsed(),
        }
    }
}

/// The ratios of the table.
pub(crate) fn conclude(rows: &[Row]) -> String {
    let row = |name: &str| rows.iter().find(|row| row.name.starts_with(name));
    let mut parts = Vec::new();
    let Some(ours) = row(Contender::Ours.name()) else {
        return String::new();
    };
    if let Some(stock) = row(Contender::Stock.name()) {
        let columns = COLUMNS.iter().enumerate().take(6);
        let ratios: Vec<String> = columns
            .filter_map(|(at, column)| Some(format!("{column} {:.1}", stock.ratio(ours, at)?)))
            .collect();
        parts.push(format!("stock / ours: {}", ratios.join(", ")));
    }
    if let Some(floor) = row("floor")
        && let (Some(install), Some(upgrade)) = (ours.ratio(floor, 0), ours.ratio(floor, 1))
    {
        parts.push(format!(
            "ours / floor: install {install:.2}, upgrade {upgrade:.2}"
        ));
    }
    parts.join("\n\n")
}
