//! `jetway health`: for whoever watches over processes and has no HTTP client at hand.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use bytes::Bytes;
use http::Uri;
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;

use crate::cli::{out, runtime};
use crate::config;

/// More of an answer is of no use to anybody.
const LONGEST: usize = 4 << 10;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "It exits with 0 when Jetway is ready, else with 1, and says why; for a container:\n\n  HEALTHCHECK CMD [\"jetway\", \"health\"]"
)]
pub(super) struct Args {
    /// Where the admin port is; by default where the configuration says.
    #[arg(long, value_name = "URL")]
    url: Option<Uri>,
}

pub(super) fn run(config_file: &Path, args: &Args) -> anyhow::Result<()> {
    let base = match &args.url {
        Some(url) => url.to_string(),
        None => {
            let listens = config::admin_address(config_file).map_err(|problem| anyhow::anyhow!("{problem}"))?;
            format!("http://{}", reachable(listens))
        }
    };
    let url: Uri = format!("{}/readyz", base.trim_end_matches('/')).parse()?;
    runtime()?.block_on(async {
        let asked = tokio::time::timeout(Duration::from_secs(3), ask(url.clone())).await;
        let said = asked.map_err(|_| anyhow::anyhow!("{url} did not answer within 3 s"))??;
        out::line(&said)
    })
}

/// What it says, when it is ready.
async fn ask(url: Uri) -> anyhow::Result<String> {
    let client = Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
    let answer = client.get(url.clone()).await.with_context(|| format!("nothing answers at {url}"))?;
    let status = answer.status();
    let body = Limited::new(answer.into_body(), LONGEST).collect().await;
    let said = body.map(|body| String::from_utf8_lossy(&body.to_bytes()).trim().to_owned()).unwrap_or_default();
    anyhow::ensure!(status.is_success(), "{url} answered {status}: {said}");
    Ok(said)
}

/// Where something that listens there can be asked from this machine.
fn reachable(listens: SocketAddr) -> SocketAddr {
    let ip = match listens.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listens.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_listens_everywhere_is_asked_here() {
        let check = |listens: &str, expect: &str| {
            assert_eq!(reachable(listens.parse().unwrap()).to_string(), expect);
        };
        check("0.0.0.0:9787", "127.0.0.1:9787");
        check("[::]:9787", "[::1]:9787");
        check("10.0.0.7:1", "10.0.0.7:1");
    }
}
