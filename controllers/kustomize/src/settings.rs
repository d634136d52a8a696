//! What an operator chooses about the controller.

use controller_kit::apply::CustomStage;

use crate::{DecryptionSettings, RemoteBases};

/// Settings of the kustomize controller; the defaults are stock's, but that remote bases need a client.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What all deployers have.
    pub deployer: flux_deployer::Settings,
    /// How many objects of one Kustomization are verified at once (`--concurrent-ssa`).
    pub concurrent_ssa: usize,
    /// What kustomizations may fetch from other machines; nothing when absent (`--no-remote-bases`).
    pub remote_bases: Option<RemoteBases>,
    /// What `spec.decryption` may decrypt with.
    pub decryption: DecryptionSettings,
    /// Kinds of the custom apply stage (`--custom-apply-stage-kinds`).
    pub custom_stage: CustomStage,
    /// Whether variables that are not set are errors (gate `StrictPostBuildSubstitutions`).
    pub strict_substitution: bool,
    /// Whether entries of `managedFields` are moved to the applied API version (gate `MigrateAPIVersion`).
    pub migrate_api_version: bool,
    /// Whether logged change sets are grouped by action (gate `GroupChangeLog`).
    pub group_change_log: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            deployer: flux_deployer::Settings::default(),
            concurrent_ssa: 4,
            remote_bases: None,
            decryption: DecryptionSettings::default(),
            custom_stage: CustomStage::default(),
            strict_substitution: true,
            migrate_api_version: false,
            group_change_log: false,
        }
    }
}
