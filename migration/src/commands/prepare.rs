//! `openflux migrate prepare`.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use flux_fleet::Subject;
use flux_fleet::doctor::Facts;
use flux_fleet::git::{Excluded, Repository, exclude};
use flux_fleet::prepare::{Edit, Preparation};
use flux_fleet::text::{clean, count};

use super::Outcome;
use crate::checkout::{self, Dirty};
use crate::cluster::{CommandError, ConnectArgs, Format, OutputArgs, duration, facts, print_lines};

/// How often the Deployments are looked at while they roll out.
const GLANCE: Duration = Duration::from_secs(2);

/// What is shown, and whether it is waited for.
#[derive(Args, Debug)]
pub(crate) struct PrepareArgs {
    /// A checkout of the repository that brings the Deployments: shows what of it changes.
    #[arg(long, value_name = "DIR", conflicts_with = "wait")]
    git: Option<PathBuf>,
    /// The folder where the cluster begins, such as clusters/production, if no Kustomization of the cluster says it.
    #[arg(long, value_name = "FOLDER", requires = "git")]
    path: Option<String>,
    /// Write the file of the checkout; nothing is committed.
    #[arg(long, requires = "git")]
    write: bool,
    /// Edit a file that has changes which are not committed.
    #[arg(long, requires = "git")]
    allow_dirty: bool,
    /// Wait until every stock controller leaves labelled objects alone, and has rolled out.
    #[arg(long)]
    wait: bool,
    /// How long that may take.
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "5m", requires = "wait")]
    timeout: Duration,
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    connect: ConnectArgs,
}

pub(crate) async fn prepare(args: &PrepareArgs, out: &mut dyn Write) -> Result<Outcome, CommandError> {
    let printer = args
        .output
        .printer("migrate prepare", &[Format::Table, Format::Json, Format::Yaml])?;
    let cluster = args.connect.connect().await?;
    let end = tokio::time::Instant::now() + args.timeout;
    let (mut preparation, facts) = loop {
        let facts = facts(&cluster, true).await?;
        let preparation = Preparation::of(&facts);
        if !args.wait || preparation.is_done() || tokio::time::Instant::now() >= end {
            break (preparation, facts);
        }
        tokio::time::sleep(GLANCE).await;
    };
    let mut lines = Vec::new();
    if let Some(root) = args.git.as_deref().filter(|_| !preparation.changes.is_empty()) {
        lines = edit(args, root, &facts, &mut preparation)?;
    }
    if !printer.document(out, &preparation)? {
        print_lines(out, preparation.lines(printer.style))?;
        print_lines(out, lines)?;
    }
    Ok(if preparation.is_done() {
        Outcome::Done
    } else {
        Outcome::Finding
    })
}

/// Puts the change into the checkout; gives what is told of that.
fn edit(
    args: &PrepareArgs,
    root: &Path,
    facts: &Facts,
    preparation: &mut Preparation,
) -> Result<Vec<String>, CommandError> {
    let (holder, arguments) = preparation.edit_of_git().map_err(CommandError::Usage)?;
    let (checkout, _) = checkout::read(root)?;
    let repository = Repository::starting_at(&checkout, args.path.as_deref());
    let paths = match &args.path {
        Some(path) => vec![path.clone()],
        None => Subject::all(&facts.world)
            .into_iter()
            .map(|subject| subject.path)
            .collect(),
    };
    let cluster = repository.cluster_at(&paths).ok_or_else(|| {
        CommandError::NotFound(
            "the checkout has no folder that a Kustomization of this cluster begins with: name it with --path"
                .to_owned(),
        )
    })?;
    let found = exclude(&checkout, &repository, cluster, &holder, &arguments);
    let found = found.map_err(|why| CommandError::Usage(format!("{}: {}", root.display(), clean(&why))))?;
    let Some(Excluded {
        file,
        line,
        text,
        roots,
    }) = found
    else {
        return Ok(vec![
            String::new(),
            "The checkout has the change already: commit and push it, and wait until it is applied."
                .to_owned(),
        ]);
    };
    let diff = checkout::unified(&file, checkout.get(&file).unwrap_or_default(), &text);
    let mut lines: Vec<_> = std::iter::once(String::new())
        .chain(diff.lines().map(str::to_owned))
        .collect();
    if args.write {
        let dirty = if args.allow_dirty {
            Dirty::Allowed
        } else {
            Dirty::Refused
        };
        checkout::write(root, &BTreeMap::from([(file.clone(), text)]), dirty)?;
    }
    lines.push(format!(
        "Built {} before and after: the arguments of these Deployments differ, nothing else. {}",
        count(roots, "root"),
        if args.write {
            "Written; nothing is committed."
        } else {
            "Nothing written (--write)."
        }
    ));
    preparation.edit = Some(Edit {
        file,
        line,
        written: args.write,
    });
    Ok(lines)
}
