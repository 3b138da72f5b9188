//! What a program does that calls tools. Given `await tools.exec_command({cmd: "cat .env"})`: the
//! call `exec_command` with `{"cmd": "cat .env"}`, judged like any other.
//!
//! Only programs are read whose calls can all be seen: `tools` stands nowhere but in a direct call
//! with constant arguments, and nothing in the program could make code of text. The language has
//! many ways to do either, so what may stand in a program is listed, and all else refuses it.

mod constant;
mod names;
mod walk;

use oxc_allocator::Allocator;
use oxc_ast_visit::Visit;
use oxc_parser::Parser;
use oxc_span::SourceType;

use super::{Called, Effects, Program};
use names::Names;
use walk::Walk;

/// The largest program that is read, in bytes.
const MAX_SOURCE: usize = 64 << 10;
/// What reading may take of a stack of its own, in bytes: each byte of a program can go a level
/// deeper, and a parser that ran out of stack would take the whole gateway down.
const STACK: usize = 512 << 20;
/// What a program of at most [`SMALL_SOURCE`] bytes gets, as nearly all are.
const SMALL_STACK: usize = 32 << 20;
const SMALL_SOURCE: usize = 4 << 10;

const HOW: &str = "write each call with its arguments as literals, e.g. await tools.exec_command({cmd: \"ls\"})";

/// Reads a program; `judge` says what a call does, by the tool's name and its arguments as text.
#[must_use]
pub fn read(source: &str, judge: &dyn Fn(&str, &str) -> Effects) -> Effects {
    if source.len() > MAX_SOURCE {
        return unread(format!("the program is larger than {MAX_SOURCE} bytes; part it"));
    }
    let stack = if source.len() <= SMALL_SOURCE { SMALL_STACK } else { STACK };
    match stacker::grow(stack, || calls(source)) {
        Ok(calls) => {
            let mut effects = Effects { program: Some(Program::default()), ..Effects::default() };
            for Call { name, arguments } in calls {
                let own = judge(&name, &arguments);
                effects.add(own.clone());
                effects.program.get_or_insert_default().calls.push(Called { name, arguments, effects: own });
            }
            effects
        }
        Err(why) => unread(format!("{why}; {HOW}")),
    }
}

/// A program whose calls cannot all be seen.
fn unread(why: String) -> Effects {
    let program = Program { calls: Vec::new(), unclear: Some(why.clone()) };
    Effects { program: Some(program), ..Effects::unclear(why) }
}

/// A call that a program makes, before it is known what it does.
#[derive(Debug, PartialEq, Eq)]
struct Call {
    name: String,
    arguments: String,
}

fn calls(source: &str) -> Result<Vec<Call>, String> {
    let allocator = Allocator::default();
    let parsed = Parser::new(&allocator, source, SourceType::mjs()).parse();
    if parsed.panicked || !parsed.diagnostics.is_empty() {
        return Err("the program is no JavaScript that can be read".to_owned());
    }
    let mut names = Names::default();
    names.visit_program(&parsed.program);
    let mut walk = Walk::new(names.scopes());
    walk.visit_program(&parsed.program);
    walk.calls()
}

#[cfg(test)]
mod tests;
