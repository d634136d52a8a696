//! Flags for one controller of several: `--kustomize.concurrent=8` is `--concurrent=8` for the kustomize controller alone.

use std::collections::BTreeMap;
use std::ffi::OsString;

use clap::builder::Resettable;
use clap::{Args, Command, Error};

/// The arguments that are for one controller alone, by its name; without the name, as they would be for all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OwnArguments(BTreeMap<String, Vec<String>>);

impl OwnArguments {
    /// Takes the arguments that are for one of `controllers` out of a command line.
    pub fn split(
        arguments: impl IntoIterator<Item = OsString>,
        controllers: &[&str],
    ) -> (Vec<OsString>, Self) {
        let (mut shared, mut own) = (Vec::new(), Self::default());
        for argument in arguments {
            let for_one = argument.to_str().and_then(|text| {
                let (name, flag) = text.strip_prefix("--")?.split_once('.')?;
                controllers
                    .contains(&name)
                    .then(|| (name.to_owned(), format!("--{flag}")))
            });
            match for_one {
                Some((name, flag)) => own.0.entry(name).or_default().push(flag),
                None => shared.push(argument),
            }
        }
        (shared, own)
    }

    /// Gives the flags of one controller: `shared` with what is meant for it alone. Values follow an equals sign.
    ///
    /// # Errors
    /// A flag that there is not, or a value that it does not take.
    pub fn apply<F: Args + Clone>(&self, controller: &str, shared: &F) -> Result<F, Error> {
        let Some(arguments) = self.0.get(controller) else {
            return Ok(shared.clone());
        };
        let command = F::augment_args_for_update(Command::new(controller.to_owned()).no_binary_name(true));
        // What is not given stays as it is for all.
        let command = command.args_override_self(true).mut_args(|argument| {
            argument
                .default_value(Resettable::<clap::builder::OsStr>::Reset)
                .required(false)
        });
        let matches = command.try_get_matches_from(arguments)?;
        let mut flags = shared.clone();
        flags.update_from_arg_matches(&matches)?;
        Ok(flags)
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::DeployerFlags;

    #[derive(Parser)]
    struct Flags {
        #[command(flatten)]
        deployer: DeployerFlags,
    }

    fn split(arguments: &[&str]) -> (DeployerFlags, OwnArguments) {
        let arguments = arguments.iter().map(OsString::from);
        let (shared, own) = OwnArguments::split(arguments, &["kustomize", "helm"]);
        let shared = Flags::try_parse_from(shared).expect("flags").deployer;
        (shared, own)
    }

    #[test]
    fn each_controller_has_its_own_flags_over_those_of_all() {
        let (shared, own) = split(&[
            "program",
            "--helm.concurrent=8",
            "--concurrent=2",
            "--http-retry",
            "3",
            "--helm.no-cross-namespace-refs",
            "--kustomize.feature-gates=A=true,B=false",
            "--watch-label-selector=a.b/c=d.e",
        ]);
        assert_eq!((shared.concurrent, shared.http_retry), (2, 3));
        let kustomize = own.apply("kustomize", &shared).expect("flags");
        assert_eq!(kustomize.concurrent, 2);
        assert_eq!(kustomize.feature_gates, ["A=true", "B=false"]);
        let helm = own.apply("helm", &shared).expect("flags");
        assert_eq!((helm.concurrent, helm.http_retry), (8, 3));
        assert!(helm.no_cross_namespace_refs && !kustomize.no_cross_namespace_refs);
        assert_eq!(helm.watch_label_selector, "a.b/c=d.e");
        assert!(helm.feature_gates.is_empty());
    }

    #[test]
    fn what_a_controller_does_not_know_is_an_error() {
        for wrong in ["--helm.nope=1", "--helm.concurrent=x", "--helm.concurrent"] {
            let (shared, own) = split(&["program", wrong]);
            assert!(own.apply("helm", &shared).is_err(), "{wrong}");
            assert!(own.apply("kustomize", &shared).is_ok(), "{wrong}");
        }
    }
}
