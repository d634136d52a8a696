//! How a result is printed: for people, or as one document.

use std::env;
use std::io::{IsTerminal, Write};

use clap::{Args, ValueEnum};
use flux_fleet::text::{Style, mask_secrets};
use serde::Serialize;

use super::CommandError;

/// The form of a result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people.
    Table,
    /// For people, with everything.
    Wide,
    /// One JSON document.
    Json,
    /// One YAML document.
    Yaml,
    /// The names of objects, one a line.
    Name,
    /// For pull requests.
    Markdown,
}

/// When there are colours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum When {
    /// On a terminal.
    #[default]
    Auto,
    /// Anywhere.
    Always,
    /// Nowhere.
    Never,
}

/// How the result is printed.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Output")]
pub(crate) struct OutputArgs {
    /// The form of the result; not every command has all.
    #[arg(short, long, value_enum, default_value = "table")]
    output: Format,
    #[command(flatten)]
    style: StyleArgs,
}

/// What is shown to people.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Output")]
pub(crate) struct StyleArgs {
    /// When there are colours; NO_COLOR, CLICOLOR_FORCE and TERM=dumb count too.
    #[arg(long, value_enum, default_value = "auto", value_name = "WHEN")]
    color: When,
    /// Show nothing but ASCII.
    #[arg(long)]
    ascii: bool,
}

impl StyleArgs {
    /// Returns what prints results in a form.
    pub(crate) fn printer(&self, format: Format) -> Printer {
        Printer {
            format,
            style: self.style(Surroundings::of_process()),
        }
    }

    fn style(&self, surroundings: Surroundings) -> Style {
        Style {
            colour: match self.color {
                When::Always => true,
                When::Never => false,
                When::Auto => surroundings.wants_colour(),
            },
            ascii: self.ascii || surroundings.is_ascii,
        }
    }
}

impl OutputArgs {
    /// Returns what prints results, unless the command does not have the form that is asked for.
    pub(crate) fn printer(&self, command: &str, has: &[Format]) -> Result<Printer, CommandError> {
        if !has.contains(&self.output) {
            let name = |format: &Format| {
                let value = format.to_possible_value();
                value.map(|value| value.get_name().to_owned()).unwrap_or_default()
            };
            let all: Vec<_> = has.iter().map(name).collect();
            return Err(CommandError::Usage(format!(
                "{command} has no -o {}: it has {}",
                name(&self.output),
                all.join(", ")
            )));
        }
        Ok(self.style.printer(self.output))
    }
}

/// What the environment says about where the result goes.
#[derive(Clone, Copy, Debug, Default)]
struct Surroundings {
    is_terminal: bool,
    refuses: bool,
    forces: bool,
    is_ascii: bool,
}

impl Surroundings {
    fn of_process() -> Self {
        let set = |name: &str| env::var(name).ok().filter(|value| !value.is_empty());
        let locale = set("LC_ALL").or_else(|| set("LC_CTYPE")).or_else(|| set("LANG"));
        Self {
            is_terminal: std::io::stdout().is_terminal(),
            refuses: set("NO_COLOR").is_some() || env::var("TERM").is_ok_and(|term| term == "dumb"),
            forces: set("CLICOLOR_FORCE").is_some_and(|value| value != "0"),
            is_ascii: locale.is_some_and(|locale| locale == "C" || locale == "POSIX"),
        }
    }

    fn wants_colour(self) -> bool {
        !self.refuses && (self.is_terminal || self.forces)
    }
}

/// Prints lines for people.
pub(crate) fn print_lines(
    out: &mut dyn Write,
    lines: impl IntoIterator<Item = String>,
) -> Result<(), CommandError> {
    for line in lines {
        writeln!(out, "{line}")?;
    }
    Ok(())
}

/// Prints results in one form.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Printer {
    /// The form.
    pub(crate) format: Format,
    /// What can be shown, for people.
    pub(crate) style: Style,
}

impl Printer {
    /// Prints one document if that is asked for, without secrets in URLs; returns whether it was.
    pub(crate) fn document(
        self,
        out: &mut dyn Write,
        document: &impl Serialize,
    ) -> Result<bool, CommandError> {
        let mut value = match self.format {
            Format::Json | Format::Yaml => {
                serde_json::to_value(document).map_err(|error| CommandError::Document(error.to_string()))?
            }
            _ => return Ok(false),
        };
        mask_secrets(&mut value);
        let wrong = |error: String| CommandError::Document(error);
        if self.format == Format::Json {
            let text = serde_json::to_string_pretty(&value).map_err(|error| wrong(error.to_string()))?;
            writeln!(out, "{text}")?;
        } else {
            let text = go_yaml::sigs::value_to_string(&value).map_err(|error| wrong(error.to_string()))?;
            write!(out, "{text}")?;
        }
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn colour(color: When, surroundings: Surroundings) -> bool {
        let args = StyleArgs { color, ascii: false };
        args.style(surroundings).colour
    }

    #[test]
    fn colours_are_for_terminals_that_do_not_refuse_them() {
        let nowhere = Surroundings::default();
        let terminal = Surroundings {
            is_terminal: true,
            ..nowhere
        };
        let refuses = Surroundings {
            refuses: true,
            ..terminal
        };
        let forces = Surroundings {
            forces: true,
            ..nowhere
        };
        assert!(!colour(When::Auto, nowhere));
        assert!(colour(When::Auto, terminal));
        assert!(!colour(When::Auto, refuses));
        assert!(colour(When::Auto, forces));
        assert!(colour(When::Always, refuses));
        assert!(!colour(When::Never, terminal));
    }

    #[test]
    fn a_form_that_a_command_does_not_have_is_refused_with_those_that_it_has() {
        let args = OutputArgs {
            output: Format::Name,
            style: StyleArgs {
                color: When::Never,
                ascii: false,
            },
        };
        let error = args
            .printer("status", &[Format::Table, Format::Json])
            .unwrap_err();
        assert_eq!(error.to_string(), "status has no -o name: it has table, json");
        assert_eq!(error.exit_code(), 2);
    }
}
