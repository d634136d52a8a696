//! What happens before and after a wave: a command of the user's, and the edit by which the labels come from Git.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::Stdio;

use flux_fleet::Handle;
use flux_fleet::git::{Repository, label};
use flux_fleet::text::{clean, count};
use tokio::process::Command;

use crate::checkout::{self, Dirty};
use crate::cluster::CommandError;

/// What is done around each wave.
#[derive(Debug, Default)]
pub(crate) struct Around {
    /// The name of the migration.
    pub(crate) migration: String,
    /// A command, which a shell runs before and after.
    pub(crate) hook: Option<String>,
    /// The checkout into which the labels of a wave are put.
    pub(crate) edit: Option<Edit>,
}

/// A checkout that labels are put into.
#[derive(Debug)]
pub(crate) struct Edit {
    pub(crate) root: PathBuf,
    /// The folder where the cluster begins.
    pub(crate) path: Option<String>,
    pub(crate) label: (String, String),
    pub(crate) dirty: Dirty,
}

/// When a hook is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum When {
    Before,
    /// And whether all of the wave has gone as it should.
    After(bool),
}

impl Around {
    /// Does what comes before a wave; gives why it cannot begin.
    pub(crate) async fn before(
        &self,
        number: usize,
        wave: &[Handle],
    ) -> Result<Option<String>, CommandError> {
        if let Some(why) = self.call(When::Before, number, wave).await? {
            return Ok(Some(why));
        }
        self.edit.as_ref().map_or(Ok(None), |edit| edit.write(wave))
    }

    /// Does what comes after a wave; gives why no other may begin.
    pub(crate) async fn after(
        &self,
        number: usize,
        wave: &[Handle],
        is_well: bool,
    ) -> Result<Option<String>, CommandError> {
        self.call(When::After(is_well), number, wave).await
    }

    /// Runs the command; gives how it has failed.
    async fn call(&self, when: When, number: usize, wave: &[Handle]) -> Result<Option<String>, CommandError> {
        let Some(hook) = &self.hook else {
            return Ok(None);
        };
        let (event, result) = match when {
            When::Before => ("before", ""),
            When::After(true) => ("after", "moved"),
            When::After(false) => ("after", "stopped"),
        };
        let objects: Vec<_> = wave.iter().map(ToString::to_string).collect();
        let status = Command::new("sh")
            .args(["-c", hook])
            .env("OPENFLUX_EVENT", event)
            .env("OPENFLUX_RESULT", result)
            .env("OPENFLUX_MIGRATION", &self.migration)
            .env("OPENFLUX_WAVE", number.to_string())
            .env("OPENFLUX_OBJECTS", objects.join(" "))
            .stdin(Stdio::null())
            // The result of this tool stands alone where it goes.
            .stdout(std::io::stderr())
            .kill_on_drop(true)
            .status()
            .await
            .map_err(|error| CommandError::Usage(format!("--hook: sh: {error}")))?;
        Ok((!status.success()).then(|| format!("the hook {event} wave {number} has failed: {status}")))
    }
}

impl Edit {
    /// Puts the labels of a wave into the checkout, and says how they get from there into the cluster.
    fn write(&self, wave: &[Handle]) -> Result<Option<String>, CommandError> {
        let (key, value) = &self.label;
        let (checkout, _) = checkout::read(&self.root)?;
        let repository = Repository::starting_at(&checkout, self.path.as_deref());
        let cluster = checkout::pick(&repository, self.path.as_deref())?;
        let changes = label(&checkout, &repository, cluster, wave, (key, value));
        if let Some(object) = changes.unplaced.first() {
            return Ok(Some(format!(
                "the label of {} cannot be put into Git: {}. Label it there by hand, or --skip it",
                object.object,
                clean(&object.why)
            )));
        }
        checkout::write(&self.root, &changes.files, self.dirty)?;
        let mut lines = String::new();
        for (path, after) in &changes.files {
            let before = checkout.get(path).unwrap_or_default();
            lines.push_str(&checkout::unified(path, before, after));
        }
        if changes.files.is_empty() {
            lines.push_str("The labels of this wave are in the checkout already. ");
        }
        let (root, labels) = (self.root.display(), count(wave.len(), "object"));
        let command =
            format!("git -C {root} commit --all --message 'Move {labels} to openflux' && git -C {root} push");
        let text = format!("{lines}Waiting until the labels come from Git:\n  {command}\n");
        // Whoever closed stderr does not want to know.
        let _ = std::io::stderr().write_all(text.as_bytes());
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_hook_is_told_what_moves_and_may_stop_it() {
        let wave: Vec<Handle> = vec!["ks/apps/a".parse().unwrap(), "hr/apps/b".parse().unwrap()];
        let hook = |command: &str| Around {
            migration: "m".to_owned(),
            hook: Some(command.to_owned()),
            edit: None,
        };
        let is_told = hook(
            "test \"$OPENFLUX_EVENT $OPENFLUX_WAVE $OPENFLUX_OBJECTS $OPENFLUX_MIGRATION\" = 'before 2 ks/apps/a hr/apps/b m'",
        );
        assert_eq!(is_told.before(2, &wave).await.unwrap(), None);
        let why = hook("test $OPENFLUX_RESULT = moved")
            .after(2, &wave, false)
            .await
            .unwrap();
        assert_eq!(
            why.as_deref(),
            Some("the hook after wave 2 has failed: exit status: 1")
        );
        let none = Around::default();
        assert_eq!(none.before(1, &wave).await.unwrap(), None);
    }
}
