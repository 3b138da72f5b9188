//! What the tests stand on: a Jetway of their own with its files, a provider that plays a script,
//! and a plain HTTP client.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on should say where")]

pub mod agent;
pub mod alternate;
pub mod client;
pub mod collector;
pub mod dashboards;
pub mod embeddings;
pub mod fixed;
pub mod issuer;
mod listen;
pub mod pages;
pub mod postgres;
pub mod prometheus;
pub mod prompt;
pub mod recorded;
pub mod redis;
pub mod tap;
pub mod tls;

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use std::time::{Duration, Instant};

use jetway_scripted::{Provider, Script};
use serde_json::Value;
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// The folder of the project.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap().to_owned()
}

/// A policy that changes nothing.
pub const OPEN: &str = "
about: Changes nothing.
identity: { accept: [keys, passthrough] }
models: { allow: ['*'], providers: [messages, openai] }
";

/// What a gateway of a test is made of.
pub struct Setup {
    pub provider: String,
    /// The address of a second provider, which the policy may name `second`.
    pub second: Option<String>,
    pub policies: Vec<(String, String)>,
    /// Files beside a policy: path under `policies`, text.
    pub files: Vec<(String, String)>,
    pub credentials: String,
    /// More lines of gateway.yaml.
    pub more: String,
    pub timeouts: String,
    pub env: Vec<(String, String)>,
}

impl Setup {
    pub fn new(provider: &str) -> Self {
        Self {
            provider: provider.to_owned(),
            second: None,
            policies: vec![("open".to_owned(), OPEN.to_owned())],
            files: Vec::new(),
            credentials: "passthrough".to_owned(),
            more: String::new(),
            timeouts: "{ connect: 2s, first_byte: 20s, between_bytes: 20s }".to_owned(),
            env: Vec::new(),
        }
    }

    /// The one policy, `open`, with more sections.
    pub fn with(mut self, sections: &str) -> Self {
        self.policies = vec![("open".to_owned(), format!("{OPEN}{sections}"))];
        self
    }

    /// The one policy is the shipped wizard's, with its prose and pages.
    pub fn wizard(mut self) -> Self {
        let wizard = root().join("policies/wizard");
        let read = |path: &Path| std::fs::read_to_string(path).unwrap();
        let policy = read(&wizard.join("policy.yaml"));
        // By the names of this provider.
        let policy = policy.replace("providers: [anthropic, openai]", "providers: [messages, openai]");
        self.policies = vec![("open".to_owned(), policy)];
        for file in ["standing.md", "ask.md"] {
            self = self.file(&format!("open/{file}"), &read(&wizard.join(file)));
        }
        for folder in ["docs", "steps"] {
            for page in std::fs::read_dir(wizard.join(folder)).unwrap() {
                let page = page.unwrap();
                let name = format!("open/{folder}/{}", page.file_name().display());
                self = self.file(&name, &read(&page.path()));
            }
        }
        self
    }

    pub fn file(mut self, path: &str, text: &str) -> Self {
        self.files.push((path.to_owned(), text.to_owned()));
        self
    }

    fn yaml(&self) -> String {
        let provider = |name: &str, kind: &str, url: &str| {
            format!(
                "  {name}:\n    kind: {kind}\n    base_url: {url}\n    models: ['*']\n    credentials: {}\n    timeouts: {}\n",
                self.credentials, self.timeouts
            )
        };
        let mut providers = provider("messages", "anthropic", &self.provider);
        providers += &provider("openai", "openai", &format!("{}/v1", self.provider));
        if let Some(second) = &self.second {
            providers += &provider("second", "anthropic", second);
        }
        format!("default_policy: open\n{}\nproviders:\n{providers}", self.more)
    }

    pub fn start(self) -> Jetway {
        let folder = tempfile::tempdir().unwrap();
        self.start_in(folder)
    }

    pub fn start_in(self, folder: TempDir) -> Jetway {
        let write = |path: &str, text: &str| {
            let path = folder.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        write("config/gateway.yaml", &self.yaml());
        std::fs::copy(root().join("config/prices.yaml"), folder.path().join("config/prices.yaml")).unwrap();
        for (name, text) in &self.policies {
            write(&format!("policies/{name}/policy.yaml"), text);
        }
        for (path, text) in &self.files {
            write(&format!("policies/{path}"), text);
        }
        Jetway::run(folder, &self.env)
    }
}

/// A running `jetway serve`.
pub struct Jetway {
    pub folder: TempDir,
    pub data: SocketAddr,
    pub admin: SocketAddr,
    pub greeting: String,
    log: Arc<Mutex<String>>,
    process: Child,
}

impl Jetway {
    pub fn run(folder: TempDir, env: &[(String, String)]) -> Self {
        let mut command = jetway(folder.path(), &["serve", "--any-port"]);
        command.envs(env.iter().map(|(name, value)| (name, value)));
        Self::of(folder, &mut command)
    }

    /// One that is started so.
    pub fn of(folder: TempDir, command: &mut Command) -> Self {
        let mut process = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let log = Arc::new(Mutex::new(String::new()));
        let stderr = BufReader::new(process.stderr.take().unwrap());
        let sink = Arc::clone(&log);
        std::thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                let mut log = sink.lock().unwrap();
                log.push_str(&line);
                log.push('\n');
            }
        });
        let mut greeting = String::new();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines().map_while(Result::ok);
        for line in lines.by_ref().take(5) {
            greeting.push_str(&line);
            greeting.push('\n');
        }
        std::thread::spawn(move || lines.for_each(drop));
        let address = |label: &str| -> SocketAddr {
            let line = greeting.lines().find(|line| line.starts_with(label));
            let line = line.unwrap_or_else(|| panic!("Jetway did not start: {}", log.lock().unwrap()));
            let address = line.split("://").nth(1).unwrap();
            address.split_whitespace().next().unwrap().parse().unwrap()
        };
        let (data, admin) = (address("agents"), address("admin"));
        Self { folder, data, admin, greeting, log, process }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.data)
    }

    /// Waits until it has logged this: what it logs arrives by a pipe, in its own time.
    pub fn says(&self, text: &str) {
        let begun = Instant::now();
        while !self.log().contains(text) {
            assert!(begun.elapsed() < Duration::from_secs(60), "it never said `{text}`: {}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// What it has logged so far.
    pub fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// Nobody reads what it logs while this is held.
    pub fn unread(&self) -> MutexGuard<'_, String> {
        self.log.lock().unwrap()
    }

    /// Runs another command on the same configuration.
    pub fn command(&self, args: &[&str]) -> Output {
        jetway(self.folder.path(), args).output().unwrap()
    }

    /// The same, with its standard output read as JSON.
    pub fn json(&self, args: &[&str]) -> Value {
        let output = self.command(args);
        let text = String::from_utf8_lossy(&output.stdout);
        serde_json::from_str(&text)
            .unwrap_or_else(|error| panic!("{error}: {text} {}", String::from_utf8_lossy(&output.stderr)))
    }

    /// A new key for a user of the policy.
    pub fn key(&self, policy: &str, user: &str) -> (String, String) {
        let made = self.json(&["keys", "create", "--policy", policy, "--user", user, "--json"]);
        (made["id"].as_str().unwrap().to_owned(), made["key"].as_str().unwrap().to_owned())
    }

    /// Every exchange in the run log, oldest first, once there are as many as expected.
    pub fn exchanges(&self, expected: usize) -> Vec<Value> {
        let mut found = Vec::new();
        eventually(|| {
            let runs = self.json(&["runs", "--json", "--limit", "1000"]);
            found = Vec::new();
            for run in runs.as_array().unwrap() {
                let shown = self.json(&["runs", "show", run["id"].as_str().unwrap(), "--json"]);
                found.extend(shown["exchanges"].as_array().unwrap().iter().cloned());
            }
            found.len() >= expected
        });
        found.sort_by_key(|exchange| exchange["id"].as_str().unwrap().to_owned());
        found
    }

    /// What Prometheus would read.
    pub fn metrics(&self) -> String {
        let ask = client::get("/metrics").header("authorization", &format!("Bearer {}", self.token()));
        ask.send(self.admin).text()
    }

    /// Gives the policy `open` other sections, and waits until they are in force.
    pub fn edit(&self, sections: &str) {
        let before = self.log().matches("is in force").count();
        std::fs::write(self.folder.path().join("policies/open/policy.yaml"), format!("{OPEN}{sections}")).unwrap();
        eventually(|| self.log().matches("is in force").count() > before);
    }

    /// The admin token.
    pub fn token(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("state/admin-token")).unwrap()
    }

    /// Asks it to stop, as an orchestrator does.
    pub fn terminate(&self) {
        let id = self.process.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
    }

    /// Kills it, as a crash does, and gives the folder back.
    pub fn kill(mut self) -> TempDir {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
        std::mem::replace(&mut self.folder, tempfile::tempdir().unwrap())
    }

    /// Waits for it to end by itself.
    pub fn wait(&mut self) -> std::process::ExitStatus {
        let mut status = None;
        eventually(|| {
            status = self.process.try_wait().unwrap();
            status.is_some()
        });
        status.unwrap()
    }
}

impl Drop for Jetway {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

/// The program, in a folder.
pub fn jetway(folder: &Path, args: &[&str]) -> Command {
    // Tests are in target/…/deps, programs above them.
    let program = std::env::current_exe().unwrap().ancestors().nth(2).unwrap().join("jetway");
    let mut command = Command::new(program);
    command.current_dir(folder).args(args).env_remove("ANTHROPIC_API_KEY").env_remove("OPENAI_API_KEY");
    command
}

/// Waits until something holds; fails after a minute, which is only for a machine with much to do.
#[track_caller]
pub fn eventually(mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < Duration::from_secs(60), "it did not come about in a minute");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A provider that plays this script.
pub fn provider(script: &str) -> Provider {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    let _entered = RUNTIME.get_or_init(|| Runtime::new().unwrap()).enter();
    Provider::start(Script::parse(script).unwrap()).unwrap()
}
