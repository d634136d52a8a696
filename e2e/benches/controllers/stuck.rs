//! Healthy Kustomizations beside some that never become ready.

use std::time::{Duration, Instant};

use anyhow::Result;

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
    // Ours takes a fraction of the time, so that the best of one would be noise.
    rows.push(compare(Contender::Ours, 5).await?);
    Ok(Measured {
        rows,
        note: "Concurrency 20. The stuck ones time out after 30 s and are tried again at once; for ours the medians of \
            five batches of 100."
            .to_owned(),
    })
}

async fn compare(contender: Contender, batches: usize) -> Result<Row> {
    let (sound, broken) = (Release::pack("1", 0)?, Release::pack("broken", 1)?);
    let stage = Stage::set(&[&sound, &broken], false).await?;
    let _process = contender.start(&stage.testbed, 20)?;
    let sources = ["sound", "broken"].map(str::to_owned);
    stage.create_sources(&sources).await?;
    stage.offer(&sources[..1], &sound).await?;
    stage.offer(&sources[1..], &broken).await?;
    tokio::time::sleep(Duration::from_secs(4)).await;

    // The first batch opens watches and connections.
    batch(&stage, "warm", &sound).await?;
    let mut alone = Vec::new();
    for number in 0..batches {
        alone.push(batch(&stage, &format!("alone-{number}"), &sound).await?);
    }
    let stuck = names("stuck", STUCK)
        .into_iter()
        .map(|name| app(name, &sources[1], "30s"));
    stage.deploy(stuck).await?;
    tokio::time::sleep(Duration::from_secs(4)).await;
    let mut beside = Vec::new();
    for number in 0..batches {
        beside.push(batch(&stage, &format!("beside-{number}"), &sound).await?);
    }
    let (alone, beside) = (middle(alone), middle(beside));
    Ok(Row {
        name: contender.name(),
        figures: vec![
            Some(Figure::Seconds(alone)),
            Some(Figure::Seconds(beside)),
            Some(Figure::Percent((beside / alone - 1.0) * 100.0)),
        ],
    })
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

fn middle(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
