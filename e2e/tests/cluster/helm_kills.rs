//! Releases whose controller is killed again and again, whatever it is doing to them: each ends deployed once, or gone.
//!
//! A round asks something else of each release, then the controller is killed a few times, then everything has to come to its
//! end. `OPENFLUX_TRIALS=500` kills it so often; with `--nocapture` one sees how far it is.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use e2e::testbed::{CONFIG_MAP, DEPLOYMENT, HELM_RELEASE, PATIENCE, SECRET};
use kube::api::DynamicObject;
use serde_json::{Value, json};

use crate::app::Owner;
use crate::crash::moments;
use crate::helm_crash::start_for;
use crate::helm_waits::job;
use crate::moves::trials;
use crate::release_app::ReleaseApp;

const SHARD: &str = "helm-kills";

/// How many releases there are.
const COUNT: usize = 6;

/// How often the controller is killed in a round.
const KILLS: usize = 3;

/// What is asked of a release.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Asked {
    /// To be gone.
    #[default]
    Gone,
    /// To be deployed in this colour.
    Deployed(usize),
    /// What cannot be: it goes back to the colour that it had.
    Impossible(usize),
}

impl Asked {
    /// What comes next: by chance, as far as there is a choice.
    fn next(self, chance: Duration, round: usize) -> Self {
        match (self, chance.as_millis() % 4) {
            (Self::Gone | Self::Impossible(_), _) => Self::Deployed(round),
            (Self::Deployed(_), 0) => Self::Gone,
            (Self::Deployed(colour), 1) => Self::Impossible(colour),
            (Self::Deployed(_), _) => Self::Deployed(round),
        }
    }
}

/// Hooks and tests that take a moment, and some more objects than one.
fn objects(release: &str) -> String {
    let hooks = "helm.sh/hook: 'pre-install,pre-upgrade,pre-rollback,pre-delete'";
    let mut objects = vec![
        job(&format!("{release}-before"), hooks),
        job(&format!("{release}-tried"), "helm.sh/hook: test"),
    ];
    objects.extend(
        (0..8).map(|number| {
            format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {release}-{number}}}\n")
        }),
    );
    objects.join("---\n")
}

fn values(release: &str, asked: Asked) -> Value {
    match asked {
        Asked::Gone => Value::Null,
        Asked::Deployed(colour) => {
            json!({"name": release, "colour": format!("c{colour}"), "raw": objects(release)})
        }
        Asked::Impossible(_) => json!({"name": "Not_A_Name", "colour": "none", "raw": objects(release)}),
    }
}

async fn ask(app: &ReleaseApp, release: &str, before: Asked, asked: Asked) -> Result<()> {
    if asked == Asked::Gone {
        return app.delete(HELM_RELEASE, release).await;
    }
    if before == Asked::Gone {
        let spec = json!({"values": values(release, asked), "test": {"enable": true},
            "upgrade": {"remediation": {"remediateLastFailure": true}}});
        return app.release(release, spec).await;
    }
    let spec = json!({"spec": {"values": values(release, asked)}});
    app.patch(HELM_RELEASE, release, spec).await?;
    Ok(())
}

/// Records that tell of something that is under way, by name and version.
type UnderWay = BTreeSet<(Option<String>, Option<String>)>;

async fn under_way(app: &ReleaseApp) -> Result<UnderWay> {
    let goes_on = |secret: &DynamicObject| {
        let status = secret.metadata.labels.as_ref()?.get("status")?;
        Some(status.starts_with("pending") || status == "uninstalling")
    };
    let secrets = app.list(SECRET).await?.into_iter();
    Ok(secrets
        .filter(|secret| goes_on(secret) == Some(true))
        .map(|secret| (secret.metadata.name, secret.metadata.resource_version))
        .collect())
}

/// Waits until something is under way that is not one of what was `left`; gives up when nothing comes any more.
async fn wait_begun(app: &ReleaseApp, left: &UnderWay) -> Result<()> {
    let start = Instant::now();
    while start.elapsed() < PATIENCE / 3 {
        if !under_way(app).await?.is_subset(left) {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    Ok(())
}

/// Waits for the end of what was asked of a release, and looks whether that is all that there is.
async fn check(app: &ReleaseApp, release: &str, asked: Asked) -> Result<()> {
    match asked {
        Asked::Gone => app.wait_gone(HELM_RELEASE, release).await?,
        Asked::Deployed(_) => {
            let object = app.wait_released(release).await?;
            let tests = object.data["status"]["history"][0]["testHooks"].as_object();
            let mut phases = tests.into_iter().flatten().map(|(_, test)| &test["phase"]);
            ensure!(
                phases.all(|phase| phase == "Succeeded"),
                "{:?}",
                object.data["status"]
            );
        }
        Asked::Impossible(_) => {
            let stalled = |object: &DynamicObject| {
                object.data["status"]["observedGeneration"].as_i64() == object.metadata.generation
                    && e2e::testbed::condition(object, "Stalled").is_some()
            };
            app.wait(HELM_RELEASE, release, "is stalled", stalled).await?;
        }
    }
    let records = app.records().await?;
    let of_release = records.iter().map(|record| &record["release"]);
    let statuses: BTreeMap<i64, &str> = of_release
        .filter(|found| found["name"] == release)
        .filter_map(|found| Some((found["version"].as_i64()?, found["info"]["status"].as_str()?)))
        .collect();
    let deployed = statuses.values().filter(|status| **status == "deployed").count();
    let is_whole = match asked {
        Asked::Gone => statuses.is_empty(),
        Asked::Deployed(_) => deployed == 1 && statuses.values().last() == Some(&"deployed"),
        // What was killed before it could be noted is no release to go back to, as with stock: the one before stays.
        Asked::Impossible(_) => {
            deployed == 1
                && statuses
                    .values()
                    .last()
                    .is_some_and(|last| !last.starts_with("pending"))
        }
    };
    ensure!(is_whole, "{release} was to be {asked:?} and has {statuses:?}");
    let settings = app.get(CONFIG_MAP, release).await?;
    let colour = settings.map(|settings| settings.data["data"]["colour"].clone());
    let (Asked::Deployed(expected) | Asked::Impossible(expected)) = asked else {
        let web = app.get(DEPLOYMENT, &format!("{release}-web")).await?;
        ensure!(
            colour.is_none() && web.is_none(),
            "{release} has left {colour:?} {web:?}"
        );
        return Ok(());
    };
    ensure!(
        colour == Some(format!("c{expected}").into()),
        "{release} was to be {asked:?} and is {colour:?}"
    );
    Ok(())
}

#[tokio::test]
async fn killed_again_and_again_it_takes_up_whatever_was_under_way() -> Result<()> {
    let app = ReleaseApp::owned_by(Owner::Shard(SHARD), SHARD, &["1.0.0"]).await?;
    let mut releases: BTreeMap<String, Asked> = (0..COUNT)
        .map(|number| (format!("app-{number}"), Asked::Gone))
        .collect();
    let (mut moments, mut chances) = (moments(11), moments(13));
    let (mut kills, mut hits, mut caught, mut round) = (0, 0, 0, 0);
    let mut left = UnderWay::new();
    while kills < trials() {
        round += 1;
        for (release, asked) in &mut releases {
            let next = asked.next(chances.next().unwrap_or_default(), round);
            ask(&app, release, *asked, next).await?;
            *asked = next;
        }
        for moment in moments.by_ref().take(KILLS) {
            let mut controller = start_for(SHARD).await?;
            wait_begun(&app, &left).await?;
            // Some way into it, or into what comes next.
            tokio::time::sleep(moment / 5).await;
            controller.kill()?;
            kills += 1;
            left = under_way(&app).await?;
            caught += left.len();
            hits += usize::from(!left.is_empty());
        }
        let _controller = start_for(SHARD).await?;
        for (release, asked) in &releases {
            let checked = check(&app, release, *asked).await;
            checked.with_context(|| {
                format!("round {round}, after {kills} kills, of which {hits} caught {caught} actions")
            })?;
        }
        println!("round {round}: {kills} kills, of which {hits} caught {caught} actions");
    }
    // Otherwise the moments are not those at which something happens.
    ensure!(
        hits * 4 >= kills * 3,
        "{hits} of {kills} kills caught {caught} actions"
    );
    Ok(())
}
