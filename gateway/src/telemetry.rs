//! What Jetway says of itself while it runs: for people on a terminal, one JSON line an event elsewhere.
//! An event that happens to an exchange stands in its span, which names the exchange and its run.
//!
//! Levels follow the configuration while it runs, unless `JETWAY_LOG` was set. Lines are written by a
//! thread of its own: where nobody reads them they are dropped and counted, and no request waits.

use std::io::IsTerminal;
use std::sync::OnceLock;

use tracing::level_filters::LevelFilter;
use tracing_appender::non_blocking::{ErrorCounter, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::reload::Handle;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, Registry, fmt, reload};

/// Lines that wait to be written at most.
const WAITING: usize = 2_048;

static STARTED: OnceLock<Started> = OnceLock::new();

struct Started {
    filter: Handle<EnvFilter, Registry>,
    dropped: ErrorCounter,
    /// Somebody said at the start what is to be logged.
    is_fixed: bool,
}

/// Starts logging to standard error, until what is returned is dropped. `asked` is what `JETWAY_LOG` says,
/// such as `info,jetway::docs=debug`; without it `usual` counts, as [`directives`] has it, until [`set`].
pub fn start(asked: Option<&str>, usual: &str) -> WorkerGuard {
    let filter = EnvFilter::new(asked.unwrap_or(usual));
    let (filter, handle) = reload::Layer::new(filter);
    let (writer, guard) = NonBlockingBuilder::default()
        .buffered_lines_limit(WAITING)
        .lossy(true)
        .thread_name("log")
        .finish(std::io::stderr());
    let dropped = writer.error_counter();
    let lines = fmt::layer().with_writer(writer);
    let lines = if std::io::stderr().is_terminal() {
        lines.with_target(false).compact().boxed()
    } else {
        lines.with_ansi(false).json().flatten_event(true).with_span_list(false).boxed()
    };
    // A second start in one process, as in tests, keeps the first.
    if tracing_subscriber::registry().with(filter).with(lines).try_init().is_ok() {
        drop(STARTED.set(Started { filter: handle, dropped, is_fixed: asked.is_some() }));
    }
    guard
}

/// Logs this from now on, as [`directives`] has it. Returns whether it counts: not where somebody said at
/// the start what is to be logged.
pub fn set(directives: &str) -> bool {
    let Some(started) = STARTED.get() else { return true };
    if !started.is_fixed
        && let Err(error) = started.filter.reload(EnvFilter::new(directives))
    {
        tracing::error!(%error, "what is to be logged could not be changed");
    }
    !started.is_fixed
}

/// Lines that were dropped by now, for nobody read them.
#[must_use]
pub fn dropped() -> u64 {
    STARTED.get().map_or(0, |started| started.dropped.dropped_lines() as u64)
}

/// What a filter reads. Given `info`, and `debug` for `docs` → `warn,jetway=info,jetway::docs=debug`. Of
/// the libraries only warnings are logged, for what else they say may be what passes through them.
pub fn directives<'a>(level: LevelFilter, modules: impl IntoIterator<Item = (&'a str, LevelFilter)>) -> String {
    let libraries = level.min(LevelFilter::WARN);
    let modules = modules.into_iter().map(|(module, level)| format!(",jetway::{module}={level}"));
    format!("{libraries},jetway={level}{}", modules.collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_libraries_say_is_not_logged_below_a_warning() {
        let check = |level, modules: &[(&str, LevelFilter)], expect: &str| {
            assert_eq!(directives(level, modules.iter().copied()), expect);
            assert!(EnvFilter::try_new(expect).is_ok());
        };
        check(LevelFilter::INFO, &[], "warn,jetway=info");
        check(LevelFilter::ERROR, &[], "error,jetway=error");
        check(LevelFilter::OFF, &[("docs", LevelFilter::DEBUG)], "off,jetway=off,jetway::docs=debug");
        let modules = [("stage::budget", LevelFilter::TRACE), ("docs", LevelFilter::DEBUG)];
        check(LevelFilter::TRACE, &modules, "warn,jetway=trace,jetway::stage::budget=trace,jetway::docs=debug");
    }
}
