//! The rules of Go's pflag, which `helm` and `kustomize` use, for a command line of clap.

use clap::error::{ContextKind, ErrorKind};
use clap::{Arg, ArgAction, Command};

/// Makes a command and its subcommands read flags as pflag does.
///
/// A boolean flag takes a value behind `=` (`--no-hooks=false`), never as a word of its own, and of a flag that is
/// given twice the last counts. Lists still collect. A flag that needs a value takes the next word, whatever it looks like.
#[must_use]
pub fn with_go_flags(command: Command) -> Command {
    command
        .args_override_self(true)
        .mut_args(|arg| match arg.get_action() {
            ArgAction::SetTrue => go_switch(arg),
            _ if arg.is_positional() => arg,
            _ => arg.allow_hyphen_values(true),
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

/// Says what is wrong with a command line as pflag and cobra say it, in one line.
///
/// `args` are the words that were parsed. `None` for what is no mistake in a flag: help, versions, and commands without
/// the subcommand that they need.
#[must_use]
pub fn go_flag_error(error: &clap::Error, args: &[String]) -> Option<String> {
    let context = |kind| error.get(kind).map(ToString::to_string);
    // clap names a flag together with its value: `--output <PATH>`, `--no-hooks[=<BOOL>]`.
    let flag = context(ContextKind::InvalidArg).unwrap_or_default();
    let flag = flag.split([' ', '=', '[']).next().unwrap_or_default();
    match error.kind() {
        ErrorKind::UnknownArgument => Some(unknown_flag(flag, args)),
        ErrorKind::InvalidValue
            if context(ContextKind::InvalidValue).is_none_or(|value| value.is_empty()) =>
        {
            let last = args.last().map_or(flag, String::as_str);
            Some(match last.strip_prefix('-') {
                Some(letters) if !letters.starts_with('-') => {
                    let letter = letters.chars().next_back().unwrap_or_default();
                    format!("flag needs an argument: '{letter}' in -{letter}")
                }
                _ => format!("flag needs an argument: {last}"),
            })
        }
        ErrorKind::InvalidValue | ErrorKind::ValueValidation => {
            let value = context(ContextKind::InvalidValue).unwrap_or_default();
            let legal = context(ContextKind::ValidValue).map(|legal| format!("must be one of {legal}"));
            let source = std::error::Error::source(error).map(ToString::to_string);
            let reason = source.or(legal).unwrap_or_else(|| "invalid syntax".to_owned());
            let value = go_std::quote(value.as_bytes());
            Some(format!("invalid argument {value} for \"{flag}\" flag: {reason}"))
        }
        ErrorKind::InvalidSubcommand => {
            let name = context(ContextKind::InvalidSubcommand).unwrap_or_default();
            Some(format!("unknown command {}", go_std::quote(name.as_bytes())))
        }
        _ => None,
    }
}

fn unknown_flag(flag: &str, args: &[String]) -> String {
    match flag.strip_prefix('-') {
        Some(letter) if !letter.starts_with('-') => {
            // pflag shows the word of joined flags from the unknown one on.
            let joined = args
                .iter()
                .filter_map(|word| word.strip_prefix('-').filter(|word| !word.starts_with('-')))
                .find_map(|word| word.find(letter).map(|at| &word[at..]));
            format!(
                "unknown shorthand flag: '{letter}' in -{}",
                joined.unwrap_or(letter)
            )
        }
        _ => format!("unknown flag: {flag}"),
    }
}

/// Go's `strconv.ParseBool`, with its message.
pub(crate) fn parse_bool(text: &str) -> Result<bool, String> {
    go_std::parse_bool(text).ok_or_else(|| go_std::NumError::Syntax.of_call("ParseBool", text))
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory as _, FromArgMatches as _, Parser};

    use super::{go_flag_error, with_go_flags};

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

    #[test]
    fn a_flag_takes_the_next_word_whatever_it_looks_like() {
        let name = Some("-x".to_owned());
        check(
            &["--name", "-x"],
            Flags {
                name,
                ..Flags::default()
            },
        );
    }

    /// The texts are pflag's, as `kustomize build` and `helm template` print them.
    #[test]
    fn mistakes_are_told_in_the_words_of_pflag() {
        for (args, expected) in [
            (&["--bogus"][..], "unknown flag: --bogus"),
            (&["--bogus=1"], "unknown flag: --bogus"),
            (&["-z"], "unknown shorthand flag: 'z' in -z"),
            (&["-xzq"], "unknown shorthand flag: 'z' in -zq"),
            (&["a", "--name"], "flag needs an argument: --name"),
            (&["a", "-n"], "flag needs an argument: 'n' in -n"),
            (&["a", "-xn"], "flag needs an argument: 'n' in -n"),
            (
                &["--switch=yes"],
                "invalid argument \"yes\" for \"--switch\" flag: strconv.ParseBool: parsing \"yes\": invalid syntax",
            ),
        ] {
            let words: Vec<String> = args.iter().map(|word| (*word).to_owned()).collect();
            let error = read(args).unwrap_err();
            assert_eq!(
                go_flag_error(&error, &words).as_deref(),
                Some(expected),
                "{args:?}"
            );
        }
    }
}
