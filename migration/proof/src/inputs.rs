//! A digest of what a proof rests on.

use flux_api::InventoryEntry;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::Config;

/// What a proof rests on; as long as all of it is the same, the proof holds.
pub struct Inputs<'a> {
    /// The uid of the object.
    pub uid: &'a str,
    /// Its spec.
    pub spec: &'a Value,
    /// The digest of the artifact.
    pub artifact: &'a str,
    /// What the object has listed.
    pub inventory: &'a [InventoryEntry],
    /// The ConfigMaps and Secrets that were read.
    pub configs: &'a [Config],
}

impl Inputs<'_> {
    /// Gives the digest; of ConfigMaps and Secrets it has the versions, and nothing of what is in them.
    pub fn digest(&self) -> String {
        let mut hash = Sha256::new();
        let mut add = |text: &str| {
            hash.update((text.len() as u64).to_be_bytes());
            hash.update(text);
        };
        add(self.uid);
        add(&self.spec.to_string());
        add(self.artifact);
        for entry in self.inventory {
            add(&entry.id);
            add(&entry.version);
        }
        for config in self.configs {
            add(&config.kind);
            add(&config.name);
            add(config.version.as_deref().unwrap_or_default());
        }
        let hash = hash.finalize();
        let hex = hash.iter();
        hex.fold("sha256:".to_owned(), |text, byte| format!("{text}{byte:02x}"))
    }
}
