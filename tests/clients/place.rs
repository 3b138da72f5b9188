//! Where a client runs: an empty home, a project, a way out that is closed, and an end in time.

use std::fs::File;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// A client that takes longer than this is killed.
const LIMIT: Duration = Duration::from_secs(90);

/// The folder that `tests/clients/install` prints.
pub(crate) fn installed() -> PathBuf {
    #[expect(clippy::disallowed_methods, reason = "the tests' own setting, not Jetway's")]
    let found = std::env::var_os("JETWAY_CLIENTS");
    let how = "run: JETWAY_CLIENTS=\"$(tests/clients/install)\" cargo test -p jetway --features clients --test clients";
    let Some(folder) = found else { panic!("JETWAY_CLIENTS does not say where the clients are installed; {how}") };
    let folder = PathBuf::from(folder);
    assert!(
        folder.join("node_modules/.bin/claude").exists() && folder.join("venv/bin/python").exists(),
        "there are no clients in {} (JETWAY_CLIENTS); {how}",
        folder.display()
    );
    folder
}

/// A folder with a home and a project in it, which goes when this goes.
pub(crate) struct Place {
    folder: TempDir,
}

/// What a client left behind.
#[derive(Debug)]
pub(crate) struct Ran {
    /// The exit code; none if it was killed.
    pub(crate) code: Option<i32>,
    /// What it printed: its answer.
    pub(crate) out: String,
    /// What a person read beside it.
    pub(crate) err: String,
    pub(crate) took: Duration,
}

impl Ran {
    /// All that a person saw on the terminal.
    pub(crate) fn shown(&self) -> String {
        format!("{}{}", self.out, self.err)
    }

    /// Whether a person reads this sentence, as it is: not inside JSON, with nothing behind it.
    pub(crate) fn says(&self, sentence: &str) -> bool {
        self.shown().lines().any(|line| line.ends_with(sentence))
    }
}

impl Place {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for name in ["home", "project", "temp"] {
            std::fs::create_dir(folder.path().join(name)).unwrap();
        }
        Self { folder }
    }

    pub(crate) fn home(&self) -> PathBuf {
        self.folder.path().join("home")
    }

    pub(crate) fn project(&self) -> PathBuf {
        self.folder.path().join("project")
    }

    /// Puts a file into the project.
    pub(crate) fn put(&self, name: &str, text: &str) {
        std::fs::write(self.project().join(name), text).unwrap();
    }

    /// A file of the project; empty if there is none.
    pub(crate) fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.project().join(name)).unwrap_or_default()
    }

    /// A program in the project, with nothing of our own environment but where programs are.
    /// Whatever it wants to tell the world goes to a port where nobody is.
    pub(crate) fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        #[expect(clippy::disallowed_methods, reason = "the tests' own environment, not Jetway's")]
        let path = std::env::var_os("PATH").unwrap_or_default();
        command.current_dir(self.project()).env_clear().env("PATH", path).env("HOME", self.home());
        command.env("TMPDIR", self.folder.path().join("temp")).env("LANG", "C.UTF-8").env("TERM", "dumb");
        for name in ["HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"] {
            command.env(name, "http://127.0.0.1:9");
        }
        command.env("NO_PROXY", "127.0.0.1,localhost").env("no_proxy", "127.0.0.1,localhost");
        command
    }

    /// Runs it to its end, or to ours.
    pub(crate) fn run(&self, mut command: Command) -> Ran {
        let file = |name: &str| self.folder.path().join(name);
        let begun = Instant::now();
        let mut child = command
            .stdin(Stdio::null())
            .stdout(File::create(file("out")).unwrap())
            .stderr(File::create(file("err")).unwrap())
            // A group of its own, so that nothing of it outlives it.
            .process_group(0)
            .spawn()
            .unwrap();
        let mut status = None;
        while status.is_none() && begun.elapsed() < LIMIT {
            std::thread::sleep(Duration::from_millis(20));
            status = child.try_wait().unwrap();
        }
        let group = format!("-{}", child.id());
        drop(Command::new("kill").args(["-KILL", "--", &group]).stderr(Stdio::null()).status());
        child.wait().unwrap();
        let text = |name: &str| String::from_utf8_lossy(&std::fs::read(file(name)).unwrap()).into_owned();
        Ran { code: status.and_then(|status| status.code()), out: text("out"), err: text("err"), took: begun.elapsed() }
    }
}
