//! Real PostgreSQL servers: one that the tests of a program share, each with a database of its own,
//! and such as a test may kill.

use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::eventually;
use crate::redis::free_port;

/// A server on a free port, in a folder of its own. It ends with the test, or with the program.
pub struct Postgres {
    pub port: u16,
    folder: PathBuf,
    options: Vec<String>,
    process: Option<(Child, ChildStdin)>,
}

/// The name of the superuser of these servers, who needs no password.
pub const USER: &str = "jetway";

/// A database of a test's own on the server that all share. Gives its URL.
pub fn database() -> String {
    static SERVER: OnceLock<Postgres> = OnceLock::new();
    // What is lost in a crash is of no interest here.
    SERVER.get_or_init(|| Postgres::start(&["fsync=off", "max_connections=200"])).database()
}

impl Postgres {
    /// A server with these settings beside the usual ones.
    pub fn start(settings: &[&str]) -> Self {
        let folder = tempfile::Builder::new().prefix("jetway-postgres-").tempdir().unwrap().keep();
        std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o755)).unwrap();
        let port = free_port();
        if is_root() {
            let owner = format!("{}:", unprivileged());
            assert!(Command::new("chown").arg(owner).arg(&folder).status().unwrap().success());
        }
        let data = folder.join("data");
        let made = as_nobody(&program("initdb"))
            .args(["--auth=trust", "--no-sync", "--encoding=UTF8", "--no-locale", "--username", USER, "--pgdata"])
            .arg(&data)
            .current_dir(&folder)
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let mut options = vec![format!("port={port}"), format!("unix_socket_directories={}", folder.display())];
        options.extend(["listen_addresses=127.0.0.1", "log_min_messages=fatal"].map(str::to_owned));
        options.extend(settings.iter().map(|&setting| setting.to_owned()));
        let mut server = Self { port, folder, options, process: None };
        server.spawn();
        server
    }

    fn spawn(&mut self) {
        // Whatever ends this program closes the pipe, which ends the server and what it has on disk.
        let script = r#""$@" & if read -r _; then kill -QUIT $!; wait; else kill -QUIT $!; wait; rm -rf "$PWD"; fi"#;
        let mut command = as_nobody(Path::new("sh"));
        command.args(["-c", script, "sh"]).arg(program("postgres")).arg("-D").arg(self.folder.join("data"));
        for option in &self.options {
            command.args(["-c", option]);
        }
        let spawned =
            command.current_dir(&self.folder).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let mut process = spawned.unwrap();
        let stdin = process.stdin.take().unwrap();
        self.process = Some((process, stdin));
        eventually(|| self.run(&["--command", "SELECT 1"]).is_ok());
    }

    /// A new database. Gives its URL.
    pub fn database(&self) -> String {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("test_{}", COUNT.fetch_add(1, Ordering::Relaxed));
        self.run(&["--command", &format!("CREATE DATABASE {name}")]).unwrap();
        format!("postgres://127.0.0.1:{}/{name}", self.port)
    }

    /// The folder that it may read files in.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// What a query gives, a line a row.
    pub fn query(&self, url: &str, sql: &str) -> String {
        let database = url.rsplit('/').next().unwrap();
        self.run(&["--dbname", database, "--command", sql]).unwrap()
    }

    fn run(&self, args: &[&str]) -> Result<String, String> {
        let port = self.port.to_string();
        let output = Command::new(program("psql"))
            .args(["--no-psqlrc", "--tuples-only", "--no-align", "--host", "127.0.0.1", "--username", USER])
            .args(["--port", &port, "--dbname", "postgres"])
            .args(args)
            .output()
            .unwrap();
        if output.status.success() {
            Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
        } else {
            Err(String::from_utf8_lossy(&output.stderr).into_owned())
        }
    }

    /// Ends it at once, as a crash does.
    pub fn kill(&mut self) {
        if let Some((mut process, mut stdin)) = self.process.take() {
            drop(stdin.write_all(b"\n"));
            drop(stdin);
            drop(process.wait());
        }
    }

    /// Starts it again on the same port, with what it has on disk.
    pub fn restart(&mut self) {
        self.kill();
        self.spawn();
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.kill();
        drop(std::fs::remove_dir_all(&self.folder));
    }
}

/// The newest that is installed, where Debian installs it, or the one of the path.
fn program(name: &str) -> PathBuf {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let found = versions.map(|version| version.path().join("bin").join(name)).filter(|path| path.exists());
    found.max().unwrap_or_else(|| PathBuf::from(name))
}

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output().unwrap();
    String::from_utf8_lossy(&id.stdout).trim() == "0"
}

/// A user that servers may run as, which they refuse to do as root.
fn unprivileged() -> &'static str {
    let knows = |user: &str| Command::new("id").arg(user).output().unwrap().status.success();
    if knows("postgres") { "postgres" } else { "nobody" }
}

/// A command that does not run as root.
fn as_nobody(program: &Path) -> Command {
    if !is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    let user = format!("--reuid={}", unprivileged());
    command.args([user.as_str(), "--regid=nogroup", "--clear-groups"]).arg(program);
    command
}

/// Makes a file one of the server's, which nobody else may read.
pub fn give(path: &Path) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
    if is_root() {
        assert!(Command::new("chown").arg(unprivileged()).arg(path).status().unwrap().success());
    }
}
