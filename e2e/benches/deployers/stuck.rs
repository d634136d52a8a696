//! Healthy Kustomizations, or HelmReleases, beside some that never become ready.

use std::time::{Duration, Instant};

use anyhow::Result;
use e2e::testbed::Audit;
use serde_json::json;

use super::stage::{App, Contender, Release, STUCK_FOR, Stage, names};
use super::table::{Figure, Measured, Row};
use crate::load::{OBJECT, Size, pack};

const STUCK: usize = 20;
const HEALTHY: usize = 100;

pub(crate) const COLUMNS: &[&str] = &["100 healthy alone", "beside 20 stuck ones", "slow-down"];

/// Batches alone, beside the stuck ones, and alone again.
type Plan = [usize; 3];

pub(crate) async fn measure(only_ours: bool) -> Result<Measured> {
    let mut rows = Vec::new();
    if !only_ours {
        rows.push(compare(Contender::Stock, [1, 1, 0]).await?);
    }
    // A batch of ours takes a fraction of the time, so that a single one would be noise, and would miss the time-out.
    rows.push(compare(Contender::Ours, [3, 6, 3]).await?);
    Ok(Measured {
        rows,
        note: "Concurrency 20. The stuck ones time out after 30 s and are tried again after 5 s; for ours the means of \
            six batches: three alone, six beside the stuck ones, during which these time out, and three alone again, so \
            that what each batch leaves behind weighs on both alike."
            .to_owned(),
    })
}

async fn compare(contender: Contender, [first, beside, last]: Plan) -> Result<Row> {
    let (sound, broken) = (pack("1", 0, Size::Four)?, pack("broken", 1, Size::Four)?);
    let stage = Stage::set(&[&sound, &broken], Audit::Nothing).await?;
    let _process = contender.start(&stage.testbed, 20)?;
    let sources = ["sound", "broken"].map(str::to_owned);
    stage.create_sources(&sources).await?;
    stage.offer(&sources[..1], &sound).await?;
    stage.offer(&sources[1..], &broken).await?;
    tokio::time::sleep(Duration::from_secs(4)).await;

    // The first batch opens watches and connections.
    batch(&stage, "warm", &sound).await?;
    let mut alone = batches(&stage, "first", first, &sound).await?;
    let stuck = names("stuck", STUCK);
    stage
        .deploy(stuck.iter().map(|name| app(name.clone(), &sources[1], STUCK_FOR)))
        .await?;
    // Their pods have been made by now; that they wait is what counts.
    tokio::time::sleep(Duration::from_secs(10)).await;
    let beside = batches(&stage, "beside", beside, &sound).await?;
    if last > 0 {
        suspend(&stage, &stuck).await?;
        tokio::time::sleep(Duration::from_secs(4)).await;
    }
    alone.extend(batches(&stage, "last", last, &sound).await?);
    let (alone, beside) = (mean(&alone), mean(&beside));
    Ok(Row {
        name: contender.name(),
        figures: vec![
            Some(Figure::Seconds(alone)),
            Some(Figure::Seconds(beside)),
            Some(Figure::Percent((beside / alone - 1.0) * 100.0)),
        ],
    })
}

async fn batches(stage: &Stage, prefix: &str, count: usize, release: &Release) -> Result<Vec<f64>> {
    let mut times = Vec::new();
    for number in 0..count {
        times.push(batch(stage, &format!("{prefix}-{number}"), release).await?);
    }
    Ok(times)
}

async fn suspend(stage: &Stage, names: &[String]) -> Result<()> {
    for name in names {
        let patch = json!({"spec": {"suspend": true}});
        stage.namespace.patch(OBJECT, name, patch).await?;
    }
    Ok(())
}

async fn batch(stage: &Stage, prefix: &str, release: &Release) -> Result<f64> {
    let names = names(prefix, HEALTHY);
    let apps = names.iter().map(|name| app(name.clone(), "sound", "2m"));
    let start = Instant::now();
    tokio::try_join!(stage.ready(&names, release), stage.deploy(apps))?;
    let took = start.elapsed().as_secs_f64();
    // The events of this batch are not the next one's business.
    tokio::time::sleep(Duration::from_secs(1)).await;
    Ok(took)
}

fn app(name: String, source: &str, timeout: &'static str) -> App {
    App {
        name,
        source: source.to_owned(),
        wait: true,
        timeout,
        more: json!({}),
    }
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}
