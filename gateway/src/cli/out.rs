//! Writing to the terminal. The only place that does.

use std::io::{ErrorKind, IsTerminal, Write};

/// Writes bytes to standard output. A reader that went away (`jetway runs | head`) is no error.
pub(super) fn raw(bytes: &[u8]) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        result => Ok(result?),
    }
}

pub(super) fn line(text: &str) -> anyhow::Result<()> {
    raw(format!("{text}\n").as_bytes())
}

/// Says what went wrong, on standard error.
pub(super) fn complain(error: &anyhow::Error) {
    let text = format!("{error:#}\n");
    // There is nobody left to tell.
    drop(std::io::stderr().write_all(text.as_bytes()));
}

/// Says on standard error how far long work has come, where a person looks.
pub(super) fn aside(text: &str) {
    let mut err = std::io::stderr().lock();
    if err.is_terminal() {
        // There is nobody left to tell.
        drop(err.write_all(format!("{}\n", shown(text)).as_bytes()));
    }
}

/// Colours, where a person looks.
#[derive(Debug, Clone, Copy)]
pub(super) struct Paint(bool);

impl Paint {
    pub(super) fn detect() -> Self {
        Self(std::io::stdout().is_terminal() && crate::config::environment("NO_COLOR").is_none())
    }

    fn wrap(self, code: &str, text: &str) -> String {
        if self.0 { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }

    pub(super) fn bold(self, text: &str) -> String {
        self.wrap("1", text)
    }

    pub(super) fn dim(self, text: &str) -> String {
        self.wrap("2", text)
    }

    pub(super) fn red(self, text: &str) -> String {
        self.wrap("31", text)
    }

    pub(super) fn green(self, text: &str) -> String {
        self.wrap("32", text)
    }
}

/// Text of a caller as it may be shown: a terminal must not obey it.
pub(super) fn shown(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

/// Rows under a heading, in columns.
pub(super) fn table(heading: &[&str], rows: &[Vec<String>]) -> String {
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
        cells.chain([heading[column].len()]).max().unwrap_or(0)
    };
    let widths: Vec<_> = (0..heading.len()).map(width).collect();
    let row = |cells: Vec<&str>| {
        let padded = cells.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    let mut lines = vec![row(heading.to_vec())];
    lines.extend(rows.iter().map(|cells| row(cells.iter().map(String::as_str).collect())));
    lines.join("\n") + "\n"
}
