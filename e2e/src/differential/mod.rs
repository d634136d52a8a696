//! The same HelmReleases or Kustomizations under stock's controller and under ours: scenarios as data, one runner, and what
//! differs.
//!
//! A [`Scenario`] is a few steps ("apply this, wait for that") with charts or files of its own. [`Side::play`] carries it out
//! with one of the two controllers and notes after each step what is there: statuses, release records, objects with their
//! field managers; and at the end the events, and what was sent to notification-controller. Times, UIDs and the like are
//! made equal before anything is compared. What still differs is a bug, or is explained where the scenario is written down
//! ([`Scenario::differs`]).
//!
//! At its end a scenario is handed over to the other controller and back, which must change nothing.

mod charts;
mod compare;
mod deployer;
mod look;
mod neutral;
mod notes;
mod play;
mod public;
mod records;
mod scenario;
mod shelf;
mod side;
mod sources;
mod stage;
mod waits;

pub use compare::{Compared, compare};
pub use deployer::Deployer;
pub use play::Played;
pub use public::scenario as public_chart;
pub use scenario::{Difference, Scenario, scenarios};
pub use side::{Offered, Shared, Side};

use anyhow::Result;

/// What is told of kinds that discovery does not know yet.
const UNKNOWN_KIND: &str = "no matches for kind";

/// Plays a scenario on both sides at once, and compares what both have left.
///
/// Stock looks once for the kinds that a public chart has just defined, and discovery may tell of them a moment later. What
/// stock leaves then is chance, so such a chart is played once more, with the kinds in place.
///
/// # Errors
/// A step cannot be carried out, or what it waits for does not happen.
pub async fn both(scenario: &Scenario, shared: &Shared, stock: &Side, ours: &Side) -> Result<Compared> {
    let play = async |scenario: &Scenario| {
        let offered = shared.offer(scenario, stock).await?;
        tokio::try_join!(stock.play(scenario, &offered), ours.play(scenario, &offered))
    };
    let (of_stock, of_ours) = play(scenario).await?;
    let raced = of_stock.tells(UNKNOWN_KIND) && !of_ours.tells(UNKNOWN_KIND);
    if !raced || scenario.public.is_empty() {
        return Ok(compare(scenario, &of_stock, &of_ours));
    }
    let again = Scenario {
        name: format!("{}-again", scenario.name),
        ..scenario.clone()
    };
    let (of_stock, of_ours) = play(&again).await?;
    Ok(compare(&again, &of_stock, &of_ours))
}
