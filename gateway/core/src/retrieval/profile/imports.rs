//! What code imports. Given the line `import Link from "next/link"`: `next/link`, and `next`.

use super::document::Syntax;

/// So many lines of a file are looked at: imports stand at its beginning, as a rule.
const MOST_LINES: usize = 2_000;

/// Visits what a piece of code imports, with every shorter path above it, where a language has
/// such.
pub(super) fn each(syntax: Syntax, code: &str, visit: &mut dyn FnMut(&str)) {
    for line in code.lines().take(MOST_LINES).filter(|line| line.len() <= 400) {
        let line = unnumbered(line).trim();
        if line.is_empty() || line.starts_with("//") || line.starts_with("/*") || line.starts_with("* ") {
            continue;
        }
        match syntax {
            Syntax::Javascript => javascript(line, visit),
            Syntax::Python => python(line, visit),
            Syntax::Require => {
                if let Some(name) = line.strip_prefix("require").and_then(in_quotes) {
                    visit(name);
                }
            }
            Syntax::Quoted => {
                if let Some(path) = go(line) {
                    visit(path);
                }
            }
            Syntax::Rust => rust(line, visit),
            Syntax::Dotted => dotted(line, visit),
            Syntax::Package => {
                let name =
                    line.strip_prefix("import").and_then(in_quotes).and_then(|path| path.strip_prefix("package:"));
                if let Some(name) = name.and_then(|path| path.split('/').next()) {
                    visit(name);
                }
            }
        }
    }
}

/// A line without the number that an agent shows before it.
pub(super) fn unnumbered(line: &str) -> &str {
    let rest = line.trim_start();
    let after = rest.trim_start_matches(|c: char| c.is_ascii_digit());
    if after.len() == rest.len() {
        return line;
    }
    for mark in ["→", "\t", "| ", " | ", ": ", "|", "\u{2192}"] {
        if let Some(code) = after.strip_prefix(mark) {
            return code;
        }
    }
    line
}

fn in_quotes(text: &str) -> Option<&str> {
    let start = text.find(['"', '\''])?;
    let mark = text[start..].chars().next()?;
    let inside = &text[start + 1..];
    inside.find(mark).map(|end| &inside[..end])
}

fn javascript(line: &str, visit: &mut dyn FnMut(&str)) {
    let begins = |words: &[&str]| words.iter().any(|word| line.starts_with(word));
    let source = if let Some(at) = line.rfind(" from ").filter(|_| begins(&["import", "export", "}"])) {
        in_quotes(&line[at..])
    } else if begins(&["import \"", "import '"]) {
        in_quotes(line)
    } else if let Some(at) = line.find("require(").or_else(|| line.find("import(")) {
        in_quotes(&line[at..])
            .filter(|_| begins(&["const", "let", "var", "module", "import", "require", "export", "await", "app"]))
    } else {
        None
    };
    let Some(source) = source.filter(|source| !source.starts_with('.')) else { return };
    let source = source.strip_prefix("npm:").or_else(|| source.strip_prefix("jsr:")).unwrap_or(source);
    let mut path = source;
    loop {
        visit(path);
        // `@hono/hono@^4`
        if let Some(at) = path.rfind('@').filter(|at| *at > 0) {
            visit(&path[..at]);
        }
        let Some((above, _)) = path.rsplit_once('/') else { break };
        path = above;
    }
}

fn python(line: &str, visit: &mut dyn FnMut(&str)) {
    let modules = if let Some(rest) = line.strip_prefix("from ") {
        let Some((module, _)) = rest.split_once(" import") else { return };
        module
    } else if let Some(rest) = line.strip_prefix("import ") {
        rest
    } else {
        return;
    };
    for module in modules.split(',') {
        let module = module.split_whitespace().next().unwrap_or_default();
        visit(module);
        if let Some((top, _)) = module.split_once('.') {
            visit(top);
        }
    }
}

fn go(line: &str) -> Option<&str> {
    let path = in_quotes(line)?;
    let before = line.split('"').next().unwrap_or_default().trim();
    let before = before.strip_prefix("import").unwrap_or(before).trim();
    let is_alone = before.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '.');
    (is_alone && line.ends_with('"')).then_some(path)
}

fn rust(line: &str, visit: &mut dyn FnMut(&str)) {
    let line = line.strip_prefix("pub ").unwrap_or(line);
    if let Some(rest) = line.strip_prefix("use ").or_else(|| line.strip_prefix("extern crate ")) {
        let rest = rest.trim_start_matches("::");
        visit(rest.split([':', ';', ' ', '{']).next().unwrap_or_default());
    }
}

fn dotted(line: &str, visit: &mut dyn FnMut(&str)) {
    for word in ["import static ", "import ", "using ", "use ", "global using ", "@testable import "] {
        if let Some(rest) = line.strip_prefix(word) {
            visit(rest.split([';', ' ', ',', '{', '(']).next().unwrap_or_default());
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(syntax: Syntax, code: &str, expect: &[&str]) {
        let mut found = Vec::new();
        each(syntax, code, &mut |name| found.push(name.to_owned()));
        assert_eq!(found, expect, "{code}");
    }

    #[test]
    fn imports_are_read() {
        check(Syntax::Javascript, "import Link from \"next/link\";", &["next/link", "next"]);
        check(Syntax::Javascript, "     3→} from '@remix-run/node'", &["@remix-run/node", "@remix-run"]);
        check(Syntax::Javascript, "const app = require('express')()", &["express"]);
        check(
            Syntax::Javascript,
            "import { Hono } from \"jsr:@hono/hono@^4\"",
            &["@hono/hono@^4", "@hono/hono", "@hono"],
        );
        check(Syntax::Javascript, "// import x from \"next\"\nimport './a.css'\nsay('from \"vue\"')", &[]);
        check(
            Syntax::Python,
            "from django.db import models\nimport os, flask as f\n# import x",
            &["django.db", "django", "os", "flask"],
        );
        check(
            Syntax::Quoted,
            "import (\n\t\"fmt\"\n\tg \"github.com/gin-gonic/gin\"\n)\nsay(\"x\")",
            &["fmt", "github.com/gin-gonic/gin"],
        );
        check(Syntax::Rust, "use axum::{Router, routing::get};\npub use std::io;", &["axum", "std"]);
        check(Syntax::Require, "require 'sinatra'\nrequire_relative \"x\"", &["sinatra", "x"]);
        check(
            Syntax::Dotted,
            "import org.springframework.boot.SpringApplication;\nusing Microsoft.AspNetCore.Mvc;",
            &["org.springframework.boot.SpringApplication", "Microsoft.AspNetCore.Mvc"],
        );
        check(Syntax::Package, "import 'package:flutter/material.dart';", &["flutter"]);
    }

    #[test]
    fn numbers_before_lines_are_taken_off() {
        for line in ["     1→import a", "1\timport a", "00001| import a", "12: import a", "import a"] {
            assert_eq!(unnumbered(line).trim(), "import a", "{line}");
        }
        assert_eq!(unnumbered("42"), "42");
    }
}
