//! Nothing is left running: one small shell holds a pipe to us and cleans up when the pipe closes, however we ended.

use std::io::{self, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{ChildStdin, Command, Stdio};
use std::sync::{Mutex, OnceLock, PoisonError};

/// Reads `add PGID`, `del PGID`, `dir PATH` and `keep`; at the end of its input it kills the groups and removes the
/// folders, but for their logs where they are to be kept. It runs in its own process group, so that Ctrl-C ends us and not it.
const SCRIPT: &str = r#"
groups= dirs= keep=
while IFS=' ' read -r verb argument; do
  case $verb in
    add) groups="$groups $argument" ;;
    del) left=; for g in $groups; do [ "$g" = "$argument" ] || left="$left $g"; done; groups=$left ;;
    dir) dirs="$dirs$argument
" ;;
    keep) keep=yes ;;
  esac
done
for g in $groups; do kill -s KILL -- "-$g" 2>/dev/null; done
printf %s "$dirs" | while IFS= read -r d; do
  for f in "$d"/* "$d"; do
    [ -n "$keep" ] && case $f in "$d" | "$d/logs") continue ;; esac
    for attempt in 1 2 3 4 5; do rm -rf -- "$f" 2>/dev/null && break; sleep 0.2; done
  done
done
"#;

fn pipe() -> &'static Mutex<Option<ChildStdin>> {
    static PIPE: OnceLock<Mutex<Option<ChildStdin>>> = OnceLock::new();
    PIPE.get_or_init(|| Mutex::new(None))
}

fn tell(line: &str) -> io::Result<()> {
    let mut pipe = pipe().lock().unwrap_or_else(PoisonError::into_inner);
    if pipe.is_none() {
        let mut shell = Command::new("sh")
            .args(["-c", SCRIPT])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()?;
        *pipe = shell.stdin.take();
    }
    match pipe.as_mut() {
        Some(pipe) => pipe.write_all(format!("{line}\n").as_bytes()),
        None => Err(io::Error::other("the watchdog has no stdin")),
    }
}

/// From now on the process group dies with us.
pub(super) fn watch_group(group: u32) -> io::Result<()> {
    tell(&format!("add {group}"))
}

/// The process group has ended; its id may belong to somebody else soon.
pub(super) fn forget_group(group: u32) {
    // Without the watchdog there is nobody left who could remember the group.
    let _ = tell(&format!("del {group}"));
}

/// Removes the folder when we end, unless something went wrong by then.
pub(super) fn remove_at_end(dir: &Path) -> io::Result<()> {
    tell(&format!("dir {}", dir.display()))
}

/// Keeps the logs, because something went wrong.
pub(super) fn keep_logs() {
    let _ = tell("keep");
}
