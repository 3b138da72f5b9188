//! What is said of airplanes that do not fly, tried on tiny ones.

use std::net::{TcpListener, UdpSocket};
use std::path::Path;

use serde_json::{Value, json};

use crate::{run, words};

/// An application of one file: a page with a link, behind which an event is sent. Its script tries
/// to reach an address that is not loopback.
const SERVER: &str = r#"
import http.server, json, os, urllib.request

HOME = '''<a id="buy" href="/bought">Buy</a><script>
  const says = (id) => document.body.insertAdjacentHTML('beforeend', `<p id="${id}">${id}</p>`)
  fetch('OUTSIDE', { mode: 'no-cors' }).then(() => says('open'), () => says('closed'))
</script>'''

class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == '/bought':
            event = { 'event': 'bought', 'properties': { 'distinct_id': 'ada', 'price': 20 } }
            urllib.request.urlopen(os.environ['CAPTURE'] + '/i/v0/e/', json.dumps(event).encode())
        body = '<p id="plan"> pro </p>' if self.path == '/bought' else HOME.replace('OUTSIDE', os.environ['OUTSIDE'])
        self.send_response(200)
        self.send_header('content-type', 'text/html')
        self.end_headers()
        self.wfile.write(body.encode())

http.server.ThreadingHTTPServer(('127.0.0.1', int(os.environ['PORT'])), Page).serve_forever()
"#;

const START: &str = "exec python3 server.py";
const VISIT: &str = "[{ open: / }, { see: '#closed' }, { click: '#buy' }, { text: { '#plan': pro } }]";

struct Hangar {
    folder: tempfile::TempDir,
    outside: String,
}

impl Hangar {
    /// Puts an airplane into the folder.
    fn add(&self, name: &str, run: &str, visit: &str, events: &Value) {
        let folder = self.folder.path().join(name);
        std::fs::create_dir(&folder).unwrap();
        let (outside, pid) = (&self.outside, self.folder.path().join("pid"));
        let env = format!("{{ CAPTURE: '{{capture}}', OUTSIDE: '{outside}', PID: '{}' }}", pid.display());
        let yaml = format!(
            "about: Sells.\nlanguages: [python]\nfiles: [{{ path: server.py, shows: It. }}]\n\
             run: {{ env: {env}, {run} }}\nvisit: {visit}\n"
        );
        let files = [("server.py", SERVER), ("README.md", "# It sells\n"), ("airplane.yaml", &yaml)];
        files.iter().for_each(|(name, text)| std::fs::write(folder.join(name), text).unwrap());
        std::fs::write(folder.join("events.json"), events.to_string()).unwrap();
    }
}

/// A server at an address of this machine that is not loopback; none where there is no such one.
fn outside() -> Option<TcpListener> {
    // Nothing is sent: it is only asked which address would be used.
    let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
    socket.connect("192.0.2.1:9").ok()?;
    let address = socket.local_addr().ok()?.ip();
    let listener = TcpListener::bind((address, 0)).ok().filter(|_| !address.is_loopback())?;
    listener.set_nonblocking(true).unwrap();
    Some(listener)
}

/// The sentences about an airplane, and its result.
#[track_caller]
fn check(report: &Value, name: &str, result: &str, why: &str) {
    let found = report["airplanes"].as_array().unwrap().iter().find(|found| found["airplane"] == name).unwrap();
    assert_eq!(found["result"], result, "{found:#}");
    let said = words(&found["why"]).join("; ");
    let (begins, ends) = why.split_once('…').unwrap_or((why, ""));
    let is_said = if ends.is_empty() { said == begins } else { said.starts_with(begins) && said.ends_with(ends) };
    assert!(is_said, "{name}: {said}");
}

#[test]
fn what_is_wrong_is_said() {
    let outside = outside();
    let address = outside.as_ref().map(|listener| listener.local_addr().unwrap());
    let address = address.map_or("http://192.0.2.1/".to_owned(), |address| format!("http://{address}/"));
    let hangar = Hangar { folder: tempfile::tempdir().unwrap(), outside: address };
    let bought = json!([{ "event": "bought", "distinct_id": "ada", "properties": { "price": "*" } }]);
    let start = format!("start: {START}");
    hangar.add("good", &start, VISIT, &bought);
    hangar.add("unsent", &start, VISIT, &json!([{ "event": "refunded" }]));
    hangar.add("dearer", &start, VISIT, &json!([{ "event": "bought", "properties": { "price": 30 } }]));
    hangar.add("silent", "start: 'echo $$ > \"$PID\"; exec sleep 1000'", VISIT, &bought);
    hangar.add("short", "start: exit 4", VISIT, &bought);
    hangar.add("unbuilt", "build: 'echo there is no wood; exit 3', start: exit 4", VISIT, &bought);
    hangar.add("bare", &start, "[{ open: / }, { click: '#sell' }]", &bought);
    hangar.add("other", &start, "[{ open: /bought }, { text: { '#plan': free } }]", &bought);
    hangar.add("idle", &start, VISIT, &json!([]));
    hangar.add("foreign", &format!("needs: [python3, no-such-program], {start}"), VISIT, &bought);
    let folder = hangar.folder.path();
    let args = ["airplanes", "check", "--folder", ".", "--json", "--start-within", "15", "--jobs", "3"];
    let (is_fine, report) = run(folder, &args);
    assert!(!is_fine && report["ok"] == false);

    check(&report, "good", "passed", "");
    check(&report, "unsent", "failed", "the event `refunded` did not arrive; these did: `bought`");
    check(&report, "dearer", "failed", "the event `bought` arrived, but `properties.price` is 20, not 30");
    check(&report, "silent", "failed", "nothing answered at http://127.0.0.1:…/ (127.0.0.1:$PORT) within 15 seconds");
    check(&report, "short", "failed", "`start` ended with exit code 4 before the application answered");
    check(&report, "unbuilt", "failed", "`build` ended with exit code 3");
    check(&report, "bare", "failed", "act 2 of `visit`, click #sell: there was no element `#sell`, for 20 seconds");
    check(
        &report,
        "other",
        "failed",
        "act 2 of `visit`, text #plan: `#plan` read \"pro\", not \"free\", for 20 seconds",
    );
    check(&report, "idle", "failed", "./idle/events.json: it lists no event…list what has to be sent");
    check(&report, "foreign", "not checked", "");
    assert_eq!([&report["flown"], &report["failed"], &report["skipped"]], [1, 8, 1]);
    let found = |name: &str| report["airplanes"].as_array().unwrap().iter().find(|found| found["airplane"] == name);
    assert_eq!(words(&found("unbuilt").unwrap()["output"]), ["there is no wood"]);
    assert_eq!(words(&found("foreign").unwrap()["needs"]), ["no-such-program"]);
    assert_eq!(found("good").unwrap()["events"], json!({ "bought": 1 }));

    if let Some(listener) = outside {
        assert!(listener.accept().is_err(), "a page reached an address that is not loopback");
    }
    let pid = std::fs::read_to_string(folder.join("pid")).unwrap();
    assert!(!Path::new("/proc").join(pid.trim()).exists(), "what an airplane started outlived its check");
}

#[test]
fn where_nothing_was_flown_that_is_no_success() {
    let hangar = Hangar { folder: tempfile::tempdir().unwrap(), outside: "http://127.0.0.1:9/".to_owned() };
    let check = || run(hangar.folder.path(), &["airplanes", "check", "--folder", ".", "--json"]);
    let (is_fine, report) = check();
    assert!(!is_fine && report["ok"] == false && report["airplanes"] == json!([]), "{report:#}");
    assert!(report["problem"].as_str().unwrap().starts_with("there is no airplane in"), "{report:#}");
    hangar.add("foreign", "needs: [no-such-program], start: exit 4", VISIT, &json!([{ "event": "bought" }]));
    let (is_fine, report) = check();
    assert!(!is_fine && report["ok"] == false, "{report:#}");
    assert_eq!([&report["flown"], &report["failed"], &report["skipped"]], [0, 0, 1]);
}

#[test]
fn a_working_copy_is_kept_where_that_is_wanted() {
    let hangar = Hangar { folder: tempfile::tempdir().unwrap(), outside: "http://127.0.0.1:9/".to_owned() };
    hangar.add("unbuilt", "build: exit 3, start: exit 4", "[]", &json!([{ "event": "bought" }]));
    let one = hangar.folder.path().join("unbuilt");
    let (_, report) = run(&one, &["airplanes", "check", "--folder", ".", "--json", "--keep"]);
    let kept = Path::new(report["airplanes"][0]["kept"].as_str().unwrap());
    assert!(kept.join("app/server.py").is_file() && kept.join("build.log").is_file());
    std::fs::remove_dir_all(kept).unwrap();
}
