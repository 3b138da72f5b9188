//! Real Redis servers of a test's own.

use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use crate::eventually;

/// A server on a free port, in a folder of its own. It ends with the test.
pub struct Redis {
    pub port: u16,
    program: &'static str,
    folder: TempDir,
    args: Vec<String>,
    process: Option<Child>,
}

/// A port that nobody uses now.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

impl Redis {
    /// A server that keeps nothing on disk, with these options.
    pub fn start(args: &[&str]) -> Self {
        let port = free_port();
        let mut all: Vec<String> =
            ["--bind", "127.0.0.1", "--save", "", "--daemonize", "no"].map(str::to_owned).to_vec();
        // With TLS the plain port is closed by the test's own options.
        if !args.contains(&"--port") {
            all.extend(["--port".to_owned(), port.to_string()]);
        }
        all.extend(args.iter().map(|arg| arg.replace("PORT", &port.to_string())));
        Self::run("redis-server", port, all)
    }

    /// A sentinel that watches this master, whose vote alone counts.
    pub fn sentinel(master: &Self) -> Self {
        let port = free_port();
        let folder = tempfile::tempdir().unwrap();
        let config = format!(
            "port {port}\nbind 127.0.0.1\nsentinel monitor ours 127.0.0.1 {} 1\nsentinel down-after-milliseconds ours 1000\nsentinel failover-timeout ours 5000\n",
            master.port
        );
        let file = folder.path().join("sentinel.conf");
        std::fs::write(&file, config).unwrap();
        let mut server =
            Self { port, program: "redis-sentinel", folder, args: vec![file.display().to_string()], process: None };
        server.spawn();
        server
    }

    fn run(program: &'static str, port: u16, args: Vec<String>) -> Self {
        let mut server = Self { port, program, folder: tempfile::tempdir().unwrap(), args, process: None };
        server.spawn();
        server
    }

    fn spawn(&mut self) {
        let child = Command::new(self.program)
            .args(&self.args)
            .current_dir(self.folder.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let program = self.program;
        self.process =
            Some(child.unwrap_or_else(|error| panic!("{program} cannot be started ({error}); tests/all installs it")));
        let port = self.port;
        eventually(|| std::net::TcpStream::connect(("127.0.0.1", port)).is_ok());
    }

    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    pub fn folder(&self) -> PathBuf {
        self.folder.path().to_owned()
    }

    /// Runs a command with redis-cli and gives what it prints.
    pub fn cli(&self, args: &[&str]) -> String {
        let output = Command::new("redis-cli").args(["-p", &self.port.to_string()]).args(args).output().unwrap();
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// Kills it, as a crash does.
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().unwrap();
            process.wait().unwrap();
        }
    }

    /// Starts it again on the same port, with what it has on disk.
    pub fn restart(&mut self) {
        self.kill();
        self.spawn();
        // It may be reading its file still.
        eventually(|| self.cli(&["ping"]) == "PONG" || self.cli(&["ping"]).contains("NOAUTH"));
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        if let Some(mut process) = self.process.take() {
            drop(process.kill());
            drop(process.wait());
        }
    }
}
