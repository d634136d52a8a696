//! Trees and values to text.

mod analysis;
mod options;
mod tree;
mod value;
mod writer;

pub use options::EmitOptions;
pub(crate) use tree::write_document;
pub(crate) use value::{is_base60, write_value, write_value_bytewise, write_value_within};

use crate::scanner::{Flavor, ScalarStyle};
use crate::{Error, Style};

/// The deepest tree that is printed. It bounds recursion, and lies above what the readers build.
const MAX_DEPTH: usize = 1024;

/// The style in which `yaml.v3` writes a string as the value of a block collection: literal for several lines, else plain,
/// or quoted where the text asks for it.
pub(crate) fn style_in_block(text: &str) -> Style {
    let wanted = if text.contains('\n') {
        ScalarStyle::Literal
    } else {
        ScalarStyle::Plain
    };
    let analysis = analysis::analyze(Flavor::V3, text);
    match writer::select_style(wanted, analysis, text.is_empty(), false, false) {
        ScalarStyle::Plain => Style::DEFAULT,
        ScalarStyle::SingleQuoted => Style::SINGLE_QUOTED,
        ScalarStyle::DoubleQuoted => Style::DOUBLE_QUOTED,
        ScalarStyle::Literal => Style::LITERAL,
        ScalarStyle::Folded => Style::FOLDED,
    }
}

fn too_deep() -> Error {
    Error::limit(format!("yaml: nested more than {MAX_DEPTH} levels deep"))
}
