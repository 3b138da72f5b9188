//! What agents said, read from the log and summed up.

use jetway_core::policy::interrogation::{Finding, Group, Kind, Noted, Severity, Version, report};
use jiff::Timestamp;

use crate::runs::read::{self, Line, Reader};
use crate::store::StoreError;

/// What is said since then, under one policy or any, in groups that say the same.
///
/// # Errors
/// When the log cannot be read.
pub async fn gather(reader: &Reader, policy: Option<&str>, since: Timestamp) -> Result<Vec<Group>, StoreError> {
    // All of them: what came up before a policy was changed is not new, however long ago that is.
    let findings = reader.findings_since(policy, Timestamp::UNIX_EPOCH).await?;
    let noted: Vec<Noted> = findings.iter().filter_map(noted).collect();
    let versions: Vec<Version> = reader.endings_by_version().await?.iter().filter_map(version).collect();
    Ok(report(&noted, &versions, since))
}

fn text(line: &Line, name: &str) -> Option<String> {
    read::text(line, name).map(str::to_owned)
}

fn noted(line: &Line) -> Option<Noted> {
    let finding = Finding {
        kind: Kind::of(&text(line, "kind")?),
        severity: Severity::of(&text(line, "severity")?),
        step: text(line, "step"),
        document: text(line, "document"),
        tool: text(line, "tool"),
        text: text(line, "text")?,
    };
    Some(Noted {
        at: text(line, "at")?.parse().ok()?,
        run: text(line, "run")?,
        policy: text(line, "policy")?,
        policy_version: text(line, "policy_version"),
        finding,
        document_hash: text(line, "document_hash"),
    })
}

fn version(line: &Line) -> Option<Version> {
    let moment = |name: &str| text(line, name)?.parse().ok();
    Some(Version {
        policy: text(line, "policy")?,
        version: text(line, "policy_version")?,
        since: moment("at")?,
        last: moment("last")?,
        answered: moment("answered"),
    })
}
