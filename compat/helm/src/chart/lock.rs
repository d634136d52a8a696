//! `Chart.lock`: which versions of its dependencies a chart was packed with.

use go_std::go_record;
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use crate::chart::metadata::Dependency;
use crate::{Time, go_json};

/// The content of a `Chart.lock`; it takes no part in rendering, but release records keep it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Lock {
    /// When it was written.
    pub generated: Time,
    /// A digest of the dependencies in `Chart.yaml`.
    pub digest: String,
    /// The versions; nothing if the file does not have the list. Nothing stands for an entry that is null.
    pub dependencies: Option<Vec<Option<Dependency>>>,
}

impl Lock {
    /// The digest of what a chart asks for and of what was found for it, as `helm dependency` computes it.
    pub fn digest_of(wanted: Option<&[Dependency]>, locked: Option<&[Option<Dependency>]>) -> String {
        digest(&(wanted, locked))
    }

    /// The digest of what a chart asks for alone, as Helm 2 computed it.
    pub fn digest_of_helm_2(wanted: Option<&[Dependency]>) -> String {
        #[derive(Serialize)]
        struct Wanted<'d> {
            dependencies: Option<&'d [Dependency]>,
        }
        digest(&Wanted { dependencies: wanted })
    }

    /// The text of the file.
    ///
    /// # Errors
    /// A value of a dependency is none that YAML holds.
    pub fn to_yaml(&self) -> Result<String, go_yaml::Error> {
        go_yaml::sigs::to_string(self)
    }
}

fn digest(value: &impl Serialize) -> String {
    let mut json = Vec::new();
    // Texts, lists and values that were JSON before can all be written.
    let _ = go_json::write(&mut json, value);
    format!("sha256:{}", flux_archive::hex(&Sha256::digest(&json)))
}

go_record!(Lock = "v2.Lock" {
    generated = "generated",
    digest = "digest",
    dependencies = "dependencies",
});
