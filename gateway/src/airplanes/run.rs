//! Programs that are started for an airplane: each in a process group that ends with this, its
//! output in a file.

use std::ffi::OsStr;
use std::fs::File;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group, test_kill_process_group};

/// How often it is looked whether something has come about.
pub(super) const BEAT: Duration = Duration::from_millis(50);
/// What a program may write; one that writes more will not end.
const MAX_OUTPUT: u64 = 64 << 20;
/// How much of it is shown, and how much of a line.
const TAIL: usize = 30;
const MAX_LINE: usize = 300;

/// A program and all that it starts. They are killed when this goes.
#[derive(Debug)]
pub(super) struct Group {
    child: Child,
    output: PathBuf,
}

/// Why a program was not waited for any longer.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failed {
    #[error("it could not be started: {0}")]
    Start(std::io::Error),
    #[error("it could not be waited for: {0}")]
    Wait(std::io::Error),
    #[error("it took longer than {}", spoken(*.0))]
    Slow(Duration),
    #[error("it wrote more than {} MiB", MAX_OUTPUT >> 20)]
    Noisy,
}

/// A program that sees nothing of the environment but this.
pub(super) fn program(name: impl AsRef<OsStr>, environment: &[(String, String)]) -> Command {
    let mut command = Command::new(name);
    command.env_clear().envs(environment.iter().map(|(name, value)| (name, value)));
    command
}

impl Group {
    /// Starts a program; what it writes goes to this file.
    pub(super) fn start(mut command: Command, output: &Path) -> Result<Self, Failed> {
        let file = File::create(output).map_err(Failed::Start)?;
        let both = file.try_clone().map_err(Failed::Start)?;
        command.stdin(Stdio::null()).stdout(file).stderr(both).process_group(0);
        let child = command.spawn().map_err(Failed::Start)?;
        Ok(Self { child, output: output.to_owned() })
    }

    /// How it ended; none while it runs.
    pub(super) fn ended(&mut self) -> Result<Option<ExitStatus>, Failed> {
        if self.output.metadata().is_ok_and(|file| file.len() > MAX_OUTPUT) {
            return Err(Failed::Noisy);
        }
        self.child.try_wait().map_err(Failed::Wait)
    }

    /// Waits for its end.
    pub(super) async fn end(mut self, limit: Duration) -> Result<ExitStatus, Failed> {
        let begun = Instant::now();
        while begun.elapsed() < limit {
            if let Some(status) = self.ended()? {
                return Ok(status);
            }
            tokio::time::sleep(BEAT).await;
        }
        Err(Failed::Slow(limit))
    }

    /// Asks it to end, and waits so long for it and for all that it started; false if it did not.
    pub(super) async fn stop(mut self, patience: Duration) -> bool {
        let begun = Instant::now();
        // Only the first program is told: one that starts others passes the signal on, and a
        // program that is told twice may take the second time for impatience.
        if let (Some(id), Ok(None)) = (self.id(), self.ended()) {
            rustix::process::kill_process(id, Signal::TERM).ok();
        }
        let mut told = false;
        while begun.elapsed() < patience {
            if self.child.try_wait().is_ok_and(|status| status.is_some()) {
                let Some(id) = self.id().filter(|id| test_kill_process_group(*id).is_ok()) else { return true };
                // A shell goes by itself and leaves behind what it started.
                if !told {
                    kill_process_group(id, Signal::TERM).ok();
                    told = true;
                }
            }
            tokio::time::sleep(BEAT).await;
        }
        false
    }

    fn id(&self) -> Option<Pid> {
        i32::try_from(self.child.id()).ok().and_then(Pid::from_raw)
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(id) = self.id() {
            kill_process_group(id, Signal::KILL).ok();
        }
        drop(self.child.wait());
    }
}

/// The last lines of a file, as a terminal may show them.
pub(super) fn tail(file: &Path) -> Vec<String> {
    let text = std::fs::read(file).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let plain = |line: &str| {
        let line = line.chars().map(|c| if c.is_control() { ' ' } else { c });
        line.take(MAX_LINE).collect::<String>().trim_end().to_owned()
    };
    let lines: Vec<_> = text.lines().map(plain).filter(|line| !line.is_empty()).collect();
    lines[lines.len().saturating_sub(TAIL)..].to_vec()
}

pub(super) fn spoken(time: Duration) -> String {
    match time.as_secs() {
        seconds if seconds >= 120 && seconds % 60 == 0 => format!("{} minutes", seconds / 60),
        1 => "1 second".to_owned(),
        seconds => format!("{seconds} seconds"),
    }
}

/// How a program ended, in words.
pub(super) fn ending(status: ExitStatus) -> String {
    match status.code() {
        Some(code) => format!("with exit code {code}"),
        None => "by a signal".to_owned(),
    }
}

/// Where a program is, among the folders of this `PATH`.
pub(super) fn found(path: &str, program: &str) -> Option<PathBuf> {
    std::env::split_paths(path).map(|folder| folder.join(program)).find(|file| file.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(folder: &Path, script: &str) -> Group {
        let mut command = Command::new("sh");
        command.args(["-c", script]).current_dir(folder);
        Group::start(command, &folder.join("output")).unwrap()
    }

    #[tokio::test]
    async fn a_program_ends_or_is_ended() {
        let folder = tempfile::tempdir().unwrap();
        let status = shell(folder.path(), "echo a; echo b >&2; exit 3").end(Duration::from_secs(20)).await.unwrap();
        assert_eq!(
            (ending(status).as_str(), tail(&folder.path().join("output"))),
            ("with exit code 3", vec!["a".into(), "b".into()])
        );
        let slow = shell(folder.path(), "sleep 60").end(Duration::from_secs(1)).await.unwrap_err();
        assert_eq!(slow.to_string(), "it took longer than 1 second");
        let noisy = shell(folder.path(), "exec yes").end(Duration::from_secs(20)).await.unwrap_err();
        assert_eq!(noisy.to_string(), "it wrote more than 64 MiB");
    }

    #[tokio::test]
    async fn what_it_started_ends_with_it() {
        let folder = tempfile::tempdir().unwrap();
        let leaves = "(trap 'sleep 0.3; echo flushed; exit' TERM; echo up; while :; do sleep 0.1; done) & wait";
        let group = shell(folder.path(), leaves);
        let output = folder.path().join("output");
        while tail(&output).is_empty() {
            tokio::time::sleep(BEAT).await;
        }
        group.stop(Duration::from_secs(20)).await;
        // A shell also says that what it waited for was terminated.
        assert_eq!(tail(&output).last().map(String::as_str), Some("flushed"));
        let deaf = shell(folder.path(), "trap '' TERM; echo up; sleep 60; sleep 60");
        while tail(&output) != ["up"] {
            tokio::time::sleep(BEAT).await;
        }
        assert!(!deaf.stop(Duration::from_secs(1)).await);
    }
}
