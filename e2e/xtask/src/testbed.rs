//! `cargo xtask testbed`, `demo`, `diff-helm`, `diff-kustomize`, `stock-suite` and `image`: programs of the crate `e2e`,
//! which link what this one does without.

use anyhow::Result;
use e2e::tools::Tool;

use crate::workspace::{cargo, run};
use crate::{tools, workspace};

/// What the demo starts, longest build first.
const DEMO_TOOLS: &[Tool] = &[
    Tool::KubeApiserver,
    Tool::KubeControllerManager,
    Tool::SourceController,
    Tool::Etcd,
];

const PROGRAMS: &[&str] = &[
    "build",
    "--package",
    "e2e",
    "--bin",
    "testbed",
    "--package",
    "openflux-controller",
    "--bin",
    "openflux-controller",
    "--package",
    "controller-examples",
    "--bins",
];

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// What is passed on; see `--help` of the task.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    rest: Vec<String>,
}

/// Shows the main job; the stock tools that it needs are built while the workspace compiles.
pub(crate) fn demo(arguments: &Arguments) -> Result<()> {
    if !arguments.rest.iter().any(|argument| argument == "--help") {
        workspace::explain(
            "On a machine that has built nothing yet this takes about ten minutes on two cores: cargo compiles the\n\
             controllers while Go builds the control plane and the stock source-controller. Later runs take seconds.",
        );
        let tools = tools::in_background(DEMO_TOOLS);
        run(&mut cargo(PROGRAMS))?;
        tools.finished()?;
    }
    forward(&["demo"], arguments)
}

/// Compares the Helm controllers.
pub(crate) fn diff_helm(arguments: &Arguments) -> Result<()> {
    program("differential", &["diff-helm"], arguments)
}

/// Compares the kustomize controllers.
pub(crate) fn diff_kustomize(arguments: &Arguments) -> Result<()> {
    program("differential", &["diff-kustomize"], arguments)
}

/// Runs the tests of a stock controller on ours.
pub(crate) fn stock_suite(arguments: &Arguments) -> Result<()> {
    program("stock-suite", &[], arguments)
}

/// Makes the image of the controller.
pub(crate) fn image(arguments: &Arguments) -> Result<()> {
    program("image", &[], arguments)
}

/// Runs the testbed's program.
pub(crate) fn forward(task: &[&str], arguments: &Arguments) -> Result<()> {
    program("testbed", task, arguments)
}

fn program(name: &str, task: &[&str], arguments: &Arguments) -> Result<()> {
    let command = ["run", "--quiet", "--package", "e2e", "--bin", name, "--"];
    run(cargo(command).args(task).args(&arguments.rest))
}
