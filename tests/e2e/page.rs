//! The page on the admin port, as a client without a browser sees it: who is let in, what each
//! answer says to the browser, and what is shown.

use jetway_support::client::{Answer, Ask, get, post};
use jetway_support::postgres::{self, Postgres};
use jetway_support::{Jetway, Setup, eventually, provider};
use serde_json::json;

const POLICY: &str = "
lockdown: { allow: [Read], deny: ['Bash'], advice: Use Read., on_denied: explain }
budget: { caps: [{ per: user, usd: 5, every: day }] }
";

/// Would run in a browser, were they not made harmless. A user's name has neither spaces nor slashes.
const EVIL: &str = "<b>\"onfocus=top.hit=1";
const MODEL: &str = "claude-sonnet-<img src=x onerror=top.hit=1>";

const SCRIPT: &str = "
scenarios:
  - name: all
    by: request
    turns:
      - { text: So., calls: [{ tool: '<script>top.hit=1</script>', input: {} }], usage: { input: 1200, output: 34 } }
";

/// A form, sent from a page of this address as a browser sends it.
fn form(jetway: &Jetway, path: &str, fields: &str) -> Ask {
    let form = post(path, fields).header("content-type", "application/x-www-form-urlencoded");
    form.header("x-api-key", "").header("origin", &format!("http://{}", jetway.admin))
}

fn sign_in(jetway: &Jetway, token: &str, next: &str) -> Answer {
    form(jetway, "/sign-in", &format!("token={token}&next={next}")).send(jetway.admin)
}

/// The cookie of a new session.
fn session(jetway: &Jetway) -> String {
    let cookie = sign_in(jetway, &jetway.token(), "").header("set-cookie").unwrap().to_owned();
    cookie.split(';').next().unwrap().to_owned()
}

fn look(jetway: &Jetway, cookie: &str, path: &str) -> Answer {
    get(path).header("cookie", cookie).send(jetway.admin)
}

/// One turn of a run of this user's.
fn turn(jetway: &Jetway, key: &str, model: &str) {
    let body = format!(
        r#"{{"model":"{model}","max_tokens":50,"messages":[{{"role":"user","content":"hi"}}],
            "tools":[{{"name":"Read","input_schema":{{"type":"object"}}}},{{"name":"Bash","input_schema":{{"type":"object"}}}}]}}"#
    );
    let ask = post("/v1/messages", body).header("x-jetway-key", key).header("x-jetway-run", "job");
    let answer = ask.send(jetway.data);
    assert_eq!(answer.status, 200, "{}", answer.text());
}

#[test]
fn only_the_token_opens_the_page_and_a_session_opens_nothing_else() {
    let provider = provider("scenarios: []");
    let jetway = Setup::new(&provider.url()).start();
    let away = get("/runs?user=ada").send(jetway.admin);
    assert_eq!((away.status, away.header("location")), (303, Some("/sign-in?next=%2Fruns%3Fuser%3Dada")));
    assert_eq!(get("/runs?fragment").send(jetway.admin).status, 401);

    let token = jetway.token();
    let wrong = sign_in(&jetway, "wrong", "");
    assert_eq!((wrong.status, wrong.header("set-cookie")), (403, None));
    assert!(wrong.text().contains("This is not the token."), "{}", wrong.text());
    let fields = format!("token={token}");
    for (name, value) in [("origin", ""), ("origin", "http://evil.example"), ("sec-fetch-site", "cross-site")] {
        let other = form(&jetway, "/sign-in", &fields).header(name, value).send(jetway.admin);
        assert_eq!((other.status, other.header("set-cookie")), (403, None), "{name}: {value}");
    }
    let right = sign_in(&jetway, &token, "%2Fbudgets");
    assert_eq!((right.status, right.header("location")), (303, Some("/budgets")));
    assert_eq!(sign_in(&jetway, &token, "%2F%2Fevil.example").header("location"), Some("/runs"));
    let cookie = right.header("set-cookie").unwrap().to_owned();
    for part in ["; Path=/", "; HttpOnly", "; SameSite=Strict", "; Max-Age="] {
        assert!(cookie.contains(part), "{cookie}");
    }
    assert!(!cookie.contains(&token) && !cookie.contains("Secure"));
    // Behind something that ends TLS, which the browser's own address tells.
    let behind = form(&jetway, "/sign-in", &fields).header("origin", &format!("https://{}", jetway.admin));
    assert!(behind.send(jetway.admin).header("set-cookie").unwrap().ends_with("; Secure"));

    let cookie = cookie.split(';').next().unwrap();
    for path in ["/runs", "/budgets", "/feedback", "/policies"] {
        assert_eq!(look(&jetway, cookie, path).status, 200, "{path}");
    }
    for path in ["/metrics", "/v1/budgets"] {
        assert_eq!(look(&jetway, cookie, path).status, 401, "{path}");
    }
    let release = form(&jetway, "/v1/budgets", "{}").header("cookie", cookie);
    assert_eq!(release.send(jetway.admin).status, 401);
    assert_eq!(form(&jetway, "/runs", "").header("cookie", cookie).send(jetway.admin).status, 405);
    assert_eq!(get("/runs").header("authorization", &format!("Bearer {token}")).send(jetway.admin).status, 200);

    let foreign = form(&jetway, "/sign-out", "").header("cookie", cookie).header("sec-fetch-site", "cross-site");
    assert_eq!(foreign.send(jetway.admin).status, 403);
    assert_eq!(look(&jetway, cookie, "/runs").status, 200);
    let out = form(&jetway, "/sign-out", "").header("cookie", cookie).send(jetway.admin);
    assert_eq!((out.status, out.header("location")), (303, Some("/sign-in")));
    assert_eq!(look(&jetway, cookie, "/runs").status, 303);
}

#[test]
fn every_answer_tells_the_browser_to_run_nothing_and_to_keep_nothing() {
    let provider = provider("scenarios: []");
    let jetway = Setup::new(&provider.url()).start();
    let cookie = session(&jetway);
    let paths =
        ["/sign-in", "/", "/runs", "/runs/none", "/policies", "/assets/page.js", "/assets/page.css", "/assets/x"];
    for path in paths {
        let answer = look(&jetway, &cookie, path);
        let policy = answer.header("content-security-policy").unwrap_or_default();
        let says = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; \
                    form-action 'self'; base-uri 'none'; frame-ancestors 'none'";
        assert_eq!(policy, says, "{path}");
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{path}");
        // What has no type is shown as its source.
        let kind = answer.header("content-type").unwrap_or_default();
        assert!(kind.starts_with("text/") || !answer.text().contains('<'), "{path}: {kind}");
        assert_eq!(answer.header("cache-control"), Some("no-store"), "{path}");
        assert!(!answer.text().contains(" style=") && !answer.text().contains(" onclick="), "{path}");
    }
}

#[test]
fn after_ten_wrong_tokens_others_are_told_to_wait_and_the_right_one_opens_the_page() {
    let provider = provider("scenarios: []");
    let jetway = Setup::new(&provider.url()).start();
    let cookie = session(&jetway);
    for _ in 0..10 {
        assert_eq!(sign_in(&jetway, "wrong", "").status, 403);
    }
    let late = sign_in(&jetway, "wrong", "");
    assert_eq!((late.status, late.header("set-cookie")), (429, None));
    let right = sign_in(&jetway, &jetway.token(), "");
    assert!(right.status == 303 && right.header("set-cookie").is_some(), "{}", right.text());
    assert_eq!(look(&jetway, &cookie, "/runs").status, 200, "who is in stays in");
}

#[test]
fn runs_are_listed_filtered_and_told_and_nothing_of_them_is_markup() {
    let provider = provider(SCRIPT);
    let jetway = Setup::new(&provider.url()).with(POLICY).start();
    let (ada, evil) = (jetway.key("open", "ada").1, jetway.key("open", EVIL).1);
    turn(&jetway, &ada, "claude-sonnet-5-5");
    turn(&jetway, &evil, MODEL);
    turn(&jetway, &evil, MODEL);
    jetway.exchanges(3);
    let cookie = session(&jetway);

    let check = |query: &str, is_ada: bool, is_evil: bool| {
        let page = look(&jetway, &cookie, &format!("/runs?fragment&{query}")).text();
        let has = |user: &str| page.contains(&format!(" title=\"{user}\""));
        assert_eq!((has("ada"), has("&lt;b&gt;&quot;onfocus=top.hit=1")), (is_ada, is_evil), "{query}: {page}");
        assert!(!page.contains("<b>\""), "{page}");
    };
    check("", true, true);
    check("policy=open&since=1h&outcome=complete", true, true);
    check("user=ada", true, false);
    check("user=%3Cb%3E%22onfocus%3Dtop.hit%3D1", false, true);
    check("policy=other", false, false);
    check("outcome=refused", false, false);
    check("refused=%3Cscript%3Etop.hit%3D1%3C%2Fscript%3E&cost=0.0001", true, true);
    check("refused=Bash", false, false);
    check("cost=1000", false, false);
    check("ended=stuck", false, false);
    check("text=no+such+words", false, false);
    check("since=2999-01-01", false, false);
    assert!(look(&jetway, &cookie, "/runs?since=soon").text().contains("neither a length of time"));

    let runs = jetway.json(&["runs", "--user", EVIL, "--json"]);
    let id = runs[0]["id"].as_str().unwrap();
    let page = look(&jetway, &cookie, &format!("/runs/{id}"));
    let text = page.text();
    let turns = [
        "id=\"turn-1\"",
        "id=\"turn-2\"",
        "&lt;script&gt;top.hit=1&lt;&#x2f;script&gt;",
        "not in allow",
        "claude-sonnet-&lt;img src=x onerror=top.hit=1&gt;",
    ];
    for part in turns.into_iter().chain(["1,200", "class=\"live\""]) {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(!text.contains("<script>") && !text.contains("<img src=x"), "{text}");
    assert_eq!(look(&jetway, &cookie, "/runs/run_none").status, 404);
    assert_eq!(look(&jetway, &cookie, "/runs/%3Cscript%3E").status, 404);

    let fragment = look(&jetway, &cookie, &format!("/runs/{id}?fragment"));
    let etag = fragment.header("etag").unwrap();
    let again = get(&format!("/runs/{id}?fragment")).header("cookie", &cookie).header("if-none-match", etag);
    assert_eq!((again.send(jetway.admin).status, fragment.header("x-jetway-live")), (304, Some("yes")));
    turn(&jetway, &evil, MODEL);
    jetway.exchanges(4);
    let next = again.send(jetway.admin);
    assert_eq!((next.status, next.text().contains("id=\"turn-3\"")), (200, true));

    // What came before an exchange is told by where that stands.
    let exchange = &jetway.json(&["runs", "show", id, "--json"])["exchanges"][1];
    let at: jiff::Timestamp = exchange["at"].as_str().unwrap().parse().unwrap();
    let place = format!("{}.{}", at.as_millisecond(), exchange["id"].as_str().unwrap());
    let past = look(&jetway, &cookie, &format!("/runs/{id}?before={place}")).text();
    assert!(past.contains("id=\"turn-1\"") && !past.contains("id=\"turn-2\""), "{past}");

    let budgets = look(&jetway, &cookie, "/budgets").text();
    assert!(budgets.contains("<a href=\"/runs?user=ada\"") && budgets.contains("$5.00"), "{budgets}");
    let policies = look(&jetway, &cookie, "/policies").text();
    assert!(policies.contains("Changes nothing.") && policies.contains("in force"), "{policies}");
}

#[test]
fn a_log_in_postgresql_is_shown_as_well_and_when_it_is_away_that_is_said() {
    let (provider, mut server) = (provider(SCRIPT), Postgres::start(&[]));
    let mut setup = Setup::new(&provider.url()).with(POLICY);
    setup.more = format!("runs: {{ postgres: {{ urls: ['{}'], user: {} }} }}", server.database(), postgres::USER);
    let jetway = setup.start();
    let ada = jetway.key("open", "ada").1;
    turn(&jetway, &ada, "claude-sonnet-5-5");
    let run = jetway.exchanges(1)[0]["run"].as_str().unwrap().to_owned();
    let cookie = session(&jetway);
    let runs = look(&jetway, &cookie, "/runs?user=ada&cost=0.0001").text();
    assert!(runs.contains(&format!("<a href=\"/runs/{run}\"")), "{runs}");
    let told = look(&jetway, &cookie, &format!("/runs/{run}")).text();
    assert!(told.contains("id=\"turn-1\"") && told.contains("1,200"), "{told}");
    assert!(look(&jetway, &cookie, "/policies").text().contains("in force"));
    assert!(look(&jetway, &cookie, "/feedback").text().contains("Nobody has said anything yet"));

    // Nobody connects anew for a look.
    let pids = "SELECT string_agg(pid::text, ' ' ORDER BY pid) FROM pg_stat_activity WHERE application_name = 'jetway'";
    let before = server.query("postgres", pids);
    for _ in 0..10 {
        assert_eq!(look(&jetway, &cookie, "/runs?fragment").status, 200);
        assert_eq!(look(&jetway, &cookie, &format!("/runs/{run}?fragment")).status, 200);
    }
    assert_eq!(server.query("postgres", pids), before);

    server.kill();
    let away = look(&jetway, &cookie, "/runs");
    assert_eq!((away.status, away.text().contains("the run log cannot be read")), (503, true), "{}", away.text());
    assert_eq!(look(&jetway, &cookie, "/budgets").status, 200);
    server.restart();
    eventually(|| look(&jetway, &cookie, "/runs").status == 200);
    // Once more, with nobody looking while it is away: what is open is of no use, and is not asked twice.
    server.restart();
    let told = look(&jetway, &cookie, &format!("/runs/{run}"));
    assert_eq!((told.status, told.text().contains("id=\"turn-1\"")), (200, true), "{}", told.text());
}

#[test]
fn what_an_agent_said_is_told_with_its_run_and_in_its_group() {
    let said = r#"{"findings": [{"kind": "refused_tool", "severity": "high", "tool": "<b>Bash", "text": "I needed <script>top.hit=1</script> install."}]}"#;
    let asked = json!({
        "name": "asked", "when": { "contains": "jetway_question" }, "by": "request",
        "turns": [{ "text": said, "usage": { "input": 1000, "output": 100 } }],
    });
    let plain = json!({ "name": "plain", "turns": [{ "text": "Done.", "usage": { "input": 100, "output": 10 } }] });
    let provider = provider(&json!({ "scenarios": [asked, plain] }).to_string());
    let policy = "interrogation: { allowance: { usd: 1, every: day }, quiet: 1s, abandoned: 1s }\n";
    let mut setup = Setup::new(&provider.url()).with(policy).file("open/ask.md", "What could we have done better?");
    setup.credentials = String::from("{ env: PROVIDER_KEY }");
    setup.env.push((String::from("PROVIDER_KEY"), String::from("sk-operators")));
    let jetway = setup.start();
    turn(&jetway, &jetway.key("open", "ada").1, "claude-sonnet-5-5");
    eventually(|| jetway.json(&["runs", "--json"])[0]["asked"] == "answered");

    let cookie = session(&jetway);
    let runs = jetway.json(&["runs", "--json"]);
    let told = look(&jetway, &cookie, &format!("/runs/{}", runs[0]["id"].as_str().unwrap())).text();
    let feedback = look(&jetway, &cookie, "/feedback?kind=refused_tool").text();
    for page in [&told, &feedback] {
        for part in ["refused tool", "&lt;b&gt;Bash", "I needed &lt;script&gt;top.hit=1&lt;&#x2f;script&gt; install."] {
            assert!(page.contains(part), "{part}: {page}");
        }
        assert!(!page.contains("<script>"), "{page}");
    }
    for part in ["The run ended: quiet", "asked by Jetway", ">1 finding<"] {
        assert!(told.contains(part), "{part}: {told}");
    }
    assert!(!told.contains("class=\"live\"") && feedback.contains("1 time in 1 run"), "{told}{feedback}");
    for other in ["kind=missing", "status=gone", "policy=other", "since=2999-01-01"] {
        let page = look(&jetway, &cookie, &format!("/feedback?{other}")).text();
        assert!(page.contains("No feedback is like this."), "{other}: {page}");
    }
}
