//! A chain of Kustomizations, each depending on the one before.

use std::time::{Duration, Instant};

use anyhow::Result;
use e2e::testbed::Audit;
use serde_json::json;

use crate::deployers::stage::{App, Contender, Stage, names};
use crate::deployers::table::{Figure, Measured, Row};
use crate::load::{Size, pack};

const LENGTH: usize = 10;

pub(crate) const COLUMNS: &[&str] = &["all ready", "per level"];

pub(crate) async fn measure(only_ours: bool) -> Result<Measured> {
    let mut rows = Vec::new();
    if !only_ours {
        rows.push(climb(Contender::Stock).await?);
    }
    rows.push(climb(Contender::Ours).await?);
    Ok(Measured {
        rows,
        note: "stock runs with `--requeue-dependency=5s` instead of its default of 30 s.".to_owned(),
    })
}

async fn climb(contender: Contender) -> Result<Row> {
    let release = pack("1", 0, Size::Four)?;
    let stage = Stage::set(&[&release], Audit::Nothing).await?;
    let _process = contender.start(&stage.testbed, 20)?;
    let source = ["shared".to_owned()];
    stage.create_sources(&source).await?;
    stage.offer(&source, &release).await?;
    tokio::time::sleep(Duration::from_secs(4)).await;
    let names = names("app", LENGTH);
    let apps = names.iter().enumerate().map(|(at, name)| App {
        name: name.clone(),
        source: source[0].clone(),
        wait: true,
        timeout: "1m",
        more: match at.checked_sub(1) {
            Some(before) => json!({"dependsOn": [{"name": names[before]}]}),
            None => json!({}),
        },
    });
    let start = Instant::now();
    tokio::try_join!(stage.ready(&names, &release), stage.deploy(apps))?;
    let took = start.elapsed().as_secs_f64();
    Ok(Row {
        name: contender.name(),
        figures: vec![
            Some(Figure::Seconds(took)),
            Some(Figure::Seconds(took / LENGTH as f64)),
        ],
    })
}
