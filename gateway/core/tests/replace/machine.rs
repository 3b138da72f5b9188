//! A folder of its own for each run, the shells of this machine, and a call from the model's side.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use bytes::Bytes;
use jetway_core::policy::lockdown::replace::{AgentTool, AgentTools, Input, Rules};
use jetway_core::wire::json::Json;

/// The two tools as they are shipped.
const POLICY: &str = include_str!("../../../../policies/wizard/policy.yaml");
/// Stands in every value: no output may ever have it.
pub(crate) const MARKER: &str = "MARK";

/// A folder that is gone when the test ends.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("jetway-replace-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    #[expect(clippy::disallowed_methods, reason = "a test on real files")]
    pub(crate) fn write(&self, name: &str, text: &str) {
        let path = self.0.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    #[expect(clippy::disallowed_methods, reason = "a test on real files")]
    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.0.join(name)).unwrap_or_else(|_| String::from("(no file)"))
    }

    pub(crate) fn link(&self, name: &str, to: &str) {
        symlink(to, self.0.join(name)).unwrap();
    }

    pub(crate) fn mode(&self, name: &str) -> u32 {
        fs::metadata(self.0.join(name)).unwrap().permissions().mode() & 0o777
    }

    pub(crate) fn permit(&self, name: &str, mode: u32) {
        fs::set_permissions(self.0.join(name), fs::Permissions::from_mode(mode)).unwrap();
    }

    /// The names in the folder, in order.
    pub(crate) fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.0).unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).ok();
    }
}

/// Where a program is, if this machine has it.
pub(crate) fn program(name: &str) -> Option<PathBuf> {
    ["/bin", "/usr/bin", "/usr/local/bin"].iter().map(|folder| Path::new(folder).join(name)).find(|path| path.exists())
}

/// Programs that may be `sh` on somebody's machine.
pub(crate) fn inner_shells() -> Vec<PathBuf> {
    ["sh", "bash", "dash", "busybox", "zsh"].iter().filter_map(|name| program(name)).collect()
}

/// Runs a command by a shell, with `sh` being this other one.
pub(crate) fn run(shell: &Path, sh: &Path, folder: &Path, command: &str) -> String {
    let bin = Folder::new();
    symlink(sh, bin.path().join("sh")).unwrap();
    let output = Command::new(shell)
        .args(["-c", command])
        .current_dir(folder)
        .env_clear()
        .env("PATH", format!("{}:/usr/local/bin:/usr/bin:/bin", bin.path().display()))
        .env("HOME", bin.path())
        .env("GIT_CEILING_DIRECTORIES", folder.parent().unwrap())
        // Variables of the agent's that a script must not mistake for its inputs.
        .env("open", "x")
        .env("file", "/etc/passwd")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    // An agent shows both to the model.
    String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
}

/// An agent with a tool `bash`.
pub(crate) fn agent() -> AgentTools {
    let schema = r#"{"type":"object","properties":{"command":{"type":"string"}},"required":["command"]}"#;
    let json = Json::read(Bytes::from_static(schema.as_bytes())).unwrap();
    AgentTools(vec![AgentTool::with_schema("bash", None, json.root())])
}

pub(crate) fn rules() -> Rules {
    let mut policy: serde_json::Value = serde_saphyr::from_str(POLICY).unwrap();
    serde_json::from_value(policy["lockdown"]["replace"].take()).unwrap()
}

/// The command that a call becomes.
pub(crate) fn command(tool: &str, arguments: &serde_json::Value) -> Result<String, String> {
    let call = rules().find(tool).unwrap().become_call(&arguments.to_string(), &agent())?;
    let Input::Json(json) = call.input else { panic!("{call:?}") };
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    Ok(json["command"].as_str().unwrap().to_owned())
}

/// What the model sees of a call, with this `sh`.
pub(crate) fn called(folder: &Folder, sh: &Path, tool: &str, arguments: &serde_json::Value) -> String {
    let command = command(tool, arguments).unwrap();
    let printed = run(Path::new("/bin/sh"), sh, folder.path(), &command);
    assert!(!printed.contains(MARKER), "{}: {printed}", sh.display());
    rules().find(tool).unwrap().filter(&printed)
}
