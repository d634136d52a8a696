//! A slice of the scenarios that `cargo xtask diff-helm` plays: stock's controller and ours leave the same.

use anyhow::{Context as _, Result};
use e2e::differential::{Deployer, Shared, Side, both, scenarios};
use futures::{StreamExt as _, TryStreamExt as _, stream};

/// How many scenarios are under way at once; the other tests want the machine, too.
const AT_ONCE: usize = 4;

/// Plays the scenarios of these deployers that are in the tests, and compares what both leave.
pub(crate) async fn leave_the_same(deployer: Deployer) -> Result<()> {
    let shared = Shared::start()?;
    let (stock, ours) = tokio::try_join!(Side::shared(deployer, false), Side::shared(deployer, true))?;
    let mut chosen = scenarios(deployer)?;
    chosen.retain(|scenario| scenario.is_in_tests && !scenario.is_cluster_wide);
    assert!(chosen.len() > 8, "{}", chosen.len());
    let compared = chosen.iter().map(|scenario| async {
        let compared = both(scenario, &shared, &stock, &ours).await;
        anyhow::Ok((&scenario.name, compared.with_context(|| scenario.name.clone())?))
    });
    let compared: Vec<_> = stream::iter(compared)
        .buffer_unordered(AT_ONCE)
        .try_collect()
        .await?;
    for (name, compared) in compared {
        let unexplained = compared.unexplained.join("\n");
        assert!(unexplained.is_empty(), "{name}:\n{unexplained}");
    }
    Ok(())
}

#[tokio::test]
async fn scenarios_leave_the_same() -> Result<()> {
    leave_the_same(Deployer::Helm).await
}
