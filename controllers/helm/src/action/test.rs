//! `helm test`.

use helm::HookEvent;
use helm::release::{Hook, Release};

use super::Actions;
use super::config::{Test, Waiting};
use super::error::{ActionError, During as _};
use crate::cluster::WaitStrategy;
use crate::storage::StorageError;

impl Actions<'_> {
    /// Runs the tests of the last revision of a release.
    ///
    /// # Errors
    /// One failed, or there was none to run them of; what became of them is recorded.
    pub async fn test(&mut self, test: &Test) -> Result<Release, ActionError> {
        self.reach().await?;
        self.forget_gone_kinds().await;
        let name = &test.name;
        if helm::validate_release_name(name).is_err() {
            return Err(ActionError::Name(format!("is invalid: {name}"))).during(|| "releaseTest".to_owned());
        }
        let last = self.storage.last(name).await?;
        let mut release = last.ok_or(StorageError::NotFound)?;
        let skipped = take_skipped(&mut release.hooks, test);
        let waiting = Waiting {
            strategy: WaitStrategy::Poller,
            timeout: test.timeout,
            for_jobs: true,
        };
        let server_side = release.is_server_side();
        let (aftermath, result) = self
            .run_hooks(&mut release, HookEvent::Test, waiting, server_side)
            .await;
        // Positions are those of the hooks that took part.
        let mut recorded = release.clone();
        recorded.hooks = skipped;
        recorded.hooks.extend(release.hooks.iter().cloned());
        let result = match result {
            Ok(()) => self.storage.update(&recorded).await.map_err(ActionError::from),
            Err(error) => {
                self.record(&recorded).await;
                Err(error)
            }
        };
        // What remains of tests is no failure of them.
        if let Err(error) = self.clean_up_hooks(&release, aftermath, waiting).await {
            tracing::warn!(release = release.name, %error, "tests could not be deleted");
        }
        result.map(|()| recorded)
    }
}

/// Takes the hooks that do not run out of the list, in the order in which Helm puts them ahead of the others.
fn take_skipped(hooks: &mut Vec<Hook>, test: &Test) -> Vec<Hook> {
    let mut skipped = Vec::new();
    let mut keep = |hooks: &mut Vec<Hook>, keeps: &dyn Fn(&Hook) -> bool| {
        let (kept, left): (Vec<_>, Vec<_>) = hooks.drain(..).partition(|hook| keeps(hook));
        *hooks = kept;
        skipped.extend(left);
    };
    if !test.exclude.is_empty() {
        keep(hooks, &|hook| !test.exclude.contains(&hook.name));
    }
    if !test.include.is_empty() {
        keep(hooks, &|hook| test.include.contains(&hook.name));
    }
    skipped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_hold_for_all_hooks_and_change_their_order() {
        let run = |include: &[&str], exclude: &[&str]| {
            let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
            let test = Test {
                name: "web".into(),
                timeout: std::time::Duration::ZERO,
                include: owned(include),
                exclude: owned(exclude),
            };
            let hook = |name: &str| Hook {
                name: name.to_owned(),
                ..Hook::default()
            };
            let mut hooks = ["a", "b", "c"].map(hook).to_vec();
            let skipped = take_skipped(&mut hooks, &test);
            let names = |hooks: &[Hook]| hooks.iter().map(|hook| hook.name.clone()).collect::<String>();
            (names(&skipped), names(&hooks))
        };
        let told = |skipped: &str, kept: &str| (skipped.to_owned(), kept.to_owned());
        assert_eq!(run(&[], &[]), told("", "abc"));
        assert_eq!(run(&["b"], &[]), told("ac", "b"));
        assert_eq!(run(&[], &["a"]), told("a", "bc"));
        assert_eq!(run(&["b", "c"], &["c"]), told("ca", "b"));
    }
}
