//! Which Jetway of a fleet served a run last, for that one ends it; and what its opening is called, so that
//! all of them call it the same. A fleet alone has to know.

use std::sync::LazyLock;

use redis::Script;

use crate::runs::erased;
use crate::runs::open::TOLD;
use crate::runs::state::{EXPIRES, State, known};

/// Who served a run last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Served {
    /// What that Jetway is called.
    pub by: String,
    /// Of whose run it is, a digest.
    whose: String,
    /// What the run's opening is called.
    pub id: String,
    /// Whether that opening is over, or being concluded.
    pub is_over: bool,
}

impl Served {
    fn read(text: &str) -> Option<Self> {
        let mut words = text.split(' ').map(str::to_owned);
        let (by, whose, id) = (words.next()?, words.next()?, words.next()?);
        Some(Self { by, whose, id, is_over: words.next().is_some() })
    }

    /// Whether it is open, and of this user's under this policy.
    #[must_use]
    pub fn is_open_for(&self, policy: &str, user: &str) -> bool {
        !self.is_over && self.whose == whose(policy, user)
    }
}

/// No user's name is kept for as long as this is.
fn whose(policy: &str, user: &str) -> String {
    erased::digest(&format!("{policy} {user}"))
}

impl State {
    /// A request of this run is served here. Its opening is called as another Jetway called it, where one
    /// has served it, and else `id`; where that is over, `next`. Returned is that name, and who served it before.
    pub async fn seen(
        &self,
        run: &str,
        here: &str,
        (policy, user): (&str, &str),
        (id, next): (&str, &str),
    ) -> Option<(String, Option<Served>)> {
        let Self::Shared(link) = self else { return None };
        let args = [here.to_owned(), whose(policy, user), id.to_owned(), next.to_owned(), EXPIRES.to_string()];
        let (id, before): (String, String) = known(link.script(&SEEN, &[last(run)], &args).await)?;
        Some((id, Served::read(&before)))
    }

    /// Another has served it, and is gone: it is concluded here.
    pub async fn takes_over(&self, run: &str, here: &str, (policy, user): (&str, &str), id: &str) {
        let Self::Shared(link) = self else { return };
        let mut set = redis::cmd("SET");
        set.arg(last(run)).arg(format!("{here} {} {id}", whose(policy, user))).arg("EX").arg(EXPIRES);
        known(link.command::<()>(&set).await);
    }

    /// Who served a run last. Nothing is known of it where there is but one Jetway, or Redis cannot be asked.
    pub async fn last(&self, run: &str) -> Option<Served> {
        let Self::Shared(link) = self else { return None };
        let found = known(link.command::<Option<String>>(redis::cmd("GET").arg(last(run))).await);
        found.flatten().and_then(|text| Served::read(&text))
    }

    /// A run ends here. Returns whether it does: not where another Jetway has served it since. From here on
    /// what comes opens it again.
    pub async fn ends(&self, run: &str, here: &str) -> bool {
        let Self::Shared(link) = self else { return true };
        known(link.script::<bool>(&ENDS, &[last(run)], &[here.to_owned(), EXPIRES.to_string()]).await).unwrap_or(true)
    }

    /// Has whoever is at a run end it. Returns whether that could be said.
    pub async fn tell_end(&self, run: &str) -> bool {
        let Self::Shared(link) = self else { return false };
        let mut set = redis::cmd("HSET");
        let said = known(link.command::<u64>(set.arg(TOLD).arg(run).arg(1)).await).is_some();
        known(link.command::<()>(redis::cmd("EXPIRE").arg(TOLD).arg(super::open::OLDEST)).await);
        said
    }

    /// The runs that somebody has said are over, and nobody has heard it yet.
    pub async fn told_ends(&self) -> Vec<String> {
        let Self::Shared(link) = self else { return Vec::new() };
        known(link.command(redis::cmd("HKEYS").arg(TOLD)).await).unwrap_or_default()
    }

    /// It was heard that this run is over. Returns whether somebody had said so.
    pub async fn heard_end(&self, run: &str) -> bool {
        let Self::Shared(link) = self else { return false };
        known(link.command::<u64>(redis::cmd("HDEL").arg(TOLD).arg(run)).await).is_some_and(|count| count > 0)
    }
}

fn last(run: &str) -> String {
    format!("jetway:{{state:{run}}}:last")
}

/// ARGV: the Jetway, whose run it is, its opening's name and another, and for how many seconds it is kept.
static SEEN: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
        local before = redis.call('GET', KEYS[1]) or ''
        local id, over = string.match(before, '^%S+ %S+ (%S+)( ?%S*)$')
        if not id then
            id = ARGV[3]
        elseif over ~= '' then
            id = id == ARGV[3] and ARGV[4] or ARGV[3]
        end
        redis.call('SET', KEYS[1], ARGV[1] .. ' ' .. ARGV[2] .. ' ' .. id, 'EX', ARGV[5])
        return { id, before }
        ",
    )
});

/// ARGV: the Jetway, and for how many seconds it is kept.
static ENDS: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
        local before = redis.call('GET', KEYS[1])
        if not before then return 1 end
        local by, over = string.match(before, '^(%S+) %S+ %S+( ?%S*)$')
        if by and by ~= ARGV[1] then return 0 end
        if by and over == '' then redis.call('SET', KEYS[1], before .. ' over', 'EX', ARGV[2]) end
        return 1
        ",
    )
});
