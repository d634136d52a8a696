//! Healthy Kustomizations beside some that never become ready.

use std::time::{Duration, Instant};

use anyhow::Result;
use e2e::testbed::{Audit, KUSTOMIZATION};
use serde_json::json;

use crate::load::{App, Contender, Release, Stage, names};
use crate::table::{Figure, Measured, Row};

const STUCK: usize = 20;
const HEALTHY: usize = 100;

pub(crate) const COLUMNS: &[&str] = &["100 healthy alone", "beside 20 stuck ones", "slow-down"];

pub(crate) async fn measure(only_ours: bool) -> Result<Measured> {
    let mut rows = Vec::new();
    if !only_ours {
        rows.push(compare(Contender::Stock, 1).await?);
    }
    // A batch of ours takes a fraction of the time, so that a single one would be noise.
    rows.push(compare(Contender::Ours, 6).await?);
    Ok(Measured {
        rows,
        note: "Concurrency 20. The stuck ones time out after 30 s and are tried again after 5 s; for ours the medians of \
            six rounds, in which the two take turns in going first, and of the slow-down in each."
            .to_owned(),
    })
}

async fn compare(contender: Contender, rounds: usize) -> Result<Row> {
    let (sound, broken) = (Release::pack("1", 0)?, Release::pack("broken", 1)?);
    let stage = Stage::set(&[&sound, &broken], Audit::Nothing).await?;
    let _process = contender.start(&stage.testbed, 20)?;
    let sources = ["sound", "broken"].map(str::to_owned);
    stage.create_sources(&sources).await?;
    stage.offer(&sources[..1], &sound).await?;
    stage.offer(&sources[1..], &broken).await?;
    tokio::time::sleep(Duration::from_secs(4)).await;

    // The first batch opens watches and connections.
    batch(&stage, "warm", &sound).await?;
    let stuck = names("stuck", STUCK);
    let (mut alone, mut beside) = (Vec::new(), Vec::new());
    for round in 0..rounds {
        // Each batch leaves more objects behind, so the two take turns in going first.
        let stuck_first = round % 2 == 1;
        if stuck_first {
            beside.push(batch(&stage, &format!("beside-{round}"), &sound).await?);
            suspend(&stage, &stuck, true).await?;
            tokio::time::sleep(Duration::from_secs(2)).await;
        }
        alone.push(batch(&stage, &format!("alone-{round}"), &sound).await?);
        if stuck_first {
            continue;
        }
        if round == 0 {
            stage
                .deploy(stuck.iter().map(|name| app(name.clone(), &sources[1], "30s")))
                .await?;
        } else {
            suspend(&stage, &stuck, false).await?;
        }
        tokio::time::sleep(Duration::from_secs(4)).await;
        beside.push(batch(&stage, &format!("beside-{round}"), &sound).await?);
    }
    let rounds = alone.iter().zip(&beside);
    let slow_down = middle(rounds.map(|(alone, beside)| beside / alone - 1.0).collect());
    Ok(Row {
        name: contender.name(),
        figures: vec![
            Some(Figure::Seconds(middle(alone))),
            Some(Figure::Seconds(middle(beside))),
            Some(Figure::Percent(slow_down * 100.0)),
        ],
    })
}

async fn suspend(stage: &Stage, names: &[String], suspend: bool) -> Result<()> {
    for name in names {
        let patch = json!({"spec": {"suspend": suspend}});
        stage.namespace.patch(KUSTOMIZATION, name, patch).await?;
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
        depends_on: None,
    }
}

/// The median.
fn middle(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    f64::midpoint(values[(values.len() - 1) / 2], values[values.len() / 2])
}
