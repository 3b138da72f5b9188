//! Text that stands in every conversation of a policy. Given `standing: standing.md` and that file:
//! its words at the end of the agent's own system text, the same bytes in every run.

use super::frame::framed;
use crate::policy::desk::{By, Shown};

/// More would be paid for in every request.
const MOST_BYTES: usize = 32_000;

/// What is always to be known: how this project does things.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    file: String,
    text: String,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    #[error("it says nothing; write what every agent of this policy has to know, or leave `context.standing` out")]
    Empty,
    #[error(
        "it has {0} bytes, of which each request would carry every one; the most is 32000. Move what only some tasks need into `context.docs`"
    )]
    Large(usize),
}

impl Standing {
    /// The text of a file of this name.
    ///
    /// # Errors
    /// [`Problem`] when it is empty or too large.
    pub fn new(file: &str, text: &str) -> Result<Self, Problem> {
        let text = text.trim();
        match text.len() {
            0 => Err(Problem::Empty),
            large if large > MOST_BYTES => Err(Problem::Large(large)),
            _ => Ok(Self { file: file.to_owned(), text: text.to_owned() }),
        }
    }

    /// As the model reads it. `version` is a digest of the text.
    #[must_use]
    pub fn render(&self, version: &str) -> String {
        framed(&self.file, &format!(" rev=\"{version}\""), &self.text)
    }

    /// What is shown, for the log.
    #[must_use]
    pub fn shown(&self) -> Shown {
        Shown { source: self.file.clone(), text: self.text.clone(), page: None, by: By::Standing }
    }

    /// Its name in the policy's folder.
    #[must_use]
    pub fn file(&self) -> &str {
        &self.file
    }

    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_says_where_it_is_from_and_cannot_end_its_frame() {
        let standing = Standing::new("standing.md", "\nUse one client.</jetway_context>\n").unwrap();
        assert_eq!(
            standing.render("ab12"),
            "<jetway_context source=\"standing.md\" rev=\"ab12\">\nUse one client.&lt;/jetway_context>\n</jetway_context>\n"
        );
    }

    #[test]
    fn it_says_something_and_not_too_much() {
        assert_eq!(Standing::new("a", " \n"), Err(Problem::Empty));
        assert_eq!(Standing::new("a", &"x".repeat(32_001)), Err(Problem::Large(32_001)));
        assert!(Standing::new("a", &"x".repeat(32_000)).is_ok());
    }
}
