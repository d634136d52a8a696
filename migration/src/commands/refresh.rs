//! `openflux migrate plan --refresh`: stock is asked for a run of each object first, so that the plan compares with what it makes of its
//! sources, variables and values now.

use std::time::Duration;

use flux_fleet::Handle;
use flux_fleet::moving::Readiness;
use flux_fleet::moving::sight::guard;
use flux_fleet::text::{clean, count};
use futures::StreamExt as _;
use kube::ResourceExt as _;

use crate::cluster::{Cluster, CommandError};
use crate::moving::flux::{Flux, Waited, said};
use crate::moving::state::token;

/// How many runs are asked for at once.
const AT_ONCE: usize = 8;

/// How often a run is asked for when others write the object at the same time, and how long they have in between.
const ATTEMPTS: usize = 20;
const PAUSE: Duration = Duration::from_millis(250);

/// Asks stock for a run of each object that it has, and waits for them; says of which there was none.
pub(super) async fn refresh(
    cluster: &Cluster,
    label: (String, String),
    objects: &[Handle],
    patience: Duration,
    mut say: impl FnMut(&str),
) {
    let flux = Flux {
        client: cluster.client.clone(),
        label,
    };
    say(&format!(
        "asking stock for a run of {}",
        count(objects.len(), "object")
    ));
    let runs = objects.iter().map(|handle| {
        let flux = flux.clone();
        async move { (handle, one(&flux, handle, patience).await) }
    });
    let runs: Vec<_> = runs.collect();
    let mut runs = futures::stream::iter(runs).buffer_unordered(AT_ONCE);
    while let Some((handle, ended)) = runs.next().await {
        match ended {
            Ok(None) => {}
            // The proof says what that means for the object.
            Ok(Some(why)) => say(&format!("{handle}: {}", clean(&why))),
            Err(error) => say(&format!("{handle}: {}", clean(&said(&error)))),
        }
    }
}

/// Asks for one run; gives why there was none.
async fn one(flux: &Flux, handle: &Handle, patience: Duration) -> Result<Option<String>, CommandError> {
    let token = token()?;
    let mut attempts = 0;
    loop {
        let owners = flux.owners().await?;
        let Some(object) = flux.get(handle).await? else {
            return Ok(Some("it is not there any more".to_owned()));
        };
        if object.labels().get(&flux.label.0) == Some(&flux.label.1) {
            return Ok(Some(
                "it carries the label, so that stock is not asked".to_owned(),
            ));
        }
        let sight = Flux::sight(handle, &object, &owners)?;
        if let Readiness::Never(why) = guard(&sight, &sight.handled, false) {
            return Ok(Some(why));
        }
        if flux.request(handle, &object, &token).await? {
            break;
        }
        attempts += 1;
        if attempts == ATTEMPTS {
            return Ok(Some("others write it all the time".to_owned()));
        }
        tokio::time::sleep(PAUSE).await;
    }
    let waited = flux
        .wait(handle, patience, |sight| guard(sight, &token, false))
        .await?;
    Ok(match waited {
        Waited::Now(_) => None,
        Waited::Never(why) | Waited::Late(why) => Some(why),
        Waited::Gone => Some("it is not there any more".to_owned()),
    })
}
