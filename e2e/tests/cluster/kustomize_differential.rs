//! A slice of the scenarios that `cargo xtask diff-kustomize` plays: stock's controller and ours leave the same.

use anyhow::Result;
use e2e::differential::Deployer;

use crate::helm_differential::leave_the_same;

#[tokio::test]
async fn scenarios_leave_the_same() -> Result<()> {
    leave_the_same(Deployer::Kustomize).await
}
