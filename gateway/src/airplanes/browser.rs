//! A browser that does what a person would: Chromium, driven through chromedriver by WebDriver.
//!
//! The few calls that are needed are JSON over HTTP, for which there is a client here anyway.
//! fantoccini, the best-kept crate for it, would bring ten more into the tree for the same.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Method, Request};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use jetway_core::retrieval::airplane::Act;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::airplanes::run::{self, BEAT, Group};

/// What WebDriver calls an element in JSON.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";
/// How long the driver and the browser may take to start, and one call.
const START: Duration = Duration::from_secs(60);
/// How often it is tried to start them.
const ATTEMPTS: usize = 3;
/// The largest answer that is read.
const MAX_ANSWER: usize = 16 << 20;
/// How often what an act waits for is looked for.
const LOOK: Duration = Duration::from_millis(100);

/// An ordinary browser, by its name: SDKs drop the events of one that says it is driven.
const AGENT: &str =
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/145.0.0.0 Safari/537.36";

/// Loopback never goes through a proxy, all else does: to a port where nobody is. Names are not
/// looked up, and nothing but the proxy may be spoken to over UDP.
const CLOSED: [&str; 3] = [
    "--proxy-server=http://127.0.0.1:9",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
    "--webrtc-ip-handling-policy=disable_non_proxied_udp",
];

const FLAGS: [&str; 10] = [
    "--headless=new",
    "--no-sandbox",
    "--disable-dev-shm-usage",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-blink-features=AutomationControlled",
    "--disable-breakpad",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
];

/// The two programs.
#[derive(Debug, Clone)]
pub struct Programs {
    browser: PathBuf,
    driver: PathBuf,
}

impl Programs {
    /// Finds them among the folders of this `PATH`.
    ///
    /// # Errors
    /// What is missing, and how it is had.
    pub fn find(path: &str) -> Result<Self, Failed> {
        let first = |names: &[&str]| names.iter().find_map(|name| run::found(path, name));
        let missing = |what: &str| {
            Failed(format!("there is no {what} here; on Debian: apt-get install chromium chromium-driver"))
        };
        let browser = first(&["chromium", "chromium-browser", "google-chrome"]).ok_or_else(|| missing("Chromium"))?;
        let driver = first(&["chromedriver"]).ok_or_else(|| missing("chromedriver"))?;
        Ok(Self { browser, driver })
    }
}

/// What did not happen, in a sentence.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Failed(pub(super) String);

/// A browser with one window. It goes when this goes.
#[derive(Debug)]
pub(super) struct Browser {
    client: Client<HttpConnector, Full<Bytes>>,
    session: String,
    // Dropped in this order: the profile outlives the browser that writes into it.
    _driver: Group,
    _profile: TempDir,
}

impl Browser {
    /// Starts one, with a profile of its own. It is tried again, for whether the driver starts also
    /// hangs on others: the port that it takes of IPv4 has to be free in IPv6 too.
    pub(super) async fn open(programs: &Programs, environment: &[(String, String)]) -> Result<Self, Failed> {
        let mut tried = Self::begin(programs, environment).await;
        for _ in 1..ATTEMPTS {
            if tried.is_ok() {
                break;
            }
            tokio::time::sleep(LOOK).await;
            tried = Self::begin(programs, environment).await;
        }
        tried
    }

    async fn begin(programs: &Programs, environment: &[(String, String)]) -> Result<Self, Failed> {
        let failed = |error: &dyn std::fmt::Display| Failed(format!("the browser could not be started: {error}"));
        let profile = tempfile::Builder::new().prefix("jetway-browser-").tempdir().map_err(|error| failed(&error))?;
        let output = profile.path().join("chromedriver.log");
        let mut command = run::program(&programs.driver, environment);
        command.arg("--port=0").env("TMPDIR", profile.path());
        let mut driver = Group::start(command, &output).map_err(|error| failed(&error))?;
        let port = port(&mut driver, &output).await.map_err(|error| failed(&error))?;
        let client = Client::builder(TokioExecutor::new()).build_http();
        let own = format!("--user-data-dir={}", profile.path().join("profile").display());
        let flags: Vec<_> = FLAGS.iter().chain(&CLOSED).map(|flag| (*flag).to_owned()).collect();
        let flags = flags.into_iter().chain([own, format!("--user-agent={AGENT}")]).collect::<Vec<_>>();
        let options = json!({ "binary": programs.browser, "args": flags, "excludeSwitches": ["enable-automation"] });
        let wanted = json!({ "capabilities": { "alwaysMatch": { "goog:chromeOptions": options } } });
        let mut browser =
            Self { client, session: format!("http://127.0.0.1:{port}/session"), _driver: driver, _profile: profile };
        let made = browser.call(Method::POST, "", Some(wanted)).await.map_err(|wrong| failed(&wrong.message))?;
        let id = made["sessionId"].as_str().ok_or_else(|| failed(&"chromedriver made no session"))?;
        browser.session = format!("{}/{id}", browser.session);
        Ok(browser)
    }

    /// Does one act on the pages of this address, and waits so long for its element.
    pub(super) async fn play(&self, site: &str, act: &Act, patience: Duration) -> Result<(), Failed> {
        let begun = Instant::now();
        loop {
            let tried = tokio::time::timeout(START.max(patience), self.attempt(site, act)).await;
            let why = match tried {
                Ok(Ok(())) => return Ok(()),
                Ok(Err(why)) => why,
                Err(_) => "the browser does not answer".to_owned(),
            };
            if begun.elapsed() >= patience {
                return Err(Failed(format!("{why}, for {}", run::spoken(patience))));
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Leaves the page, as a person does in the end: scripts send what they still have.
    pub(super) async fn leave(&self) {
        drop(self.call(Method::POST, "/url", Some(json!({ "url": "about:blank" }))).await);
    }

    /// Closes it, so that it ends by itself before it is ended.
    pub(super) async fn close(self) {
        drop(self.call(Method::DELETE, "", None).await);
    }

    /// One try; what is not there yet, in words that end well with a time.
    async fn attempt(&self, site: &str, act: &Act) -> Result<(), String> {
        match act {
            Act::Open(path) => {
                let url = format!("{site}{path}");
                let opened = self.call(Method::POST, "/url", Some(json!({ "url": url }))).await;
                opened.map(drop).map_err(|wrong| format!("the page did not open ({})", wrong.message))
            }
            Act::See(selector) => self.element(selector).await.map(drop),
            Act::Click(selector) => {
                let element = self.element(selector).await?;
                let clicked = self.call(Method::POST, &format!("{element}/click"), Some(json!({}))).await;
                clicked.map(drop).map_err(|wrong| wrong.of(selector, "could not be clicked"))
            }
            Act::Fill(fields) => {
                for (selector, text) in fields {
                    self.fill(selector, text).await?;
                }
                Ok(())
            }
            Act::Text(texts) => {
                for (selector, expected) in texts {
                    let element = self.element(selector).await?;
                    let read = self.call(Method::GET, &format!("{element}/text"), None).await;
                    let read = read.map_err(|wrong| wrong.of(selector, "could not be read"))?;
                    let text = read.as_str().unwrap_or_default().trim();
                    if text != expected.trim() {
                        return Err(format!("`{selector}` read {text:?}, not {expected:?}"));
                    }
                }
                Ok(())
            }
        }
    }

    async fn fill(&self, selector: &str, text: &str) -> Result<(), String> {
        let element = self.element(selector).await?;
        let wrong = |wrong: Wrong| wrong.of(selector, "could not be filled");
        self.call(Method::POST, &format!("{element}/clear"), Some(json!({}))).await.map_err(wrong)?;
        self.call(Method::POST, &format!("{element}/value"), Some(json!({ "text": text }))).await.map_err(wrong)?;
        // A script that takes a page over while it is filled may put back what was there.
        let kept = self.call(Method::GET, &format!("{element}/property/value"), None).await.map_err(wrong)?;
        match kept.as_str() {
            Some(kept) if kept != text => Err(format!("`{selector}` did not keep what was written into it")),
            _ => Ok(()),
        }
    }

    /// The path of an element.
    async fn element(&self, selector: &str) -> Result<String, String> {
        let query = json!({ "using": "css selector", "value": selector });
        let found = self.call(Method::POST, "/element", Some(query)).await;
        let found = found.map_err(|wrong| match wrong.code.as_str() {
            "no such element" => format!("there was no element `{selector}`"),
            _ => wrong.of(selector, "could not be looked for"),
        })?;
        let id = found[ELEMENT].as_str().ok_or_else(|| format!("there was no element `{selector}`"))?;
        Ok(format!("/element/{id}"))
    }

    async fn call(&self, method: Method, path: &str, body: Option<Value>) -> Result<Value, Wrong> {
        let asked = tokio::time::timeout(START, self.ask(method, path, body)).await;
        let mut answer = asked.map_err(|_| Wrong::plain("chromedriver does not answer"))??;
        let value = answer["value"].take();
        match value["error"].as_str() {
            None => Ok(value),
            Some(code) => {
                let message = value["message"].as_str().and_then(|text| text.lines().next()).unwrap_or(code);
                Err(Wrong { code: code.to_owned(), message: message.to_owned() })
            }
        }
    }

    async fn ask(&self, method: Method, path: &str, body: Option<Value>) -> Result<Value, Wrong> {
        let body = body.map(|body| body.to_string()).unwrap_or_default();
        let request = Request::builder().method(method).uri(format!("{}{path}", self.session));
        let request = request.header("content-type", "application/json").body(Full::new(Bytes::from(body)));
        let request = request.map_err(|error| Wrong::plain(&error.to_string()))?;
        let sent = self.client.request(request).await;
        let answer = sent.map_err(|error| Wrong::plain(&format!("chromedriver cannot be asked: {error}")))?;
        let read = Limited::new(answer.into_body(), MAX_ANSWER).collect().await;
        let read = read.map_err(|error| Wrong::plain(&format!("chromedriver broke off: {error}")))?;
        serde_json::from_slice(&read.to_bytes()).map_err(|_| Wrong::plain("chromedriver answered no JSON"))
    }
}

/// Waits until the driver has said at which port it listens.
async fn port(driver: &mut Group, output: &Path) -> Result<u16, String> {
    let begun = Instant::now();
    while begun.elapsed() < START {
        let said = std::fs::read_to_string(output).unwrap_or_default();
        let named = said.lines().filter_map(|line| line.split("started successfully on port ").nth(1));
        if let Some(port) = named.filter_map(|rest| rest.trim_end_matches('.').parse().ok()).next() {
            return Ok(port);
        }
        if let Some(status) = driver.ended().map_err(|error| error.to_string())? {
            let last = run::tail(output).pop().unwrap_or_default();
            return Err(format!("chromedriver ended {}: {last}", run::ending(status)));
        }
        tokio::time::sleep(BEAT).await;
    }
    Err("chromedriver did not say where it listens".to_owned())
}

/// An error of WebDriver: its code and its message's first line.
#[derive(Debug)]
struct Wrong {
    code: String,
    message: String,
}

impl Wrong {
    fn plain(message: &str) -> Self {
        Self { code: String::new(), message: message.to_owned() }
    }

    fn of(self, selector: &str, what: &str) -> String {
        format!("`{selector}` {what} ({})", self.message)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[tokio::test]
    async fn it_sees_nothing_of_whoever_runs_the_check() {
        let folder = tempfile::tempdir().unwrap();
        let driver = folder.path().join("chromedriver");
        // Cargo gives these tests the first.
        std::fs::write(&driver, "#!/bin/sh\necho \"${CARGO_MANIFEST_DIR-nothing} $LANG ${TMPDIR:+kept}\"\nexit 3\n")
            .unwrap();
        std::fs::set_permissions(&driver, std::fs::Permissions::from_mode(0o755)).unwrap();
        let environment = [("LANG".to_owned(), "C.UTF-8".to_owned())];
        let failed = Browser::open(&Programs { browser: driver.clone(), driver }, &environment).await.unwrap_err();
        let ended = "chromedriver ended with exit code 3: nothing C.UTF-8 kept";
        assert_eq!(failed.to_string(), format!("the browser could not be started: {ended}"));
    }
}
