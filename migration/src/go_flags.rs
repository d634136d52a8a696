//! The rules of Go's pflag, which `helm` and `kustomize` use, for a command line of clap.

use clap::{Arg, ArgAction, Command};

/// Makes a command and its subcommands read flags as pflag does.
///
/// A boolean flag takes a value behind `=` (`--no-hooks=false`), never as a word of its own, and of a flag that is
/// given twice the last counts. Lists still collect.
#[must_use]
pub fn with_go_flags(command: Command) -> Command {
    command
        .args_override_self(true)
        .mut_args(|arg| match arg.get_action() {
            ArgAction::SetTrue => go_switch(arg),
            _ => arg,
        })
        .mut_subcommands(with_go_flags)
}

fn go_switch(arg: Arg) -> Arg {
    arg.action(ArgAction::Set)
        .value_parser(parse_bool)
        .value_name("BOOL")
        .num_args(0..=1)
        .require_equals(true)
        .default_value("false")
        .default_missing_value("true")
        .hide_default_value(true)
}

/// Go's `strconv.ParseBool`.
fn parse_bool(text: &str) -> Result<bool, String> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        _ => Err(format!(
            "strconv.ParseBool: parsing {}: invalid syntax",
            gotmpl::quote(text.as_bytes())
        )),
    }
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory as _, FromArgMatches as _, Parser};

    use super::with_go_flags;

    #[derive(Debug, Default, PartialEq, Parser)]
    #[command(no_binary_name = true)]
    struct Flags {
        #[arg(short = 'x', long)]
        switch: bool,
        #[arg(short, long)]
        name: Option<String>,
        #[arg(short, long)]
        list: Vec<String>,
        words: Vec<String>,
    }

    fn read(args: &[&str]) -> Result<Flags, clap::Error> {
        let matches = with_go_flags(Flags::command()).try_get_matches_from(args)?;
        Flags::from_arg_matches(&matches)
    }

    #[track_caller]
    fn check(args: &[&str], expected: Flags) {
        assert_eq!(read(args).ok(), Some(expected), "{args:?}");
    }

    fn switched(switch: bool) -> Flags {
        Flags {
            switch,
            ..Flags::default()
        }
    }

    #[test]
    fn switches_take_values_behind_an_equals_sign() {
        check(&[], switched(false));
        for on in [
            "--switch",
            "-x",
            "--switch=true",
            "--switch=T",
            "--switch=1",
            "-x=true",
            "-x=TRUE",
        ] {
            check(&[on], switched(true));
        }
        for off in ["--switch=false", "--switch=F", "--switch=0", "-x=False"] {
            check(&[off], switched(false));
        }
        for wrong in ["--switch=yes", "--switch=", "--switch=tRUE", "-x=2"] {
            assert!(read(&[wrong]).is_err(), "{wrong}");
        }
        let words = vec!["false".to_owned()];
        check(
            &["--switch", "false"],
            Flags {
                words,
                ..switched(true)
            },
        );
        let name = Some("n".to_owned());
        check(
            &["-xn", "n"],
            Flags {
                name,
                ..switched(true)
            },
        );
    }

    #[test]
    fn the_last_flag_counts_and_lists_collect() {
        check(&["--switch", "--switch=false"], switched(false));
        check(&["--switch=0", "-x"], switched(true));
        let name = Some("b".to_owned());
        check(
            &["--name=a", "-n", "b"],
            Flags {
                name,
                ..Flags::default()
            },
        );
        let list = vec!["a".to_owned(), "b".to_owned()];
        check(
            &["--list=a", "-l", "b"],
            Flags {
                list,
                ..Flags::default()
            },
        );
    }
}
