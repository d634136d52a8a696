//! What a chart renders to as one text, as `helm template` prints it.

use std::io::{self, Write};

use crate::manifest::{Hook, HookEvent};
use crate::render::renderer::Rendered;

/// Which parts of what a chart renders to are shown beside its objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shown {
    /// The files of `crds/`.
    pub crds: bool,
    /// The hooks.
    pub hooks: bool,
    /// Those hooks that are tests.
    pub tests: bool,
}

impl Rendered {
    /// The hooks that are shown.
    pub fn shown_hooks(&self, shown: Shown) -> impl Iterator<Item = &Hook> {
        let hooks = if shown.hooks { &self.hooks[..] } else { &[] };
        hooks
            .iter()
            .filter(move |hook| shown.tests || !hook.events.contains(&HookEvent::Test))
    }

    /// Writes CRDs, manifests and hooks as one stream of documents, byte for byte as `helm template` does.
    pub fn write_stream(&self, shown: Shown, out: &mut dyn Write) -> io::Result<()> {
        // Helm trims the part before the hooks, which then ends in one line feed: what may be trimmed waits.
        let mut trimmed = Trimmed {
            out,
            waiting: String::new(),
        };
        if shown.crds {
            for crd in &self.crds {
                let bytes = crd.content.bytes().map_err(io::Error::other)?;
                trimmed.document(&crd.name, &String::from_utf8_lossy(bytes))?;
            }
        }
        for manifest in &self.manifests {
            trimmed.document(&manifest.path, &manifest.content)?;
        }
        let out = trimmed.out;
        writeln!(out)?;
        for hook in self.shown_hooks(shown) {
            write!(out, "---\n# Source: {}\n{}\n", hook.path, hook.manifest)?;
        }
        Ok(())
    }
}

struct Trimmed<'w> {
    out: &'w mut dyn Write,
    /// White space that is written only if more text follows.
    waiting: String,
}

impl Trimmed<'_> {
    fn document(&mut self, name: &str, text: &str) -> io::Result<()> {
        self.out.write_all(self.waiting.as_bytes())?;
        self.waiting.clear();
        let kept = text.trim_end();
        if kept.is_empty() {
            // Even the name can end in white space.
            let head = format!("---\n# Source: {name}");
            let shown = head.trim_end();
            self.out.write_all(shown.as_bytes())?;
            self.waiting.push_str(&head[shown.len()..]);
            self.waiting.push('\n');
        } else {
            write!(self.out, "---\n# Source: {name}\n{kept}")?;
        }
        self.waiting.push_str(&text[kept.len()..]);
        self.waiting.push('\n');
        Ok(())
    }
}
