//! Verifying one object: what a dry-run and the live object tell of it.

use serde_json::Value;

use super::ApplyError;
use super::engine::{Applier, ApplyOptions, Mode};
use super::plan::{Planned, Step, is_ignored};
use crate::object::{has_marker, id_of, metadata_text, resource_version};
use crate::ownership::{content_hash, markers, migration_patch, owned_hash};

/// How often a patch is made anew because somebody else wrote in between.
pub(super) const ATTEMPTS: u32 = 5;

impl Applier<'_> {
    /// Finds out by dry-run what applying the object would change.
    pub(super) async fn verify(
        &self,
        mut item: Planned,
        options: ApplyOptions,
    ) -> Result<Planned, ApplyError> {
        (item.step, item.payload) = (Step::Skip, None);
        let if_not_present = has_marker(&item.object, markers::SSA, "IfNotPresent");
        let has_live_markers = self.live_state(&item).is_some_and(|live| live.has_markers);
        let (mut live, mut migrated) = (None, false);
        if if_not_present || has_live_markers || options.migrate_api_version {
            live = match self.read(&item).await {
                // What it carries, the answer to the dry-run has too.
                Err(error) if error.is_forbidden() && !if_not_present && !options.migrate_api_version => None,
                read => read?,
            };
            if let Some(live) = &live
                && (if_not_present || is_ignored(live))
            {
                item.id = id_of(live);
                return Ok(item);
            }
            if options.migrate_api_version {
                (live, migrated) = self.migrate(&item, live).await?;
            }
        }
        let dry_run = match self.send(&item, Mode::DryRun).await {
            Ok(dry_run) => dry_run,
            Err(source) => {
                if source.is_not_served() {
                    // Its definition was replaced by one with another name or scope.
                    self.mapper.invalidate().await;
                }
                return self.refused(item, options, source).await;
            }
        };
        item.id = id_of(&dry_run);
        let version = resource_version(&dry_run);
        if version.is_empty() {
            item.step = Step::Create;
            return Ok(item);
        }
        let ignored = self.ignored(&dry_run);
        // The watch has the very state that the dry-run was computed from: no need to read it again.
        if let Some(known) = self
            .live_state(&item)
            .filter(|known| *known.resource_version == *version)
            && !known.needs_cleanup
            && !known.has_markers
            && ignored.is_empty()
        {
            item.step = if !migrated && known.content == content_hash(&dry_run) {
                Step::Keep {
                    owned: Some(known.owned),
                }
            } else {
                Step::Change {
                    uid: metadata_text(&dry_run, "uid").to_owned(),
                    version: version.to_owned(),
                    cleanup: None,
                }
            };
            return Ok(item);
        }
        if live.is_none() {
            live = match self.read(&item).await {
                // Whoever may write it without reading it writes it each time, as in stock.
                Err(error) if error.is_forbidden() => {
                    if is_ignored(&dry_run) {
                        return Ok(item);
                    }
                    item.step = Step::Change {
                        uid: metadata_text(&dry_run, "uid").to_owned(),
                        version: version.to_owned(),
                        cleanup: None,
                    };
                    return Ok(item);
                }
                read => read?,
            };
        }
        let Some(live) = live else {
            item.step = Step::Create;
            return Ok(item);
        };
        if is_ignored(&live) {
            return Ok(item);
        }
        let merged =
            has_marker(&item.object, markers::SSA, "Merge") || has_marker(&live, markers::SSA, "Merge");
        let managers = self.live.managers();
        let cleanup = if merged {
            None
        } else {
            managers.cleanup_patch(&live)
        };
        let same = !migrated && cleanup.is_none() && ignored.are_same(&live, &dry_run);
        if !same && !ignored.is_empty() {
            item.payload = Some(ignored.payload(&item.object, &live, &dry_run, managers));
        }
        item.step = if same {
            Step::Keep {
                owned: Some(owned_hash(&live, managers)),
            }
        } else {
            Step::Change {
                uid: metadata_text(&live, "uid").to_owned(),
                version: resource_version(&live).to_owned(),
                cleanup,
            }
        };
        Ok(item)
    }

    /// Moves all entries of `managedFields` to the version that is about to be applied: one of a version in which a
    /// field does not exist that now has a default fails every apply. Gives the object as it is then.
    async fn migrate(
        &self,
        item: &Planned,
        mut live: Option<Value>,
    ) -> Result<(Option<Value>, bool), ApplyError> {
        for attempt in 1.. {
            let Some(found) = &live else { break };
            let Some(patch) = migration_patch(found, &item.mapping.api_version()) else {
                break;
            };
            match self.rest.json_patch(&item.path(), self.manager(), &patch).await {
                Ok(migrated) => return Ok((Some(migrated), true)),
                Err(error) if error.is_conflict() && attempt < ATTEMPTS => live = self.read(item).await?,
                Err(source) => {
                    return Err(ApplyError::Migrate {
                        id: item.id.clone(),
                        source: self.discreet(item, source),
                    });
                }
            }
        }
        Ok((live, false))
    }
}
