//! Which functions of a program a run enters, seen by breakpoints that work once.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};
use nix::libc::PTRACE_EVENT_EXEC;
use nix::sys::ptrace::{self, Options};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

/// The instruction `int3`: stops with a SIGTRAP behind it.
const BREAKPOINT: u8 = 0xcc;

/// Runs a program; which of the addresses, at which functions begin, it has come to, in ascending order.
pub(super) fn entered(program: &Path, arguments: &[OsString], addresses: &[u64]) -> Result<Vec<u64>> {
    // The shell stops itself, so that we are there when it becomes the program.
    let shell = Command::new("/bin/sh")
        .args(["-c", "kill -STOP $$; exec \"$@\"", "sh"])
        .arg(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .context("cannot start /bin/sh")?;
    let main = Pid::from_raw(i32::try_from(shell.id())?);
    waitpid(main, Some(WaitPidFlag::WUNTRACED))?;
    let options = Options::PTRACE_O_TRACEEXEC | Options::PTRACE_O_TRACECLONE | Options::PTRACE_O_EXITKILL;
    ptrace::seize(main, options).context("cannot trace a process")?;
    kill(main, Signal::SIGCONT)?;
    let mut planted: Option<Breakpoints> = None;
    loop {
        // Threads too, which are no children of the usual kind.
        match waitpid(None, Some(WaitPidFlag::__WALL))? {
            WaitStatus::PtraceEvent(pid, _, PTRACE_EVENT_EXEC) => {
                planted = Some(Breakpoints::plant(pid, addresses)?);
                ptrace::cont(pid, None)?;
            }
            WaitStatus::PtraceEvent(pid, ..) => ptrace::cont(pid, None)?,
            WaitStatus::Stopped(pid, Signal::SIGTRAP) => {
                let breakpoints = planted.as_mut().context("a trap before the program runs")?;
                let mut registers = ptrace::getregs(pid)?;
                registers.rip -= 1;
                breakpoints.reached(registers.rip)?;
                ptrace::setregs(pid, registers)?;
                ptrace::cont(pid, None)?;
            }
            WaitStatus::Stopped(pid, signal) => ptrace::cont(pid, signal)?,
            WaitStatus::Exited(pid, _) if pid == main => {
                return planted
                    .map(Breakpoints::entered)
                    .context("the program did not run");
            }
            WaitStatus::Signaled(pid, signal, _) if pid == main => {
                bail!("{} died of {signal}", program.display())
            }
            _ => {}
        }
    }
}

/// The breakpoints in a process.
struct Breakpoints {
    memory: File,
    /// The bytes that breakpoints have replaced.
    original: BTreeMap<u64, u8>,
    entered: Vec<u64>,
}

impl Breakpoints {
    fn plant(pid: Pid, addresses: &[u64]) -> Result<Self> {
        let memory = OpenOptions::new()
            .read(true)
            .write(true)
            .open(format!("/proc/{pid}/mem"))?;
        let (Some(&start), Some(&last)) = (addresses.first(), addresses.last()) else {
            bail!("no function is known");
        };
        let mut text = vec![0; usize::try_from(last - start)? + 1];
        memory.read_exact_at(&mut text, start)?;
        let mut original = BTreeMap::new();
        for &address in addresses {
            if let Some(byte) = text.get_mut(usize::try_from(address - start)?) {
                original.insert(address, std::mem::replace(byte, BREAKPOINT));
            }
        }
        memory.write_all_at(&text, start)?;
        Ok(Breakpoints {
            memory,
            original,
            entered: Vec::new(),
        })
    }

    /// Notes that a function was entered and takes its breakpoint away.
    fn reached(&mut self, address: u64) -> Result<()> {
        let Some(&byte) = self.original.get(&address) else {
            bail!("a trap at {address:#x}, where no function begins");
        };
        self.memory.write_all_at(&[byte], address)?;
        self.entered.push(address);
        Ok(())
    }

    fn entered(mut self) -> Vec<u64> {
        // Two threads may have come to the same one.
        self.entered.sort_unstable();
        self.entered.dedup();
        self.entered
    }
}
