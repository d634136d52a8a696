//! Releases as helm-controller post-renders them.

use std::path::Path;
use std::process::Command;

use anyhow::Result;

use super::{Recorder, build_oracle, folders};
use crate::workspace::run;

pub(super) const POST_RENDER: Recorder = Recorder {
    name: "post-render",
    about: "controllers/helm/post-render from helm-controller's own post-renderers and Helm's SDK",
    run: record,
};

fn record(root: &Path) -> Result<()> {
    let cases = folders(&root.join("controllers/helm/post-render"))?;
    run(Command::new(build_oracle(root, "post-render-oracle")?).args(cases))
}
