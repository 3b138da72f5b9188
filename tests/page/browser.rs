//! Chromium, driven through chromedriver, as far as these tests need it: a page is opened, keys are
//! pressed, a script is asked what is there, and the console is read.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jetway_support::eventually;
use serde_json::{Value, json};
use tempfile::TempDir;

/// Keys as WebDriver names them.
pub(crate) const ENTER: &str = "\u{e007}";
pub(crate) const ESCAPE: &str = "\u{e00c}";
pub(crate) const TAB: &str = "\u{e004}";

const FLAGS: [&str; 6] = [
    "--headless=new",
    "--no-sandbox",
    "--disable-dev-shm-usage",
    "--disable-gpu",
    "--disable-background-networking",
    "--no-first-run",
];

/// A browser with one window, which ends with this.
pub(crate) struct Browser {
    driver: Child,
    address: SocketAddr,
    session: String,
    profile: TempDir,
}

impl Browser {
    pub(crate) fn open() -> Self {
        let profile = tempfile::Builder::new().prefix("jetway-browser-").tempdir().unwrap();
        let mut command = Command::new("chromedriver");
        command.arg("--port=0").env("TMPDIR", profile.path()).process_group(0);
        let started = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
        let mut driver = started.unwrap_or_else(|error| {
            panic!("chromedriver: {error}; on Debian: apt-get install chromium chromium-driver")
        });
        let mut lines = BufReader::new(driver.stdout.take().unwrap()).lines().map_while(Result::ok);
        let port = lines.find_map(|line| {
            line.split("started successfully on port ").nth(1)?.trim_end_matches('.').parse::<u16>().ok()
        });
        let address = SocketAddr::from(([127, 0, 0, 1], port.unwrap_or_else(|| panic!("chromedriver has no port"))));
        std::thread::spawn(move || lines.for_each(drop));
        let own = format!("--user-data-dir={}", profile.path().join("profile").display());
        let args: Vec<&str> = FLAGS.into_iter().chain([own.as_str()]).collect();
        let wanted = json!({ "goog:chromeOptions": { "args": args }, "goog:loggingPrefs": { "browser": "ALL" } });
        let mut browser = Self { driver, address, session: String::from("/session"), profile };
        let made = browser.call("POST", "", &json!({ "capabilities": { "alwaysMatch": wanted } }));
        browser.session = format!("/session/{}", made["sessionId"].as_str().unwrap());
        browser
    }

    pub(crate) fn go(&self, url: &str) {
        self.call("POST", "/url", &json!({ "url": url }));
    }

    /// What a script returns. It runs beside the page's policy, as an extension's would.
    pub(crate) fn ask(&self, script: &str) -> Value {
        self.call("POST", "/execute/sync", &json!({ "script": script, "args": [] }))
    }

    /// Waits until an expression is true.
    #[track_caller]
    pub(crate) fn wait(&self, expression: &str) {
        eventually(|| self.ask(&format!("return Boolean({expression})")) == true);
    }

    /// Presses keys, one behind the other, wherever the focus is.
    pub(crate) fn press(&self, keys: &str) {
        let strokes = keys
            .chars()
            .flat_map(|key| ["keyDown", "keyUp"].map(|kind| json!({ "type": kind, "value": key.to_string() })));
        let actions = json!({ "type": "key", "id": "keys", "actions": strokes.collect::<Vec<_>>() });
        self.call("POST", "/actions", &json!({ "actions": [actions] }));
    }

    /// Makes the page as wide as this, also where a window could not be.
    pub(crate) fn resize(&self, width: u32, height: u32) {
        let size = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        let call = json!({ "cmd": "Emulation.setDeviceMetricsOverride", "params": size });
        self.call("POST", "/goog/cdp/execute", &call);
    }

    /// Shows pages in the light or in the dark.
    pub(crate) fn prefers(&self, scheme: &str) {
        let features = json!([{ "name": "prefers-color-scheme", "value": scheme }]);
        let call = json!({ "cmd": "Emulation.setEmulatedMedia", "params": { "features": features } });
        self.call("POST", "/goog/cdp/execute", &call);
    }

    /// The whole page as a PNG.
    pub(crate) fn picture(&self) -> Vec<u8> {
        // They would be in its way.
        self.call(
            "POST",
            "/goog/cdp/execute",
            &json!({ "cmd": "Emulation.setScrollbarsHidden", "params": { "hidden": true } }),
        );
        let params = json!({ "format": "png", "captureBeyondViewport": true });
        let call = json!({ "cmd": "Page.captureScreenshot", "params": params });
        let taken = self.call("POST", "/goog/cdp/execute", &call);
        STANDARD.decode(taken["data"].as_str().unwrap()).unwrap()
    }

    /// What the console was told since this was last asked, but for hints to developers.
    pub(crate) fn console(&self) -> Vec<String> {
        let lines = self.call("POST", "/se/log", &json!({ "type": "browser" }));
        let lines = lines.as_array().unwrap().iter().filter(|line| line["level"] != "DEBUG");
        lines.map(|line| line["message"].to_string()).collect()
    }

    #[track_caller]
    fn call(&self, method: &str, path: &str, body: &Value) -> Value {
        let mut answer = self.send(method, path, body).unwrap();
        assert!(answer["value"]["error"].is_null(), "{path} {body}: {answer}");
        answer["value"].take()
    }

    fn send(&self, method: &str, path: &str, body: &Value) -> std::io::Result<Value> {
        let (mut stream, body) = (TcpStream::connect(self.address)?, body.to_string());
        // A browser that starts on a busy machine takes its time.
        stream.set_read_timeout(Some(Duration::from_secs(120)))?;
        let (path, host, length) = (format!("{}{path}", self.session), self.address, body.len());
        let body = if method == "POST" { body.as_str() } else { "" };
        let length = length.min(body.len());
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
        )?;
        let mut reader = BufReader::new(stream);
        let mut length = 0;
        loop {
            let mut line = String::new();
            reader.read_line(&mut line)?;
            if line.trim().is_empty() {
                break;
            }
            let (name, value) = line.split_once(':').unwrap_or_default();
            if name.eq_ignore_ascii_case("content-length") {
                length = value.trim().parse().unwrap();
            }
        }
        let mut bytes = vec![0; length];
        reader.read_exact(&mut bytes)?;
        Ok(serde_json::from_slice(&bytes)?)
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // The driver closes the browser, and what is left of both goes with their group.
        drop(self.send("DELETE", "", &Value::Null));
        drop(Command::new("kill").args(["-KILL", "--", &format!("-{}", self.driver.id())]).status());
        drop(self.driver.wait());
        drop(std::fs::remove_dir_all(self.profile.path()));
    }
}
