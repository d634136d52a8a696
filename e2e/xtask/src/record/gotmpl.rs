//! Go templates, recorded from Go's text/template.

use std::fs::File;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::Result;

use super::Recorder;
use crate::workspace::run;

pub(super) const GOTMPL: Recorder = Recorder {
    name: "gotmpl",
    about: "compat/gotmpl/cases from Go's text/template",
    run: record,
};

fn record(root: &Path) -> Result<()> {
    let oracle = super::build_oracle(root, "gotmpl-oracle")?;
    let cases = root.join("compat/gotmpl/cases");
    for topic in super::folders(&cases)? {
        let input = File::open(topic.join("cases.jsonl"))?;
        let output = File::create(topic.join("expected.jsonl"))?;
        run(Command::new(&oracle)
            .stdin(Stdio::from(input))
            .stdout(Stdio::from(output)))?;
    }
    Ok(())
}
