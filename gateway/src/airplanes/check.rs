//! Whether an airplane flies: it is built and started, used as a person would, and what its SDK
//! sent is held against its `events.json`.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::Empty;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use jetway_core::retrieval::airplane::Act;
use jetway_core::retrieval::airplane::events::{Expected, counted, missed};

use crate::airplanes::Hangar;
use crate::airplanes::browser::{self, Browser, Programs};
use crate::airplanes::capture::{Capture, Heard};
use crate::airplanes::place::Place;
use crate::airplanes::run::{self, BEAT, Group};

/// The file that lists the events.
const EVENTS: &str = "events.json";
/// A project's key, of the length that real ones have.
const KEY: &str = "phc_JetwayMadeThisKeyUpToCheckAnAirplane0000000";

/// A page that was left and has sent nothing for so long has nothing more to send.
const QUIET: Duration = Duration::from_secs(1);

/// How long each thing may take.
#[derive(Debug, Clone)]
pub struct Limits {
    pub install: Duration,
    pub build: Duration,
    /// Until the application answers.
    pub start: Duration,
    /// Until an act finds its element.
    pub act: Duration,
    /// Until the application has ended; it sends what it still has.
    pub stop: Duration,
    /// Until all that was sent has arrived.
    pub arrive: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self {
            install: seconds(600),
            build: seconds(600),
            start: seconds(60),
            act: seconds(20),
            stop: seconds(10),
            arrive: seconds(5),
        }
    }
}

/// How airplanes are checked.
#[derive(Debug, Clone)]
pub struct Settings {
    pub programs: Programs,
    /// The folders in which programs are looked for, as in `PATH`.
    pub path: String,
    /// What programs see of the environment, by name: nothing else of it.
    pub environment: Vec<(String, String)>,
    pub limits: Limits,
    /// Whether the working copy is left there.
    pub keep: bool,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    Passed,
    /// In sentences; with the end of what the step wrote that failed.
    Failed {
        why: Vec<String>,
        output: Vec<String>,
    },
    /// Without these programs it cannot be started.
    NotChecked {
        needs: Vec<String>,
    },
}

/// An airplane that was checked, or was not.
#[derive(Debug, Clone)]
pub struct Checked {
    pub name: String,
    pub verdict: Verdict,
    pub took: Duration,
    /// How long each step took, in their order.
    pub steps: Vec<(&'static str, Duration)>,
    /// How often each event arrived.
    pub events: BTreeMap<String, usize>,
    /// Where the working copy was left.
    pub kept: Option<PathBuf>,
}

/// Checks one. Each step is told as it begins.
pub async fn check(hangar: &Hangar, settings: &Settings, tell: impl Fn(&str)) -> Checked {
    let begun = Instant::now();
    let mut checked = Checked {
        name: hangar.airplane.name.clone(),
        verdict: Verdict::Passed,
        took: Duration::ZERO,
        steps: Vec::new(),
        events: BTreeMap::new(),
        kept: None,
    };
    // What cannot be held against anything is not flown.
    let expected = match expected(&hangar.folder) {
        Ok(expected) => expected,
        Err(Grounded { why, output }) => {
            checked.verdict = Verdict::Failed { why, output };
            return checked;
        }
    };
    let needs = &hangar.document.run.needs;
    let needs: Vec<_> = needs.iter().filter(|need| run::found(&settings.path, need).is_none()).cloned().collect();
    if !needs.is_empty() {
        checked.verdict = Verdict::NotChecked { needs };
        return checked;
    }
    let flown = match Flight::prepare(hangar, settings, expected).await {
        Ok(mut flight) => {
            let flown = Box::pin(flight.fly(&tell)).await;
            let heard = flight.capture.heard();
            checked.events = counted(&heard.events).into_iter().map(|(name, count)| (name.to_owned(), count)).collect();
            checked.steps = flight.steps;
            if settings.keep {
                checked.kept = Some(flight.place.keep());
            } else {
                // Tens of thousands of small files: nobody has to wait for that.
                drop(tokio::task::spawn_blocking(move || drop(flight.place)));
            }
            flown
        }
        Err(grounded) => Err(grounded),
    };
    if let Err(Grounded { why, output }) = flown {
        checked.verdict = Verdict::Failed { why, output };
    }
    checked.took = begun.elapsed();
    checked
}

/// Why it does not fly.
struct Grounded {
    why: Vec<String>,
    output: Vec<String>,
}

impl Grounded {
    fn because(why: String) -> Self {
        Self { why: vec![why], output: Vec::new() }
    }

    /// With the end of what was written into this file.
    fn with(self, output: &Path) -> Self {
        Self { output: run::tail(output), ..self }
    }
}

/// What is there while one is checked.
struct Flight<'a> {
    hangar: &'a Hangar,
    settings: &'a Settings,
    expected: Vec<Expected>,
    place: Place,
    capture: Capture,
    /// Where the application listens.
    port: u16,
    steps: Vec<(&'static str, Duration)>,
}

impl<'a> Flight<'a> {
    async fn prepare(hangar: &'a Hangar, settings: &'a Settings, expected: Vec<Expected>) -> Result<Self, Grounded> {
        let failed = |what: &str, error: std::io::Error| Grounded::because(format!("{what}: {error}"));
        let place = Place::of(&hangar.folder).map_err(|error| failed("it could not be copied", error))?;
        let capture = Capture::start().await.map_err(|error| failed("events could not be listened for", error))?;
        let port = free_port().map_err(|error| failed("there was no free port", error))?;
        Ok(Self { hangar, settings, expected, place, capture, port, steps: Vec::new() })
    }

    async fn fly(&mut self, tell: &impl Fn(&str)) -> Result<(), Grounded> {
        let (run, limits) = (&self.hangar.document.run, &self.settings.limits);
        let before = [("install", &run.install, limits.install), ("build", &run.build, limits.build)];
        for (step, script, limit) in before {
            if let Some(script) = script {
                tell(step);
                let begun = Instant::now();
                self.finish(step, script, limit).await?;
                self.steps.push((step, begun.elapsed()));
            }
        }
        tell("start");
        let begun = Instant::now();
        let mut app = self.group("start", &run.start).map_err(|failed| broken("start", &failed))?;
        let output = self.place.output("start");
        self.answers(&mut app).await.map_err(|grounded| grounded.with(&output))?;
        self.steps.push(("start", begun.elapsed()));
        tell("visit");
        let begun = Instant::now();
        let browser = Browser::open(&self.settings.programs, &self.settings.environment).await;
        let browser = browser.map_err(|failed| Grounded::because(failed.to_string()))?;
        self.visit(&browser).await.map_err(|failed| Grounded::because(failed.to_string()).with(&output))?;
        browser.leave().await;
        self.is_quiet().await;
        // Some servers do not end while a browser holds a connection.
        browser.close().await;
        self.steps.push(("visit", begun.elapsed()));
        tell("stop");
        let begun = Instant::now();
        let ended = app.stop(limits.stop).await;
        let compared = self.compare(ended).await;
        self.steps.push(("stop", begun.elapsed()));
        compared.map_err(|grounded| grounded.with(&output))
    }

    /// Runs a step to its end.
    async fn finish(&self, step: &str, script: &str, limit: Duration) -> Result<(), Grounded> {
        let output = self.place.output(step);
        let group = self.group(step, script).map_err(|failed| broken(step, &failed))?;
        let status = group.end(limit).await.map_err(|failed| broken(step, &failed).with(&output))?;
        if status.success() {
            return Ok(());
        }
        Err(Grounded::because(format!("`{step}` ended {}", run::ending(status))).with(&output))
    }

    fn group(&self, step: &str, script: &str) -> Result<Group, run::Failed> {
        let mut command = run::program("sh", &self.settings.environment);
        command.args(["-c", script]).current_dir(self.place.app()).env("PORT", self.port.to_string());
        let capture = format!("http://{}", self.capture.address);
        for (name, value) in &self.hangar.document.run.env {
            command.env(name, value.replace("{capture}", &capture).replace("{key}", KEY));
        }
        Group::start(command, &self.place.output(step))
    }

    /// Waits until the application answers a request, whatever it says.
    async fn answers(&self, app: &mut Group) -> Result<(), Grounded> {
        let client = Client::builder(TokioExecutor::new()).build_http::<Empty<Bytes>>();
        let site = format!("http://127.0.0.1:{}/", self.port);
        let address = site.parse::<http::Uri>().map_err(|error| Grounded::because(error.to_string()))?;
        let (begun, limit) = (Instant::now(), self.settings.limits.start);
        while begun.elapsed() < limit {
            if let Some(status) = app.ended().map_err(|failed| broken("start", &failed))? {
                let ending = run::ending(status);
                return Err(Grounded::because(format!("`start` ended {ending} before the application answered")));
            }
            let left = limit.saturating_sub(begun.elapsed());
            if let Ok(Ok(_)) = tokio::time::timeout(left, client.get(address.clone())).await {
                return Ok(());
            }
            tokio::time::sleep(BEAT).await;
        }
        let why = format!("nothing answered at {site} (127.0.0.1:$PORT) within {}", run::spoken(limit));
        Err(Grounded::because(why))
    }

    async fn visit(&self, browser: &Browser) -> Result<(), browser::Failed> {
        let site = format!("http://127.0.0.1:{}", self.port);
        for (at, act) in self.hangar.document.visit.iter().enumerate() {
            let done = browser.play(&site, act, self.settings.limits.act).await;
            done.map_err(|failed| browser::Failed(format!("act {} of `visit`, {}: {failed}", at + 1, named(act))))?;
        }
        Ok(())
    }

    /// Waits until nothing has arrived for a while: what a page sends as it is left is on its way.
    async fn is_quiet(&self) {
        let begun = Instant::now();
        while begun.elapsed() < self.settings.limits.arrive {
            if self.capture.heard().last.unwrap_or(begun).max(begun).elapsed() >= QUIET {
                return;
            }
            tokio::time::sleep(BEAT).await;
        }
    }

    /// Holds what arrived against what was expected.
    async fn compare(&self, app_ended: bool) -> Result<(), Grounded> {
        let begun = Instant::now();
        loop {
            let Heard { events, problems, .. } = self.capture.heard();
            let mut why = missed(&self.expected, &events);
            if why.is_empty() {
                return Ok(());
            }
            if begun.elapsed() >= self.settings.limits.arrive {
                why.extend(problems);
                if !app_ended {
                    let stop = run::spoken(self.settings.limits.stop);
                    why.push(format!("the application did not end within {stop} of SIGTERM"));
                }
                return Err(Grounded { why, output: Vec::new() });
            }
            tokio::time::sleep(BEAT).await;
        }
    }
}

fn broken(step: &str, failed: &run::Failed) -> Grounded {
    Grounded::because(format!("`{step}` did not come to its end: {failed}"))
}

fn expected(folder: &Path) -> Result<Vec<Expected>, Grounded> {
    let file = folder.join(EVENTS);
    let wrong = |error: &dyn std::fmt::Display| Grounded::because(format!("{}: {error}", file.display()));
    let own = super::own(folder, &file).map_err(|problem| Grounded::because(problem.to_string()))?;
    let text = std::fs::read_to_string(own).map_err(|error| wrong(&error))?;
    let expected: Vec<Expected> = serde_json::from_str(&text).map_err(|error| wrong(&error))?;
    if expected.is_empty() {
        return Err(wrong(&"it lists no event, so nothing would be checked; list what has to be sent"));
    }
    Ok(expected)
}

/// A port that was free a moment ago. The application has to open it itself.
fn free_port() -> std::io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

fn named(act: &Act) -> String {
    match act {
        Act::Open(path) => format!("open {path}"),
        Act::Fill(fields) => format!("fill {}", fields.keys().cloned().collect::<Vec<_>>().join(", ")),
        Act::Click(selector) => format!("click {selector}"),
        Act::See(selector) => format!("see {selector}"),
        Act::Text(texts) => format!("text {}", texts.keys().cloned().collect::<Vec<_>>().join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_to_arrive_is_told_by_a_file_of_the_airplane_s_own() {
        let (folder, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (file, other) = (folder.path().join(EVENTS), outside.path().join(EVENTS));
        let wrong = || expected(folder.path()).err().unwrap().why.join("; ");
        assert!(wrong().starts_with(&format!("{}: the file cannot be read", file.display())), "{}", wrong());
        for (text, expect) in [("[]", "it lists no event"), ("[", "EOF"), ("[{ \"name\": \"a\" }]", "unknown field")] {
            std::fs::write(&file, text).unwrap();
            assert!(wrong().starts_with(&file.display().to_string()) && wrong().contains(expect), "{}", wrong());
        }
        std::fs::write(&file, "[{ \"event\": \"a\" }]").unwrap();
        assert_eq!(expected(folder.path()).ok().unwrap().len(), 1);
        std::fs::rename(&file, &other).unwrap();
        std::os::unix::fs::symlink(&other, &file).unwrap();
        let why = "it is a link that leads out of the airplane's folder. Put the file itself there";
        assert_eq!(wrong(), format!("{}: {why}", file.display()));
    }
}
