//! Making one output: copies, then steps, then what is left out, then its revision.

use std::sync::LazyLock;

use sourceignore::{DEFAULTS, Matcher, Pattern, VCS, read};

use crate::copy::copy;
use crate::error::{Failure, Part, Problem};
use crate::limits::Work;
use crate::path::input_name;
use crate::revision::{check_chart, default_word, word_of};
use crate::spec::Output;
use crate::stage::{Inputs, Stage};
use crate::steps;
use crate::tree::Tree;
use crate::wanted::Wanted;

/// What stock leaves out of artifacts, read once.
static STOCK: LazyLock<Vec<Pattern>> = LazyLock::new(|| {
    let lines = VCS.iter().chain(DEFAULTS);
    lines.map(|line| Pattern::parse(line, &[])).collect()
});

/// An output that was made.
#[derive(Clone, Debug)]
pub struct Built {
    /// Its files; there is at least one.
    pub files: Tree,
    /// What its revision begins with.
    pub word: String,
    /// SHA-256 of its archive, in hex.
    pub content: String,
    /// Where it comes from.
    pub origin: Option<String>,
    /// What people should know, though it is no failure.
    pub warnings: Vec<String>,
}

impl Built {
    /// Gives the revision, which is another one exactly when the files, or its word, are.
    pub fn revision(&self) -> String {
        format!("{}@sha256:{}", self.word, self.content)
    }
}

/// Makes one output.
///
/// It is a pure function of what it is given: no file, no clock, no chance, no network.
///
/// # Errors
/// See [`Failure`].
pub fn build(wanted: &Wanted, inputs: &Inputs, work: &Work) -> Result<Built, Failure> {
    let output = &wanted.output;
    let name = Some(wanted.name.as_deref().unwrap_or("(unnamed)"));
    let mut stage = Stage::new(inputs, work);
    for (number, one) in output.copy.iter().enumerate() {
        let part = Part::Copy(number + 1);
        stage.begin(part.clone());
        copy(&mut stage, one).map_err(|problem| problem.at(name, part))?;
    }
    for (number, step) in output.steps.iter().enumerate() {
        let part = Part::Step(number + 1, step.kind());
        stage.begin(part.clone());
        work.spend(1)
            .and_then(|()| steps::run(&mut stage, step))
            .map_err(|problem| problem.at(name, part))?;
    }
    finish(stage, output, inputs).map_err(|problem| problem.at(name, Part::Whole))
}

fn finish(mut stage: Stage<'_>, output: &Output, inputs: &Inputs) -> Result<Built, Problem> {
    leave_out(&mut stage, output)?;
    if stage.tree().is_empty() {
        return Err(Problem::nothing(
            "copy",
            "the output would have no file; correct what it is made of",
        ));
    }
    let source = |text: &Option<String>| {
        let name = text.as_deref().and_then(|text| input_name("", text).ok())?;
        inputs.get(name)
    };
    let word = match (stage.word.take(), output.revision.as_deref()) {
        (Some(version), _) => version,
        (None, None) => default_word(),
        (None, Some(text)) if !text.starts_with('@') => text.to_owned(),
        (None, Some(_)) => source(&output.revision)
            .and_then(|source| source.revision.as_deref())
            .map_or_else(default_word, word_of),
    };
    check_chart(stage.tree(), &word)?;
    let origin = source(&output.origin).and_then(|source| {
        let origin = source.origin.as_ref().or(source.revision.as_ref());
        origin.cloned()
    });
    let warnings = std::mem::take(&mut stage.warnings);
    let work = stage.work;
    let files = stage.into_tree();
    let content = match work.memo() {
        Some(memo) => memo.content_hash(&files),
        None => files.content_hash(),
    };
    let content = content.map_err(|error| Problem::Build(error.to_string()))?;
    Ok(Built {
        files,
        word,
        content,
        origin,
        warnings,
    })
}

/// Takes out what the rules of the output say.
fn leave_out(stage: &mut Stage<'_>, output: &Output) -> Result<(), Problem> {
    let defaults: &[Pattern] = if output.ignore_defaults { &STOCK } else { &[] };
    let own = output.ignore.as_ref().map(|ignore| read(ignore, &[]));
    let patterns: Vec<_> = defaults
        .iter()
        .cloned()
        .chain(own.into_iter().flatten())
        .collect();
    if patterns.is_empty() {
        return Ok(());
    }
    let matcher = Matcher::new(patterns);
    let mut ignored = Vec::new();
    for (path, _) in stage.tree().files() {
        stage.work.spend(matcher.len() as u64)?;
        if matcher.ignores(path, false) {
            ignored.push(path.to_owned());
        }
    }
    for path in ignored {
        stage.remove(&path);
    }
    Ok(())
}
