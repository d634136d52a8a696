//! Printing as Go's fmt does: `Sprint`, `Sprintln`, `Sprintf` with all verbs and flags.
//!
//! `printer` and `number` form a circle: a number is printed by the methods of a printer, which are apart for their size.

mod number;
mod printer;
mod printf;

use crate::error::FuncError;
use crate::value::Value;

pub(crate) use printer::Printer;

/// How many bytes the printing functions without an explicit bound may make.
const DEFAULT_LIMIT: usize = 64 << 20;

/// Prints values as Go's `fmt.Sprint`: a space between two that are not strings.
///
/// Fails if the output would exceed `limit` bytes or a value is nested too deeply.
pub fn sprint(values: &[Value], limit: usize) -> Result<Vec<u8>, FuncError> {
    let mut printer = Printer::new(limit);
    let mut after_string = true;
    for value in values {
        let string = matches!(value, Value::Str(_));
        if !string && !after_string {
            printer.write(b" ");
        }
        printer.print(value, 'v');
        after_string = string;
    }
    printer.finish()
}

/// Prints values as Go's `fmt.Sprintln`: spaces between all, a newline at the end.
pub fn sprintln(values: &[Value], limit: usize) -> Result<Vec<u8>, FuncError> {
    let mut printer = Printer::new(limit);
    for (at, value) in values.iter().enumerate() {
        if at > 0 {
            printer.write(b" ");
        }
        printer.print(value, 'v');
    }
    printer.write(b"\n");
    printer.finish()
}

/// Prints values as Go's `fmt.Sprintf`.
///
/// ```
/// use gotmpl::{Value, sprintf};
///
/// let text = sprintf(b"%-5s|%03d|%s", &["a".into(), Value::int(7), Value::Float(1.5)], 1000).unwrap();
/// assert_eq!(text, b"a    |007|%!s(float64=1.5)");
/// ```
pub fn sprintf(format: &[u8], values: &[Value], limit: usize) -> Result<Vec<u8>, FuncError> {
    let mut printer = Printer::new(limit);
    printf::printf(&mut printer, format, values);
    printer.finish()
}

impl std::fmt::Display for Value {
    /// Prints the value as `%v` does.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let text = sprint(std::slice::from_ref(self), DEFAULT_LIMIT).map_err(|_| std::fmt::Error)?;
        f.write_str(&String::from_utf8_lossy(&text))
    }
}
