//! `jetway demo`: a small agent that does one job through Jetway, and what is seen of it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::{Context as _, bail};
use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::app::{self, Options};
use crate::cli::out::{self, Paint};
use crate::cli::{load, runs, runtime};
use crate::config::Config;
use crate::runs::read::{self, Reader};

#[derive(Debug, clap::Args)]
pub(super) struct Args {}

pub(super) fn run(config: PathBuf, state: Option<PathBuf>, _: &Args) -> anyhow::Result<()> {
    let loaded = load(&config, state.as_deref())?;
    runtime()?.block_on(async {
        let agent = Agent::new();
        if agent.finds_demo(loaded.listen).await {
            out::line(&format!("Playing through the Jetway at http://{}.\n", loaded.listen))?;
            return play(&agent, loaded.listen, &loaded).await;
        }
        let state = state.unwrap_or_else(|| loaded.state.join("demo"));
        let loaded = Config { state: state.clone(), ..loaded };
        out::line("No `jetway serve --demo` is running, so this run gets one of its own.\n")?;
        let options = Options { config, demo: true, any_port: true, state: Some(state) };
        let running = app::start(options).await?;
        let played = play(&agent, running.data, &loaded).await;
        running.stop().await;
        played
    })
}

async fn play(agent: &Agent, at: SocketAddr, config: &Config) -> anyhow::Result<()> {
    let paint = Paint::detect();
    agent.work(at, paint).await?;
    agent.overspend(at, paint).await?;
    let reader = Reader::open(&config.runs, &config.state).await?;
    // The log is written off the path of requests, a moment later.
    let mut shown = None;
    for _ in 0..100 {
        shown = newest(&reader).await?.filter(|(_, exchanges)| exchanges.len() > 4);
        if shown.is_some() {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    let (run, exchanges) = shown.context("the run is not in the log")?;
    out::line(&paint.bold("\nWhat the run log has of it (`jetway runs show`):\n"))?;
    out::raw(runs::render(&run, &exchanges, &[], paint).as_bytes())?;
    out::line(&format!(
        "\nWhere to look next:
  jetway runs --state {0}  every run; add --json for a script
  policies/wizard/policy.yaml     the rules that were at work; edit them while it runs
  policies/wizard/docs            the pages that the passages came from
  jetway serve --demo             try your own agent with no account",
        config.state.display()
    ))
}

async fn newest(reader: &Reader) -> anyhow::Result<Option<(read::Line, Vec<read::Line>)>> {
    let filter = read::Filter { policy: Some("wizard".into()), limit: 1, ..read::Filter::default() };
    let runs = reader.list(&filter).await?;
    let Some(id) = runs.first().and_then(|run| run.get("id")).and_then(Value::as_str) else { return Ok(None) };
    Ok(reader.show(id).await?)
}

/// A very small agent: it does what the model says with files that exist only here.
struct Agent {
    client: Client<HttpConnector, Full<Bytes>>,
    session: String,
    files: BTreeMap<&'static str, &'static str>,
}

const TASK: &str = "Add product analytics to this Next.js app: initialise posthog-js in the app router.";

impl Agent {
    fn new() -> Self {
        let files = BTreeMap::from([
            ("package.json", "{ \"dependencies\": { \"next\": \"16.0.0\", \"react\": \"19.2.0\" } }"),
            (
                "app/layout.tsx",
                "export default function Layout({ children }) { return <html><body>{children}</body></html> }",
            ),
        ]);
        let client = Client::builder(TokioExecutor::new()).build_http();
        Self { client, session: format!("demo-{}", Uuid::now_v7().simple()), files }
    }

    /// Whether a gateway listens there that plays the script, so that nothing leaves this machine.
    async fn finds_demo(&self, at: SocketAddr) -> bool {
        let Ok(request) = Request::builder().method(Method::HEAD).uri(format!("http://{at}/")).body(Full::default())
        else {
            return false;
        };
        let answer = self.client.request(request).await;
        answer.is_ok_and(|answer| answer.headers().contains_key("x-jetway-demo"))
    }

    /// Works until the model calls no more tools.
    async fn work(&self, at: SocketAddr, paint: Paint) -> anyhow::Result<()> {
        let mut messages = vec![json!({ "role": "user", "content": TASK })];
        for turn in 1..=10 {
            out::line(&paint.bold(&format!("turn {turn}")))?;
            let reply = self.ask(at, &messages).await?;
            let content = reply["content"].as_array().cloned().unwrap_or_default();
            let mut results = Vec::new();
            for block in &content {
                match block["type"].as_str() {
                    Some("text") => {
                        out::line(&format!("  model  {}", colour(block["text"].as_str().unwrap_or(""), paint)))?
                    }
                    Some("tool_use") => {
                        let (name, input) = (block["name"].as_str().unwrap_or(""), &block["input"]);
                        let path = input["file_path"].as_str().unwrap_or("");
                        out::line(&format!("  calls  {name} {path}"))?;
                        let result = self.files.get(path).copied().unwrap_or("Done.");
                        results.push(json!({ "type": "tool_result", "tool_use_id": block["id"], "content": result }));
                    }
                    _ => {}
                }
            }
            messages.push(json!({ "role": "assistant", "content": content }));
            if results.is_empty() {
                return Ok(());
            }
            messages.push(json!({ "role": "user", "content": results }));
        }
        bail!("the model went on calling tools")
    }

    /// Sends far more than is left in the budget, to show that it is refused before it is sent.
    async fn overspend(&self, at: SocketAddr, paint: Paint) -> anyhow::Result<()> {
        out::line(&paint.bold("and then it pastes 4 MB of logs"))?;
        let logs = "GET /checkout 500 in 12 ms\n".repeat(150_000);
        let messages = [
            json!({ "role": "user", "content": TASK }),
            json!({ "role": "assistant", "content": "Does it run?" }),
            json!({ "role": "user", "content": logs }),
        ];
        let answer = self.send(at, &messages).await?;
        let status = answer.status();
        let body: Value = serde_json::from_slice(&answer.into_body().collect().await?.to_bytes())?;
        let sentence = body["error"]["message"].as_str().unwrap_or_default().to_owned();
        out::line(&format!("  jetway {}", paint.red(&format!("{status}: {sentence}"))))
    }

    async fn ask(&self, at: SocketAddr, messages: &[Value]) -> anyhow::Result<Value> {
        let answer = self.send(at, messages).await?;
        let status = answer.status();
        let bytes = answer.into_body().collect().await?.to_bytes();
        if !status.is_success() {
            bail!("Jetway answered {status}: {}", String::from_utf8_lossy(&bytes));
        }
        Ok(serde_json::from_slice(&bytes)?)
    }

    async fn send(&self, at: SocketAddr, messages: &[Value]) -> anyhow::Result<Response<hyper::body::Incoming>> {
        let schema = json!({ "type": "object" });
        let tools =
            ["Read", "Edit", "Write", "Bash", "WebFetch"].map(|name| json!({ "name": name, "input_schema": schema }));
        let body = json!({
            "model": "claude-sonnet-5-5", "max_tokens": 4_000, "messages": messages, "tools": tools,
            "system": "You are an agent that integrates SDKs into projects.",
        });
        let request = Request::post(format!("http://{at}/wizard/v1/messages"))
            .header("content-type", "application/json")
            .header("anthropic-version", "2023-06-01")
            .header("x-api-key", "demo")
            .header("x-jetway-run", &self.session)
            .body(Full::new(Bytes::from(body.to_string())))?;
        Ok(self.client.request(request).await?)
    }
}

fn colour(text: &str, paint: Paint) -> String {
    if text.starts_with("[Jetway]") { paint.red(text) } else { text.to_owned() }
}
