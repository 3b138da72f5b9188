//! Which names a program gives itself, and where. Given `const a = 1; { let b }`: `a` in the
//! outer scope, `b` in the inner one.

use std::collections::HashSet;

use oxc_ast::AstKind;
use oxc_ast::ast::BindingIdentifier;
use oxc_ast_visit::Visit;

/// How deep scopes may stand in each other.
pub(super) const MAX_SCOPES: usize = 100;

/// The names of each scope, in the order in which a visitor comes to the scopes.
#[derive(Default)]
pub(super) struct Names<'a> {
    scopes: Vec<HashSet<&'a str>>,
    around: Vec<Around>,
    /// Whether the names that come belong to a `var`, which reaches out of blocks.
    of_var: bool,
}

/// A scope around the present place.
struct Around {
    scope: usize,
    /// Whether it is a function's or the program's, out of which no `var` reaches.
    holds: bool,
    /// Whether it stands in a `var` itself.
    in_var: bool,
}

/// Whether names inside this node are of a scope of their own; then, whether it holds a `var`.
pub(super) fn scope_of(kind: AstKind<'_>) -> Option<bool> {
    match kind {
        AstKind::Program(_) | AstKind::Function(_) | AstKind::ArrowFunctionExpression(_) => Some(true),
        // What a body names, the parameters before it do not see.
        AstKind::FunctionBody(_) => Some(true),
        AstKind::BlockStatement(_)
        | AstKind::ForStatement(_)
        | AstKind::ForInStatement(_)
        | AstKind::ForOfStatement(_)
        | AstKind::CatchClause(_) => Some(false),
        _ => None,
    }
}

impl<'a> Names<'a> {
    pub(super) fn scopes(self) -> Vec<HashSet<&'a str>> {
        self.scopes
    }

    fn declare(&mut self, name: &'a str) {
        // Such a program is refused by the walk; to read its names on would only take time.
        if self.around.len() > MAX_SCOPES {
            return;
        }
        for around in self.around.iter().rev() {
            self.scopes[around.scope].insert(name);
            if around.holds || !self.of_var {
                break;
            }
        }
    }
}

impl<'a> Visit<'a> for Names<'a> {
    fn enter_node(&mut self, kind: AstKind<'a>) {
        // A function's own name stands around it, and so do others see it.
        if let AstKind::Function(function) = kind
            && let Some(id) = function.id.as_ref().filter(|_| function.is_declaration())
        {
            self.declare(id.name.as_str());
        }
        if let AstKind::VariableDeclaration(declaration) = kind {
            self.of_var = declaration.kind.is_var();
        }
        if let Some(holds) = scope_of(kind) {
            self.around.push(Around { scope: self.scopes.len(), holds, in_var: self.of_var });
            self.scopes.push(HashSet::new());
            self.of_var = false;
        }
    }

    fn leave_node(&mut self, kind: AstKind<'a>) {
        if scope_of(kind).is_some()
            && let Some(left) = self.around.pop()
        {
            self.of_var = left.in_var;
        }
        if let AstKind::VariableDeclaration(_) = kind {
            self.of_var = false;
        }
    }

    fn visit_binding_identifier(&mut self, it: &BindingIdentifier<'a>) {
        self.declare(it.name.as_str());
    }
}
