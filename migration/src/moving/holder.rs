//! Who holds a Lease: a process of a machine, of which others there can see that it has ended.

/// This process, so that others on the same machine can see that it has ended: its host and number, and what these numbers are of.
pub(super) fn holder() -> String {
    format!("{}/{}@{}", host(), std::process::id(), numbering())
}

fn host() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname")
        .or_else(|_| std::fs::read_to_string("/etc/hostname"));
    let name = name.unwrap_or_default();
    let name = name.trim();
    if name.is_empty() {
        "unknown".to_owned()
    } else {
        name.to_owned()
    }
}

/// What numbers of processes are of: a start of a machine, and a container of it; empty where nobody says. Machines and containers may
/// share their names.
fn numbering() -> String {
    let start = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let space = std::fs::read_link("/proc/self/ns/pid").unwrap_or_default();
    let space: String = space
        .to_string_lossy()
        .chars()
        .filter(char::is_ascii_digit)
        .collect();
    match start.get(..8) {
        Some(start) if !space.is_empty() => format!("{start}-{space}"),
        _ => String::new(),
    }
}

/// Whether the holder is a process of this machine that has ended.
pub(super) fn is_dead(holder: &str) -> bool {
    let Some((process, of)) = holder.rsplit_once('@') else {
        return false;
    };
    let Some((_, process)) = process.rsplit_once('/') else {
        return false;
    };
    let processes = std::path::Path::new("/proc");
    let mounts = std::fs::read_to_string("/proc/self/mounts");
    !of.is_empty()
        && of == numbering()
        && mounts.is_ok_and(|mounts| !hides_processes(&mounts))
        && !processes.join(process).exists()
}

/// Whether processes of others cannot be seen here, as mounts have it.
fn hides_processes(mounts: &str) -> bool {
    let options = mounts.lines().filter_map(|line| {
        let mut words = line.split(' ').skip(1);
        (words.next() == Some("/proc")).then(|| words.nth(1))?
    });
    let shown = ["0", "off", "1", "noaccess"];
    options
        .flat_map(|options| options.split(','))
        .filter_map(|option| option.strip_prefix("hidepid="))
        .any(|hidden| !shown.contains(&hidden))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_process_of_this_machine_is_known_to_have_ended() {
        assert!(!is_dead(&holder()));
        assert!(!is_dead("elsewhere/1@00000000-1"));
        // Of earlier versions.
        assert!(!is_dead(&format!("{}/4194305", host())));
        assert!(!is_dead("somebody"));
        let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap_or_default();
        if !numbering().is_empty() && !hides_processes(&mounts) {
            assert!(is_dead(&format!("{}/4194305@{}", host(), numbering())));
        }
    }

    #[test]
    fn who_cannot_see_the_processes_of_others_says_nothing_of_them() {
        let mounts =
            |options: &str| format!("dev /dev tmpfs rw 0 0\nproc /proc proc rw,nosuid{options} 0 0\n");
        assert!(!hides_processes(&mounts("")));
        assert!(!hides_processes(&mounts(",hidepid=0")));
        assert!(!hides_processes(&mounts(",hidepid=noaccess")));
        assert!(hides_processes(&mounts(",hidepid=2,gid=5")));
        assert!(hides_processes(&mounts(",hidepid=invisible")));
        assert!(hides_processes(&mounts(",hidepid=ptraceable")));
    }
}
