//! A real Prometheus, which scrapes a Jetway every half second and evaluates the rules of `dashboards/`.

use std::process::{Child, Command, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::Value;
use tempfile::TempDir;

use crate::client::get;
use crate::redis::free_port;
use crate::{Jetway, eventually, root};

pub struct Prometheus {
    port: u16,
    process: Child,
    _folder: TempDir,
}

impl Prometheus {
    /// Scrapes this Jetway, and has seen it once.
    pub fn of(jetway: &Jetway) -> Self {
        let (folder, port) = (tempfile::tempdir().unwrap(), free_port());
        let config = format!(
            "global: {{ scrape_interval: 500ms, scrape_timeout: 500ms, evaluation_interval: 500ms }}
rule_files: ['{}']
scrape_configs:
  - job_name: jetway
    authorization: {{ credentials_file: '{}' }}
    static_configs: [{{ targets: ['{}'] }}]
",
            root().join("dashboards/alerts.yaml").display(),
            jetway.folder.path().join("state/admin-token").display(),
            jetway.admin,
        );
        let file = folder.path().join("prometheus.yaml");
        std::fs::write(&file, config).unwrap();
        let process = Command::new("prometheus")
            .arg(format!("--config.file={}", file.display()))
            .arg(format!("--storage.tsdb.path={}", folder.path().join("data").display()))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let prometheus = Self { port, process, _folder: folder };
        eventually(|| prometheus.is_ready() && prometheus.now("up == 1").is_ok_and(|found| !found.is_empty()));
        prometheus
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    fn is_ready(&self) -> bool {
        std::net::TcpStream::connect(("127.0.0.1", self.port)).is_ok()
            && get("/-/ready").send(([127, 0, 0, 1], self.port).into()).status == 200
    }

    fn ask(&self, path: &str, query: &[(&str, String)]) -> Result<Value, String> {
        let pairs: Vec<String> = query.iter().map(|(name, value)| format!("{name}={}", escaped(value))).collect();
        let answer = get(&format!("/api/v1/{path}?{}", pairs.join("&"))).send(([127, 0, 0, 1], self.port).into());
        let mut said = answer.json();
        if said["status"] == "success" { Ok(said["data"].take()) } else { Err(said["error"].to_string()) }
    }

    /// What an expression gives now.
    pub fn now(&self, expr: &str) -> Result<Vec<Value>, String> {
        let data = self.ask("query", &[("query", expr.to_owned())])?;
        // A number that is no vector is something, too.
        Ok(data["result"].as_array().cloned().unwrap_or_default())
    }

    /// What an expression gives over the last seconds, a value a second.
    pub fn over(&self, expr: &str, seconds: u64) -> Result<Vec<Value>, String> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let query = [
            ("query", expr.to_owned()),
            ("start", (now - seconds).to_string()),
            // The second that is not over yet is one of them.
            ("end", (now + 1).to_string()),
            ("step", "1".to_owned()),
        ];
        Ok(self.ask("query_range", &query)?["result"].as_array().cloned().unwrap_or_default())
    }

    /// Waits until all that a Jetway counts now was scraped.
    pub fn catch_up(&self) {
        let scraped = || {
            let found = self.now("timestamp(up)").unwrap_or_default();
            found.first().and_then(|series| series["value"][1].as_str()?.parse::<f64>().ok()).unwrap_or_default()
        };
        let before = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64();
        eventually(|| scraped() > before);
    }

    /// The rules that it evaluates.
    pub fn rules(&self) -> Vec<Value> {
        let data = self.ask("rules", &[]).unwrap();
        let groups = data["groups"].as_array().unwrap().clone();
        groups.iter().flat_map(|group| group["rules"].as_array().unwrap().clone()).collect()
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

/// As a value of a query.
fn escaped(text: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes()
        .map(|byte| if is_plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}
