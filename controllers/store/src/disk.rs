//! The few things that are done to a disk, one by one, so that a test can stop after each.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

/// What is free on a volume.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Free {
    pub(crate) bytes: u64,
    pub(crate) inodes: u64,
}

/// Everything that changes a disk.
pub(crate) trait Disk: Send + Sync {
    fn create(&self, path: &Path) -> io::Result<File> {
        use std::os::unix::fs::OpenOptionsExt;
        let mut options = fs::OpenOptions::new();
        options.write(true).create_new(true).mode(0o600).open(path)
    }

    fn write(&self, file: &mut File, bytes: &[u8]) -> io::Result<()> {
        file.write_all(bytes)
    }

    fn sync(&self, file: &File) -> io::Result<()> {
        file.sync_all()
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn create_folders(&self, path: &Path) -> io::Result<()> {
        use std::os::unix::fs::DirBuilderExt;
        fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
    }

    fn sync_folder(&self, path: &Path) -> io::Result<()> {
        File::open(path)?.sync_all()
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        match fs::remove_file(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other,
        }
    }

    fn free(&self, path: &Path) -> io::Result<Free> {
        let found = rustix::fs::statvfs(path)?;
        let inodes = if found.f_files == 0 {
            u64::MAX
        } else {
            found.f_favail
        };
        Ok(Free {
            bytes: found.f_bavail.saturating_mul(found.f_frsize),
            // A file system without a table of inodes never runs out of them.
            inodes,
        })
    }
}

/// The disk of this machine.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RealDisk;

impl Disk for RealDisk {}

/// A disk that fails, or is cut off, at one step.
#[cfg(test)]
pub(crate) mod faulty {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use parking_lot::Mutex;

    use super::*;

    /// What happens at a step.
    #[derive(Clone, Copy, Debug)]
    pub(crate) enum Fault {
        /// The process ends: nothing is done from there on.
        Killed,
        /// The step fails with this error, and those after it do not.
        Fails(rustix::io::Errno),
        /// The step fails with this error, and so does every one after it.
        FailsFrom(rustix::io::Errno),
    }

    /// A disk with a fault at the step of a number; clones share the count.
    #[derive(Clone)]
    pub(crate) struct FaultyDisk {
        steps: Arc<AtomicUsize>,
        fault: Arc<Mutex<Option<(usize, Fault)>>>,
    }

    impl FaultyDisk {
        pub(crate) fn new() -> Self {
            Self {
                steps: Arc::default(),
                fault: Arc::default(),
            }
        }

        pub(crate) fn steps(&self) -> usize {
            self.steps.load(Ordering::SeqCst)
        }

        /// Sets the fault of the step that comes after `after` more.
        pub(crate) fn fault(&self, after: usize, fault: Fault) {
            *self.fault.lock() = Some((self.steps() + after, fault));
        }

        fn step<T>(&self, act: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
            let step = self.steps.fetch_add(1, Ordering::SeqCst);
            match *self.fault.lock() {
                Some((at, Fault::Killed)) if step >= at => Err(io::Error::other("killed")),
                Some((at, Fault::Fails(errno))) if step == at => Err(errno.into()),
                Some((at, Fault::FailsFrom(errno))) if step >= at => Err(errno.into()),
                _ => act(),
            }
        }
    }

    impl Disk for FaultyDisk {
        fn create(&self, path: &Path) -> io::Result<File> {
            self.step(|| RealDisk.create(path))
        }
        fn write(&self, file: &mut File, bytes: &[u8]) -> io::Result<()> {
            // A process can end in the middle of a write.
            let half = bytes.len() / 2;
            self.step(|| RealDisk.write(file, &bytes[..half]))?;
            self.step(|| RealDisk.write(file, &bytes[half..]))
        }
        fn sync(&self, file: &File) -> io::Result<()> {
            self.step(|| RealDisk.sync(file))
        }
        fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
            self.step(|| RealDisk.rename(from, to))
        }
        fn create_folders(&self, path: &Path) -> io::Result<()> {
            self.step(|| RealDisk.create_folders(path))
        }
        fn sync_folder(&self, path: &Path) -> io::Result<()> {
            self.step(|| RealDisk.sync_folder(path))
        }
        fn remove(&self, path: &Path) -> io::Result<()> {
            self.step(|| RealDisk.remove(path))
        }
    }
}
