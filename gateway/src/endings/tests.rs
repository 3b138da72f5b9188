//! When runs end, and how.

use super::*;

fn whose(run: &str) -> Whose {
    Whose { run: run.into(), policy: "wizard".into(), user: "ada".into(), team: None }
}

fn left(role: Role, ending: Ending, wait: u64, body: &'static [u8]) -> Left {
    let prompt = Prompt {
        dialect: Dialect::Chat,
        shape: Shape::Event,
        path: "/chat/completions",
        query: None,
        headers: HeaderMap::new(),
        provider: String::from("openai"),
        body: Bytes::from_static(body),
        told: None,
    };
    Left {
        role,
        ending,
        detail: None,
        path_end: None,
        wait: Duration::from_secs(wait),
        longest: Duration::from_secs(FAR),
        cost_micros: 250,
        is_callers: false,
        prompt: (!body.is_empty()).then_some(prompt),
        told: Told::default(),
    }
}

/// The run that ends next, where any can be asked.
async fn next(endings: &Endings) -> Over {
    endings.next(true, &|_, _| true).await.0
}

/// Longer than any test takes.
const FAR: u64 = 3600;

#[tokio::test]
async fn a_run_ends_when_it_was_quiet_for_long_enough_and_no_sooner() {
    let endings = Endings::default();
    assert!(endings.begun(&whose("a")), "it is the first of its run");
    endings.left("a", left(Role::Main, Ending::Quiet, 0, b"one"));
    endings.begun(&whose("b"));
    endings.left("b", left(Role::Aside, Ending::Abandoned, FAR, b"other"));
    // A request that comes in time keeps the first one open, however long it takes.
    assert!(!endings.begun(&whose("a")));
    assert!(tokio::time::timeout(Duration::from_millis(50), next(&endings)).await.is_err());
    // What a sub-agent does says nothing of how the run ends, and its prompt is not the run's.
    endings.left("a", left(Role::Sub, Ending::Abandoned, FAR, b"sub"));
    let over = next(&endings).await;
    assert_eq!((over.whose.run.as_str(), over.ending), ("a", Ending::Quiet));
    assert_eq!(over.took, Took { turns: 2, cost_micros: 500 });
    assert_eq!(over.prompt.unwrap().body, "one");
    assert_eq!(endings.open(), 1);
    // One that waits for the other is told when that ends sooner than was thought.
    let (over, ()) = tokio::join!(next(&endings), async {
        tokio::task::yield_now().await;
        endings.begun(&whose("b"));
        endings.left("b", left(Role::Main, Ending::Cut, 0, b"cut"));
    });
    assert_eq!((over.whose.run.as_str(), over.ending), ("b", Ending::Cut));
    assert_eq!(endings.known().queue.len(), 0);
}

#[tokio::test]
async fn a_run_ends_by_its_age_once_nothing_of_it_is_under_way() {
    let endings = Endings::default();
    let ago = |seconds: i64| Some(Timestamp::now() - jiff::SignedDuration::from_secs(seconds));
    let at_work = |began: Option<Timestamp>| Left {
        longest: Duration::from_secs(100),
        told: Told { began, ..Told::default() },
        ..left(Role::Main, Ending::Abandoned, FAR, b"one")
    };
    let ends = async || tokio::time::timeout(Duration::from_millis(50), next(&endings)).await.map(|over| over.ending);
    endings.begun(&whose("a"));
    endings.left("a", at_work(ago(90)));
    assert!(ends().await.is_err());
    endings.begun(&whose("a"));
    endings.begun(&whose("a"));
    endings.left("a", at_work(ago(101)));
    assert!(ends().await.is_err(), "a sub-agent is at work");
    endings.left("a", Left { told: Told::default(), ..left(Role::Sub, Ending::Quiet, FAR, b"") });
    assert_eq!(ends().await, Ok(Ending::Aged));
}

#[tokio::test]
async fn what_is_refused_before_it_was_read_ends_a_run() {
    for (first, then, how) in [
        (Role::Main, Role::Unread, Ending::Refused),
        (Role::Aside, Role::Unread, Ending::Refused),
        (Role::Main, Role::Sub, Ending::Quiet),
        (Role::Main, Role::Aside, Ending::Quiet),
    ] {
        let endings = Endings::default();
        for (role, ending) in [(first, Ending::Quiet), (then, Ending::Refused)] {
            endings.begun(&whose("a"));
            endings.left("a", left(role, ending, 0, b""));
        }
        assert_eq!(next(&endings).await.ending, how, "{first:?} {then:?}");
    }
}

#[tokio::test]
async fn what_is_open_is_written_down_now_and_then_and_taken_up_again() {
    let endings = Endings::default();
    let mut leaves = left(Role::Main, Ending::Cut, FAR, b"one");
    leaves.told = Told { agent: Some("codex"), step: Some(String::from("plan")), ..Told::default() };
    leaves.told.refused.push((String::from("Bash"), String::from("deny")));
    endings.begun(&whose("a"));
    endings.left("a", leaves);
    let Task::Keep(facts, prompt) = endings.next_task().await else { panic!("it is open") };
    assert_eq!((facts.run.as_str(), prompt.unwrap().body), ("a", Bytes::from("one")));
    // An agent at work is written down no more often than it must, and whatever is left at the end.
    endings.begun(&whose("a"));
    assert_eq!(endings.held(), ["a"]);
    endings.left("a", left(Role::Main, Ending::Failed, FAR, b"two"));
    assert!(tokio::time::timeout(Duration::from_millis(50), endings.next_task()).await.is_err());
    let Some(Task::Keep(later, prompt)) = endings.last_task() else { panic!("it is open") };
    assert_eq!((later.id.as_str(), prompt.unwrap().body), (facts.id.as_str(), Bytes::from("two")));
    assert!(endings.last_task().is_none() && endings.held().is_empty());

    let text = serde_json::to_string(&later).unwrap();
    let after = Endings::default();
    let due = Timestamp::now() + jiff::SignedDuration::from_secs(2 * i64::try_from(FAR).unwrap());
    after.take_up(serde_json::from_str(&text).unwrap(), due);
    let over = next(&after).await;
    assert_eq!((over.id.as_str(), over.ending, &over.whose), (facts.id.as_str(), Ending::Failed, &whose("a")));
    assert_eq!((over.took, over.told.agent), (Took { turns: 2, cost_micros: 500 }, Some("codex")));
    assert_eq!((over.told.step.as_deref(), over.told.refused.len(), over.gone), (Some("plan"), 1, None));
    assert_eq!(after.held(), ["a"]);
    after.concluded("a", Some(&over.id));
    assert!(matches!(after.next_task().await, Task::Forget { run, id } if run == "a" && id == over.id));
    assert!(after.held().is_empty());
}

#[tokio::test]
async fn what_a_caller_pays_for_is_kept_by_nobody() {
    let endings = Endings::default();
    endings.begun(&whose("a"));
    endings.left("a", Left { is_callers: true, ..left(Role::Main, Ending::Quiet, FAR, b"one") });
    let Task::Keep(facts, prompt) = endings.next_task().await else { panic!("it is open") };
    assert!(prompt.is_none());
    assert_eq!(facts.over().gone, Some(Unasked::Credential));
    // Here it is known as long as it is open.
    assert!(endings.end(("wizard", "ada"), "a") && next(&endings).await.prompt.is_some());
}

#[tokio::test]
async fn of_more_runs_than_are_known_at_once_the_soonest_ends() {
    let endings = Endings::default();
    for number in 0..=MOST_RUNS {
        let run = number.to_string();
        endings.begun(&whose(&run));
        endings.left(&run, left(Role::Main, Ending::Quiet, FAR + number as u64, b""));
    }
    assert_eq!(next(&endings).await.whose.run, "0");
    assert_eq!(endings.open(), MOST_RUNS);
}

#[tokio::test]
async fn a_run_is_ended_by_its_own_caller_alone() {
    let endings = Endings::default();
    endings.begun(&whose("a"));
    endings.left("a", left(Role::Main, Ending::Quiet, FAR, b"one"));
    for (whose, run) in [(("wizard", "bob"), "a"), (("coding", "ada"), "a"), (("wizard", "ada"), "b")] {
        assert!(!endings.end(whose, run), "{whose:?}");
    }
    assert!(endings.end(("wizard", "ada"), "a"), "it is theirs");
    assert_eq!(next(&endings).await.ending, Ending::Told);
    assert_eq!((endings.open(), endings.known().bytes), (0, 0));
}

#[tokio::test]
async fn what_is_under_way_when_somebody_ends_a_run_is_waited_for_and_no_longer() {
    let endings = Endings::default();
    endings.begun(&whose("a"));
    endings.begun(&whose("a"));
    assert!(endings.end(("wizard", "ada"), "a"));
    endings.left("a", left(Role::Aside, Ending::Quiet, FAR, b"title"));
    assert!(tokio::time::timeout(Duration::from_millis(50), next(&endings)).await.is_err());
    endings.left("a", left(Role::Main, Ending::Abandoned, FAR, b"late"));
    let over = tokio::time::timeout(Duration::from_secs(5), next(&endings)).await.unwrap();
    assert_eq!((over.ending, over.prompt.unwrap().body), (Ending::Told, Bytes::from("late")));
    // What comes later is told nothing.
    endings.begun(&whose("a"));
    endings.left("a", left(Role::Main, Ending::Quiet, 0, b"more"));
    assert_eq!(next(&endings).await.ending, Ending::Quiet);
}

#[test]
fn too_much_to_keep_is_not_kept() {
    static LARGE: [u8; 100 << 20] = [b' '; 100 << 20];
    let endings = Endings::default();
    for (run, wait) in [("a", 10), ("b", 5), ("c", 20)] {
        endings.begun(&whose(run));
        endings.left(run, left(Role::Main, Ending::Quiet, wait, &LARGE));
    }
    let known = endings.known();
    let kept: Vec<bool> = ["a", "b", "c"].iter().map(|run| known.runs[*run].prompt.is_some()).collect();
    assert_eq!((kept, known.bytes), (vec![true, false, true], 200 << 20));
}

#[tokio::test]
async fn runs_that_wait_to_be_asked_are_open_and_bounded_and_others_do_not_wait_for_them() {
    let endings = Endings::default();
    for number in 0..5 {
        let run = number.to_string();
        endings.begun(&whose(&run));
        endings.left(&run, left(Role::Main, Ending::Quiet, 0, b"body"));
    }
    let is_asked = |whose: &Whose, _: bool| whose.run != "3";
    let next = async |can| tokio::time::timeout(Duration::from_millis(50), endings.next(can, &is_asked)).await;
    let (over, asked) = next(false).await.unwrap();
    assert_eq!((over.whose.run.as_str(), asked, endings.open()), ("3", false, 4));
    assert!(next(false).await.is_err());
    let sizes = |known: &Known| (known.waiting.len(), known.bytes);
    assert_eq!(sizes(&endings.known()), (4, 16));
    // One that goes on waits no more.
    endings.begun(&whose("0"));
    let (over, asked) = next(true).await.unwrap();
    assert_eq!((over.whose.run.as_str(), asked, endings.open()), ("1", true, 3));
    // Nor one of more than are known at once.
    for number in 5..=MOST_RUNS + 2 {
        let run = number.to_string();
        endings.begun(&whose(&run));
        endings.left(&run, left(Role::Main, Ending::Quiet, FAR, b""));
    }
    let (over, asked) = next(false).await.unwrap();
    assert_eq!((over.whose.run.as_str(), asked, over.gone), ("2", false, Some(Unasked::Crowded)));
}

#[tokio::test]
async fn what_another_jetway_knows_of_the_main_conversation_is_how_a_run_ends() {
    let (main, other) = (Endings::default(), Endings::default());
    main.begun(&whose("a"));
    main.left("a", Left { is_callers: true, ..left(Role::Main, Ending::Quiet, 0, b"main") });
    let Task::Keep(facts, _) = main.next_task().await else { panic!("it is open") };
    other.begun(&whose("a"));
    other.left("a", left(Role::Sub, Ending::Abandoned, FAR, b""));
    other.called("a", &facts.id, false);
    other.take_up((*facts).clone(), Timestamp::now());
    let over = tokio::time::timeout(Duration::from_secs(5), next(&other)).await.unwrap();
    assert_eq!((over.id, over.ending, over.is_callers, over.is_own), (facts.id, Ending::Quiet, true, false));
    assert_eq!(over.took, Took { turns: 2, cost_micros: 250 });
}
