//! The way back without this tool: what every plan prints.

use std::collections::BTreeMap;

use super::MigrationPlan;
use crate::DeployerKind;

impl MigrationPlan {
    /// Returns the commands that give everything back to stock, in the order in which they are typed.
    ///
    /// They need neither this tool nor our controller: the label is the whole state. An object that belonged to a shard of stock
    /// gets its former value, by name; then all others lose the label.
    pub fn way_back(&self) -> Vec<String> {
        let Self { label, .. } = self;
        let mut shards: BTreeMap<(DeployerKind, &str, &str), Vec<&str>> = BTreeMap::new();
        for (_, object) in self.moving() {
            if let Some(former) = &object.former_label {
                let key = &object.object.key;
                shards
                    .entry((object.object.kind, &key.namespace, former))
                    .or_default()
                    .push(&key.name);
            }
        }
        let mut commands: Vec<_> = shards
            .into_iter()
            .map(|((kind, namespace, former), names)| {
                format!(
                    "kubectl label {} -n {namespace} {} {}={former} --overwrite",
                    kind.short(),
                    names.join(" "),
                    label.key
                )
            })
            .collect();
        commands.push(format!(
            "kubectl label ks,hr -A -l {key}={value} {key}-",
            key = label.key,
            value = label.value
        ));
        commands
    }
}
