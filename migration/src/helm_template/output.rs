//! Writing what a chart renders to, as one stream or as a file per template.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashSet};
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

use helm::{File, Rendered, Shown};

use super::HelmTemplateArgs;

/// Which parts of what is rendered are wanted.
pub(super) fn shown(args: &HelmTemplateArgs) -> Shown {
    Shown {
        crds: args.include_crds,
        hooks: !args.no_hooks,
        tests: !args.skip_tests,
    }
}

fn crd_text(crd: &File) -> io::Result<Cow<'_, str>> {
    let bytes = crd.content.bytes().map_err(io::Error::other)?;
    Ok(String::from_utf8_lossy(bytes))
}

/// Writes CRDs, manifests and hooks as files below a folder, and their names to `out`.
pub(super) fn write_files(
    folder: &Path,
    crd_folder: &Path,
    args: &HelmTemplateArgs,
    rendered: &Rendered,
    out: &mut dyn Write,
) -> io::Result<()> {
    let mut writer = FileWriter {
        written: HashSet::new(),
        out,
    };
    if args.include_crds {
        for crd in &rendered.crds {
            writer.write(crd_folder, &crd.name, &crd_text(crd)?)?;
        }
    }
    for manifest in &rendered.manifests {
        writer.write(folder, &manifest.path, &manifest.content)?;
    }
    for hook in rendered.shown_hooks(shown(args)) {
        writer.write(folder, &hook.path, &hook.manifest)?;
    }
    // Helm still prints the stream, which is empty.
    writeln!(writer.out)
}

/// Prints all rendered files as they are, for a user who looks for the fault.
pub(super) fn write_unsorted(files: &BTreeMap<String, Vec<u8>>, out: &mut dyn Write) -> io::Result<()> {
    let mut text = Vec::new();
    for (name, content) in files {
        if !content.trim_ascii().is_empty() {
            write!(text, "---\n# Source: {name}\n")?;
            text.extend_from_slice(content);
            text.push(b'\n');
        }
    }
    out.write_all(text.trim_ascii())?;
    writeln!(out)
}

struct FileWriter<'w> {
    /// Files of this run, to which later documents are added.
    written: HashSet<String>,
    out: &'w mut dyn Write,
}

impl FileWriter<'_> {
    fn write(&mut self, folder: &Path, name: &str, content: &str) -> io::Result<()> {
        let path = folder.join(name);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        let shown = format!("{}/{name}", folder.display());
        let append = !self.written.insert(shown.clone());
        let mut file = OpenOptions::new()
            .create(true)
            .write(true)
            .append(append)
            .truncate(!append)
            .open(path)?;
        write!(file, "---\n# Source: {name}\n{content}\n")?;
        writeln!(self.out, "wrote {shown}")
    }
}
