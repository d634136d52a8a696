//! What happens before and after a wave: a command of the user's, and the edit by which the labels come from Git.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use flux_fleet::Handle;
use flux_fleet::git::{Repository, label};
use flux_fleet::text::{clean, count};
use tokio::process::Command;

use super::flux::said;
use super::stop::Stop;
use crate::checkout::{self, Dirty};

/// After how long of silence it is said what is waited for.
const SILENCE: Duration = Duration::from_secs(10);

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
    pub(crate) async fn before(&self, number: usize, wave: &[Handle], stop: &Stop) -> Option<String> {
        self.call(When::Before, number, wave, stop).await
    }

    /// Does what comes after a wave; gives why no other may begin.
    pub(crate) async fn after(
        &self,
        number: usize,
        wave: &[Handle],
        is_well: bool,
        stop: &Stop,
    ) -> Option<String> {
        self.call(When::After(is_well), number, wave, stop).await
    }

    /// Puts the labels of objects that are proven into the checkout, and says how they get from there into the cluster; gives why that
    /// cannot be.
    pub(crate) fn label(&self, objects: &[Handle]) -> Option<String> {
        let text = if let Some(edit) = &self.edit {
            match edit.write(objects) {
                Ok(text) => text,
                Err(why) => return Some(why),
            }
        } else {
            let objects: Vec<_> = objects.iter().map(ToString::to_string).collect();
            format!(
                "Proven, and waiting until the labels come from Git:\n  {}\n",
                objects.join("\n  ")
            )
        };
        // Whoever closed stderr does not want to know.
        let _ = std::io::stderr().write_all(text.as_bytes());
        None
    }

    /// Runs the command; gives how it has failed.
    async fn call(&self, when: When, number: usize, wave: &[Handle], stop: &Stop) -> Option<String> {
        let hook = self.hook.as_ref()?;
        let (event, result) = match when {
            When::Before => ("before", ""),
            When::After(true) => ("after", "moved"),
            When::After(false) => ("after", "stopped"),
        };
        let objects: Vec<_> = wave.iter().map(ToString::to_string).collect();
        let child = Command::new("sh")
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
            .spawn();
        let mut child = match child {
            Ok(child) => child,
            Err(error) => {
                return Some(format!(
                    "the hook {event} wave {number} cannot be run: sh: {error}"
                ));
            }
        };
        loop {
            tokio::select! {
                status = child.wait() => return match status {
                    Ok(status) if status.success() => None,
                    Ok(status) => Some(format!("the hook {event} wave {number} has failed: {status}")),
                    Err(error) => Some(format!("the hook {event} wave {number} is lost: {error}")),
                },
                () = stop.wait() => return Some(format!("the hook {event} wave {number} was ended, since the run is to end")),
                () = tokio::time::sleep(SILENCE) => {
                    // Whoever closed stderr does not want to know.
                    let _ = writeln!(std::io::stderr(), "waiting for the hook {event} wave {number}");
                }
            }
        }
    }
}

impl Edit {
    /// Puts labels into the checkout, and says how they get from there into the cluster; or why they are not there.
    fn write(&self, objects: &[Handle]) -> Result<String, String> {
        let (key, value) = &self.label;
        let (checkout, _) = checkout::read(&self.root).map_err(|error| said(&error))?;
        let repository = Repository::starting_at(&checkout, self.path.as_deref());
        let cluster = checkout::pick(&repository, self.path.as_deref()).map_err(|error| said(&error))?;
        let changes = label(&checkout, &repository, cluster, objects, (key, value));
        if let Some(object) = changes.unplaced.first() {
            return Err(format!(
                "the label of {} cannot be put into Git: {}. Label it there by hand, or --skip it",
                object.object,
                clean(&object.why)
            ));
        }
        checkout::write(&self.root, &changes.files, self.dirty).map_err(|error| said(&error))?;
        let mut lines = String::new();
        for (path, after) in &changes.files {
            let before = checkout.get(path).unwrap_or_default();
            lines.push_str(&checkout::unified(path, before, after));
        }
        let root = quoted(&self.root.to_string_lossy());
        let push = format!("git -C {root} push");
        let command = if changes.files.is_empty() {
            lines.push_str("The labels of this wave are in the checkout already; commit them alone, if that is still to be done. ");
            push
        } else {
            let files: Vec<_> = changes.files.keys().map(|path| quoted(path)).collect();
            let message = format!("Move {} to openflux", count(objects.len(), "object"));
            format!(
                "git -C {root} commit --message '{message}' -- {} && {push}",
                files.join(" ")
            )
        };
        Ok(format!(
            "{lines}Waiting until the labels come from Git:\n  {command}\n"
        ))
    }
}

/// A word as a shell reads it.
fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-+:@=,".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use tokio::sync::watch;

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
        let nobody = || Stop::new(watch::channel(false).1, watch::channel(false).1);
        assert_eq!(is_told.before(2, &wave, &nobody()).await, None);
        let why = hook("test $OPENFLUX_RESULT = moved")
            .after(2, &wave, false, &nobody())
            .await;
        assert_eq!(
            why.as_deref(),
            Some("the hook after wave 2 has failed: exit status: 1")
        );
        let none = Around::default();
        assert_eq!(none.before(1, &wave, &nobody()).await, None);
        // It is not waited for once the run is to end.
        let (asks, asked) = watch::channel(false);
        asks.send_replace(true);
        let why = hook("sleep 60")
            .before(1, &wave, &Stop::new(asked.clone(), asked))
            .await;
        assert_eq!(
            why.as_deref(),
            Some("the hook before wave 1 was ended, since the run is to end")
        );
    }

    #[test]
    fn a_shell_reads_a_word_as_it_is() {
        for (word, expected) in [
            ("/home/me/fleet", "/home/me/fleet"),
            ("my fleet", "'my fleet'"),
            ("it's; rm", "'it'\\''s; rm'"),
            ("", "''"),
        ] {
            assert_eq!(quoted(word), expected);
        }
    }
}
