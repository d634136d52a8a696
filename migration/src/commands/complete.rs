//! Completion: scripts for shells, and the protocol in which kubectl and flux ask a plugin.

use std::io::Write;

use clap::{Args, Command};
use clap_complete::Shell;

use crate::cluster::CommandError;

/// Print the script by which a shell completes command lines.
#[derive(Args, Debug)]
pub struct CompletionArgs {
    /// The shell.
    #[arg(value_enum)]
    shell: Shell,
}

/// Prints the script that a shell reads.
pub fn completion(
    args: &CompletionArgs,
    mut command: Command,
    out: &mut dyn Write,
) -> Result<(), CommandError> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut command, "openflux", &mut script);
    Ok(out.write_all(&script)?)
}

/// No file names, as Cobra numbers its directives.
const NO_FILES: u8 = 4;
/// Whatever the shell completes.
const DEFAULT: u8 = 0;

/// Returns the lines that answer Cobra's `__complete WORD...`, of which the last word is the one that is written: candidates, each
/// with its description, and a directive.
pub fn candidates(mut command: Command, words: &[String]) -> Vec<String> {
    command.build();
    let (last, before) = match words.split_last() {
        Some((last, before)) => (last.as_str(), before),
        None => ("", &[][..]),
    };
    let mut at = &command;
    for word in before {
        if let Some(below) = at.find_subcommand(word) {
            at = below;
        }
    }
    let first_line = |text: Option<String>| {
        let text = text.unwrap_or_default();
        text.lines().next().unwrap_or_default().to_owned()
    };
    let mut lines: Vec<String> = Vec::new();
    if last.starts_with('-') {
        let flags = at.get_arguments().filter(|flag| !flag.is_hide_set());
        for flag in flags {
            if let Some(name) = flag.get_long() {
                let help = first_line(flag.get_help().map(ToString::to_string));
                lines.push(format!("--{name}\t{help}"));
            }
        }
    } else if at.has_subcommands() {
        for below in at.get_subcommands().filter(|below| !below.is_hide_set()) {
            let about = first_line(below.get_about().map(ToString::to_string));
            lines.push(format!("{}\t{about}", below.get_name()));
        }
    } else if let Some(kinds) = kinds_of(at.get_name()) {
        lines.extend(kinds.iter().map(|(name, about)| format!("{name}\t{about}")));
    }
    lines.retain(|line| line.starts_with(last));
    let takes_files = !at.has_subcommands() && kinds_of(at.get_name()).is_none() && !last.starts_with('-');
    lines.push(format!(":{}", if takes_files { DEFAULT } else { NO_FILES }));
    lines
}

/// What a command's first word can be.
fn kinds_of(command: &str) -> Option<[(&'static str, &'static str); 2]> {
    (command == "tree").then_some([("ks", "A Kustomization"), ("hr", "A HelmRelease")])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(words: &[&str]) -> Vec<String> {
        let words: Vec<_> = words.iter().map(|word| (*word).to_owned()).collect();
        let command = super::super::with_cluster_commands(Command::new("openflux"));
        candidates(command, &words)
    }

    #[test]
    fn commands_flags_and_kinds_are_offered() {
        assert_eq!(ask(&["get", "art"]), ["artifacts\tShow Artifacts", ":4"]);
        let commands = ask(&[""]);
        assert!(
            commands.iter().any(|line| line.starts_with("trace\t")),
            "{commands:?}"
        );
        let flags = ask(&["tree", "--kube"]);
        assert_eq!(flags.len(), 2, "{flags:?}");
        assert!(flags[0].starts_with("--kubeconfig\t"), "{flags:?}");
        assert_eq!(ask(&["tree", "k"]), ["ks\tA Kustomization", ":4"]);
    }
}
