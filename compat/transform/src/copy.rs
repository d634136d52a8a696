//! Copies out of inputs, as `cp` and source-watcher's ArtifactGenerator make them.

use crate::error::Problem;
use crate::glob::{Excludes, Glob, is_glob};
use crate::path::{ARTIFACT, Reference, base, clean, join};
use crate::spec::{Copy, Strategy};
use crate::stage::Stage;
use crate::tree::{File, Tree};
use crate::unpack::{is_archive, unpack};
use crate::yaml;

/// Where a copy goes.
struct Destination {
    /// Clean; the root is the empty path.
    path: String,
    /// Whether it is said to be a directory.
    is_directory: bool,
}

/// Carries a copy out.
pub(crate) fn copy(stage: &mut Stage<'_>, copy: &Copy) -> Result<(), Problem> {
    let from = Reference::required("from", &copy.from)?;
    let to = destination(&copy.to)?;
    let excludes = Excludes::new(&copy.exclude)?;
    let input = stage.input("from", from.input)?.clone();
    let job = Job {
        copy,
        input: &input,
        excludes,
        to,
    };
    let taken = if is_glob(from.path) {
        job.glob(stage, &Glob::new("from", from.path)?)?
    } else {
        job.path(stage, &clean("from", from.path)?)?
    };
    if taken || copy.optional {
        return Ok(());
    }
    let problem = if job.excludes.is_empty() {
        format!(
            "{:?} matches nothing; correct it, or set `optional: true`",
            copy.from
        )
    } else {
        format!(
            "{:?} matches nothing that `exclude` leaves; correct one of them, or set `optional: true`",
            copy.from
        )
    };
    Err(Problem::nothing("from", problem))
}

/// Checks what can be checked of a copy without files.
pub(crate) fn check(copy: &Copy) -> Result<Reference<'_>, Problem> {
    let from = Reference::required("from", &copy.from)?;
    if is_glob(from.path) {
        Glob::new("from", from.path)?;
    } else {
        clean("from", from.path)?;
    }
    destination(&copy.to)?;
    Excludes::new(&copy.exclude)?;
    Ok(from)
}

fn destination(to: &str) -> Result<Destination, Problem> {
    let path = to
        .strip_prefix('@')
        .and_then(|rest| rest.strip_prefix(ARTIFACT))
        .and_then(|rest| rest.strip_prefix('/'))
        .ok_or_else(|| Problem::invalid("to", format!("{to:?} has to have the form @artifact/path")))?;
    Ok(Destination {
        is_directory: path.is_empty() || path.ends_with('/'),
        path: clean("to", path)?,
    })
}

struct Job<'c> {
    copy: &'c Copy,
    input: &'c Tree,
    excludes: Excludes,
    to: Destination,
}

impl Job<'_> {
    /// Copies what a path names; false if that is nothing.
    fn path(&self, stage: &mut Stage<'_>, path: &str) -> Result<bool, Problem> {
        if let Some(file) = self.input.file(path) {
            let above = path.rfind('/').unwrap_or(0);
            if self.excludes.leave_out(path, above, "", stage.work)? {
                return Ok(false);
            }
            return self.single(stage, path, file).map(|()| true);
        }
        if !self.input.is_directory(path) {
            return Ok(false);
        }
        if self.copy.strategy == Strategy::Extract {
            let problem = format!(
                "{:?} is a directory; name an archive or a glob of archives",
                self.copy.from
            );
            return Err(Problem::invalid("from", problem));
        }
        // A directory keeps its name; the root has none.
        let to = join(&self.to.path, base(path));
        let mut taken = false;
        for (file_path, file) in self.input.below(path) {
            if self.excludes.leave_out(file_path, path.len(), path, stage.work)? {
                continue;
            }
            taken = true;
            let below = file_path[path.len()..].trim_start_matches('/');
            self.put(stage, &join(&to, below), file_path, file, false)?;
        }
        Ok(taken)
    }

    fn single(&self, stage: &mut Stage<'_>, path: &str, file: &File) -> Result<(), Problem> {
        if self.copy.strategy == Strategy::Extract {
            return unpack(stage, path, file, &self.to.path);
        }
        let to = if self.to.is_directory || stage.tree().is_directory(&self.to.path) {
            join(&self.to.path, base(path))
        } else {
            self.to.path.clone()
        };
        self.put(stage, &to, path, file, true)
    }

    /// Copies what a glob matches; false if that is nothing.
    fn glob(&self, stage: &mut Stage<'_>, glob: &Glob) -> Result<bool, Problem> {
        let cut = if glob.is_children() || self.copy.strip_prefix {
            glob.prefix().len()
        } else {
            0
        };
        let mut taken = false;
        for (path, file) in self.input.below(glob.prefix()) {
            let Some(root) = glob.root_of(path, stage.work)? else {
                continue;
            };
            // What is matched is asked for itself too, but no directory above it.
            let above = root.rfind('/').unwrap_or(0);
            if self.excludes.leave_out(path, above, glob.prefix(), stage.work)? {
                continue;
            }
            let is_matched_itself = root.len() == path.len();
            if self.copy.strategy == Strategy::Extract {
                if is_matched_itself && is_archive(path) {
                    taken = true;
                    unpack(stage, path, file, &self.to.path)?;
                }
                continue;
            }
            taken = true;
            let kept = path[cut..].trim_start_matches('/');
            self.put(stage, &join(&self.to.path, kept), path, file, is_matched_itself)?;
        }
        Ok(taken)
    }

    fn put(
        &self,
        stage: &mut Stage<'_>,
        to: &str,
        path: &str,
        file: &File,
        is_matched_itself: bool,
    ) -> Result<(), Problem> {
        let merges = self.copy.strategy == Strategy::Merge && (is_matched_itself || self.copy.merge_inside);
        let Some(there) = stage.tree().file(to).filter(|_| merges) else {
            return stage.write_copy(to, file.clone(), self.input.mark(path));
        };
        stage.check_text(path, file.content.len())?;
        stage.check_text(to, there.content.len())?;
        let base = yaml::table(to, &there.content)?;
        let over = yaml::table(path, &file.content)?;
        let merged = yaml::text(to, &yaml::merge(base, over, false))?;
        let merged = File {
            content: merged.into(),
            executable: false,
        };
        stage.write(to, merged)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::stage::{Inputs, Source};
    use crate::{Limits, Work};

    fn copied(inputs: &[(&str, &[(&str, &str)])], copies: &[Copy]) -> Result<Vec<(String, String)>, String> {
        let inputs: Inputs = inputs
            .iter()
            .map(|(name, files)| {
                let files: Tree = files
                    .iter()
                    .map(|(path, text)| (*path, text.as_bytes().to_vec()))
                    .collect();
                let source = Source {
                    files: Arc::new(files),
                    ..Source::default()
                };
                ((*name).to_owned(), source)
            })
            .collect();
        let work = Work::within(Limits::default());
        let mut stage = Stage::new(&inputs, &work);
        for one in copies {
            copy(&mut stage, one).map_err(|problem| problem.to_string())?;
        }
        let files = stage.tree().files();
        let text = |file: &File| String::from_utf8_lossy(&file.content).into_owned();
        Ok(files.map(|(path, file)| (path.to_owned(), text(file))).collect())
    }

    fn of(from: &str, to: &str) -> Copy {
        Copy {
            from: from.to_owned(),
            to: to.to_owned(),
            ..Copy::default()
        }
    }

    #[track_caller]
    fn paths(files: &[(&str, &str)], copies: &[Copy], expected: &[&str]) {
        let copied = copied(&[("s", files)], copies).expect("a copy");
        let paths: Vec<_> = copied.iter().map(|(path, _)| path.as_str()).collect();
        assert_eq!(paths, expected, "{copies:?}");
    }

    #[track_caller]
    fn refused(files: &[(&str, &str)], copies: &[Copy], expected: &str) {
        let error = copied(&[("s", files)], copies).unwrap_err();
        assert!(error.contains(expected), "{error}");
    }

    /// What source-watcher's own tests of its builder check.
    #[test]
    fn what_is_named_decides_where_it_goes() {
        let tree = [
            ("config.yaml", "1"),
            ("other.json", "2"),
            ("config/app.yaml", "3"),
            ("config/sub/db.yaml", "4"),
        ];
        for (from, to, expected) in [
            ("@s/config.yaml", "@artifact/", vec!["config.yaml"]),
            ("@s/config.yaml", "@artifact/dest/", vec!["dest/config.yaml"]),
            ("@s/config.yaml", "@artifact/dest/x.yaml", vec!["dest/x.yaml"]),
            ("@s/*.yaml", "@artifact/m/", vec!["m/config.yaml"]),
            (
                "@s/config",
                "@artifact/dest",
                vec!["dest/config/app.yaml", "dest/config/sub/db.yaml"],
            ),
            (
                "@s/config/",
                "@artifact/dest/",
                vec!["dest/config/app.yaml", "dest/config/sub/db.yaml"],
            ),
            (
                "@s/config/**",
                "@artifact/dest/",
                vec!["dest/app.yaml", "dest/sub/db.yaml"],
            ),
            ("@s/config/*.yaml", "@artifact/", vec!["config/app.yaml"]),
            (
                "@s/config/*",
                "@artifact/d",
                vec!["d/config/app.yaml", "d/config/sub/db.yaml"],
            ),
            ("@s/**/db.yaml", "@artifact/", vec!["config/sub/db.yaml"]),
        ] {
            paths(&tree, &[of(from, to)], &expected);
        }
        let all = [
            "config.yaml",
            "config/app.yaml",
            "config/sub/db.yaml",
            "other.json",
        ];
        for from in ["@s/", "@s/.", "@s/**"] {
            paths(&tree, &[of(from, "@artifact/")], &all);
        }
        let strip = Copy {
            strip_prefix: true,
            ..of("@s/config/*.yaml", "@artifact/d")
        };
        paths(&tree, &[strip], &["d/app.yaml"]);
    }

    #[test]
    fn later_copies_overwrite_and_see_what_is_there() {
        let tree = [
            ("file1.txt", "1"),
            ("subdir/file2.txt", "2"),
            ("c/values-prod.yaml", "3"),
            ("c/podinfo/values.yaml", "4"),
        ];
        let copies = [
            of("@s/subdir/", "@artifact/"),
            of("@s/file1.txt", "@artifact/subdir"),
        ];
        paths(&tree, &copies, &["subdir/file1.txt", "subdir/file2.txt"]);
        let copies = [
            of("@s/c/podinfo", "@artifact/"),
            of("@s/c/values-prod.yaml", "@artifact/podinfo/values.yaml"),
        ];
        let result = copied(&[("s", &tree)], &copies);
        assert_eq!(
            result,
            Ok(vec![("podinfo/values.yaml".to_owned(), "3".to_owned())])
        );
        let (one, two) = (
            [("config/app.yaml", "1"), ("config/db.yaml", "1")],
            [("config/app.yaml", "2"), ("config/net.yaml", "2")],
        );
        let result = copied(
            &[("a", &one), ("b", &two)],
            &[of("@a/**", "@artifact/"), of("@b/**", "@artifact/")],
        );
        let expected = [
            ("config/app.yaml", "2"),
            ("config/db.yaml", "1"),
            ("config/net.yaml", "2"),
        ];
        let expected: Vec<_> = expected
            .map(|(path, text)| (path.to_owned(), text.to_owned()))
            .into();
        assert_eq!(result, Ok(expected));
        refused(
            &tree,
            &[of("@s/file1.txt", "@artifact/x"), of("@s/subdir", "@artifact/x")],
            r#""x" would be a directory"#,
        );
    }

    #[test]
    fn excludes_are_anchored_at_the_input_and_at_what_is_selected() {
        let tree = [
            ("infra/controllers/desched/release.yaml", ""),
            ("infra/controllers/sealed/release.yaml", ""),
            ("infra/desched/release.yaml", ""),
            ("infra/configs/app.yaml", ""),
            ("infra/configs/README.md", ""),
        ];
        let without = |from: &str, exclude: &str| Copy {
            exclude: vec![exclude.to_owned(), "*.md".to_owned()],
            ..of(from, "@artifact/")
        };
        let kept = [
            "configs/app.yaml",
            "controllers/sealed/release.yaml",
            "desched/release.yaml",
        ];
        for exclude in [
            "infra/controllers/desched/**",
            "controllers/desched/**",
            "controllers/des*",
        ] {
            paths(&tree, &[without("@s/infra/**", exclude)], &kept);
        }
        let kept: Vec<_> = kept.iter().map(|path| format!("infra/{path}")).collect();
        let kept: Vec<_> = kept.iter().map(String::as_str).collect();
        for exclude in ["infra/controllers/desched/**", "controllers/desched/**"] {
            paths(&tree, &[without("@s/infra", exclude)], &kept);
        }
        let nested = [
            "configs/app.yaml",
            "controllers/desched/release.yaml",
            "controllers/sealed/release.yaml",
        ];
        paths(&tree, &[without("@s/infra/**", "desched/**")], &nested);
    }

    #[test]
    fn nothing_to_copy_is_a_mistake_unless_it_is_said_to_be_none() {
        let tree = [("a.md", "")];
        refused(&tree, &[of("@s/test.yaml", "@artifact/")], "matches nothing");
        refused(&tree, &[of("@s/*.yaml", "@artifact/")], "matches nothing");
        refused(&tree, &[of("@s/[", "@artifact/")], "syntax error in pattern");
        refused(
            &tree,
            &[of("@missing/a", "@artifact/")],
            r#"there is no input "missing""#,
        );
        refused(&tree, &[of("@s/a.md", "@artifact/../x")], "leaves its root");
        let all = |from: &str, optional: bool| Copy {
            exclude: vec!["*.md".to_owned()],
            optional,
            ..of(from, "@artifact/")
        };
        for from in ["@s/*.md", "@s/a.md"] {
            refused(&tree, &[all(from, false)], "that `exclude` leaves");
            paths(&tree, &[all(from, true)], &[]);
        }
        let bad = Copy {
            exclude: vec!["[*.md".to_owned()],
            ..of("@s/*.md", "@artifact/")
        };
        refused(&tree, &[bad], "syntax error in pattern");
    }

    #[test]
    fn merging_lays_tables_over_each_other() {
        let base = [
            ("values.yaml", "b: {x: 1, l: [1]}\na: 1\n"),
            ("d/in.yaml", "a: 1\n"),
        ];
        let over = [
            ("values.yaml", r#"{"b": {"l": [2], "z": null}}"#),
            ("d/in.yaml", "b: 2\n"),
            ("list.yaml", "- 1\n"),
        ];
        let inputs: [(&str, &[(&str, &str)]); 2] = [("a", &base), ("b", &over)];
        let merge = |from: &str, to: &str| Copy {
            strategy: Strategy::Merge,
            ..of(from, to)
        };
        let result = copied(
            &inputs,
            &[of("@a/**", "@artifact/"), merge("@b/**", "@artifact/")],
        )
        .expect("a merge");
        let text = |path: &str| {
            result
                .iter()
                .find(|(name, _)| name == path)
                .map(|(_, text)| text.as_str())
        };
        assert_eq!(
            text("values.yaml"),
            Some("a: 1\nb:\n  l:\n  - 2\n  x: 1\n  z: null\n")
        );
        // What lies in a directory that is copied whole is overwritten.
        assert_eq!(text("d/in.yaml"), Some("b: 2\n"));
        let inside = Copy {
            merge_inside: true,
            ..merge("@b/**", "@artifact/")
        };
        let result = copied(&inputs, &[of("@a/**", "@artifact/"), inside]).expect("a merge");
        assert!(
            result.contains(&("d/in.yaml".to_owned(), "a: 1\nb: 2\n".to_owned())),
            "{result:?}"
        );
        let error = copied(
            &inputs,
            &[
                of("@a/values.yaml", "@artifact/x"),
                merge("@b/list.yaml", "@artifact/x"),
            ],
        );
        assert!(error.is_err_and(|error| error.contains("list.yaml")));
    }
}
