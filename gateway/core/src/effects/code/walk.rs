//! The walk through a program that finds its calls, or why they cannot all be seen. Given
//! `const t = tools`: `tools` stands where it could be handed on.

use std::cell::Cell;
use std::collections::{HashMap, HashSet};

use oxc_ast::ast::{
    AssignmentTargetPropertyIdentifier, BindingPattern, CallExpression, ComputedMemberExpression, Expression,
    IdentifierName, IdentifierReference, PropertyKey, SimpleAssignmentTarget, StaticMemberExpression,
    TaggedTemplateExpression, VariableDeclaration,
};
use oxc_ast::{AstKind, AstType};
use oxc_ast_visit::{Visit, walk};
use serde_json::Value;

use super::Call;
use super::constant::{Found, raw_text, value};
use super::names::{MAX_SCOPES, scope_of};
use crate::wire::json::shortened;

/// What the constants that are filled in may come to, in bytes.
const MAX_FILLED_IN: usize = 1 << 20;

/// What a program finds there without making it: the language's, and what Codex gives.
const GIVEN: [&str; 37] = [
    "ALL_TOOLS",
    "Array",
    "Boolean",
    "Date",
    "Error",
    "Infinity",
    "JSON",
    "Map",
    "Math",
    "NaN",
    "Number",
    "Promise",
    "RangeError",
    "RegExp",
    "Set",
    "String",
    "SyntaxError",
    "TypeError",
    "audio",
    "clearTimeout",
    "console",
    "decodeURIComponent",
    "encodeURIComponent",
    "exit",
    "generatedImage",
    "image",
    "isFinite",
    "isNaN",
    "load",
    "notify",
    "parseFloat",
    "parseInt",
    "setTimeout",
    "store",
    "text",
    "undefined",
    "yield_control",
];

/// What may be asked of `Object`.
const OF_OBJECT: [&str; 5] = ["keys", "values", "entries", "fromEntries", "freeze"];

/// Members by which a program could come to what makes code of text, or change what others mean.
const BARRED: [&str; 13] = [
    "constructor",
    "prototype",
    "__proto__",
    "__defineGetter__",
    "__defineSetter__",
    "__lookupGetter__",
    "__lookupSetter__",
    "prepareStackTrace",
    "captureStackTrace",
    "callee",
    "caller",
    "raw",
    "join",
];

pub(super) struct Walk<'a> {
    scopes: Vec<HashSet<&'a str>>,
    /// The constants of each scope, as they come.
    constants: HashMap<(usize, &'a str), Value>,
    around: Vec<usize>,
    next: usize,
    calls: Vec<Call>,
    /// The bytes of constants that were filled in.
    spent: Cell<usize>,
    wrong: Option<String>,
}

impl<'a> Walk<'a> {
    pub(super) fn new(scopes: Vec<HashSet<&'a str>>) -> Self {
        let wrong = scopes
            .iter()
            .any(|scope| scope.contains("tools"))
            .then(|| "the program gives the name `tools` to something of its own".to_owned());
        Self {
            scopes,
            constants: HashMap::new(),
            around: Vec::new(),
            next: 0,
            calls: Vec::new(),
            spent: Cell::new(0),
            wrong,
        }
    }

    /// The calls that were found.
    ///
    /// # Errors
    /// A sentence, where some could not be seen.
    pub(super) fn calls(self) -> Result<Vec<Call>, String> {
        self.wrong.map_or(Ok(self.calls), Err)
    }

    fn refuse(&mut self, why: impl Into<String>) {
        self.wrong.get_or_insert_with(|| why.into());
    }

    /// The scope that binds a name here, and the name as it stands there.
    fn bound(&self, name: &str) -> Option<(usize, &'a str)> {
        if self.wrong.is_some() {
            return None;
        }
        let find = |scope: &usize| Some((*scope, *self.scopes.get(*scope)?.get(name)?));
        self.around.iter().rev().find_map(find)
    }

    fn find(&self, name: &str) -> Found {
        let Some(bound) = self.bound(name) else { return Found::Free };
        let Some(value) = self.constants.get(&bound) else { return Found::Other };
        // Constants made of constants double each time.
        let spent = self.spent.get() + value.as_str().map_or(8, str::len);
        self.spent.set(spent);
        if spent > MAX_FILLED_IN { Found::Other } else { Found::Constant(value.clone()) }
    }

    /// What is given must stay what it is.
    fn assigned(&mut self, name: &IdentifierReference<'a>) {
        if self.bound(&name.name).is_none() {
            self.refuse(format!("the program assigns to `{}`, which it does not make", shortened(&name.name)));
        }
    }

    /// A call of `tools.name(…)`; every other use of `tools` is found by its name.
    fn tool(&mut self, name: &str, call: &CallExpression<'a>) {
        let arguments = match call.arguments.as_slice() {
            [] => Some("{}".to_owned()),
            [argument] => {
                argument.as_expression().and_then(|it| value(it, &|name| self.find(name))).and_then(|value| match value
                {
                    Value::String(text) => Some(text),
                    Value::Object(_) => Some(value.to_string()),
                    _ => None,
                })
            }
            _ => None,
        };
        match arguments {
            Some(arguments) => self.calls.push(Call { name: name.to_owned(), arguments }),
            None => self.refuse(format!("the argument of `tools.{name}` is not written out")),
        }
    }
}

/// `tools.name` of a call, neither optional nor in brackets.
fn tool_name<'a>(call: &CallExpression<'a>) -> Option<&'a str> {
    let Expression::StaticMemberExpression(callee) = &call.callee else { return None };
    let Expression::Identifier(object) = &callee.object else { return None };
    (object.name == "tools" && !callee.optional && !call.optional).then(|| callee.property.name.as_str())
}

/// Whether a program may have this part of the language. Not `switch`, whose cases share their
/// names with each other and not with what they are held against.
fn is_plain(kind: AstKind<'_>) -> bool {
    matches!(
        kind.ty(),
        AstType::Program
            | AstType::IdentifierName
            | AstType::IdentifierReference
            | AstType::BindingIdentifier
            | AstType::LabelIdentifier
            | AstType::ArrayExpression
            | AstType::Elision
            | AstType::ObjectExpression
            | AstType::ObjectProperty
            | AstType::TemplateLiteral
            | AstType::TaggedTemplateExpression
            | AstType::TemplateElement
            | AstType::ComputedMemberExpression
            | AstType::StaticMemberExpression
            | AstType::CallExpression
            | AstType::NewExpression
            | AstType::SpreadElement
            | AstType::UpdateExpression
            | AstType::UnaryExpression
            | AstType::BinaryExpression
            | AstType::LogicalExpression
            | AstType::ConditionalExpression
            | AstType::AssignmentExpression
            | AstType::ArrayAssignmentTarget
            | AstType::ObjectAssignmentTarget
            | AstType::AssignmentTargetRest
            | AstType::AssignmentTargetWithDefault
            | AstType::AssignmentTargetPropertyIdentifier
            | AstType::AssignmentTargetPropertyProperty
            | AstType::SequenceExpression
            | AstType::AwaitExpression
            | AstType::ChainExpression
            | AstType::ParenthesizedExpression
            | AstType::Directive
            | AstType::BlockStatement
            | AstType::VariableDeclaration
            | AstType::VariableDeclarator
            | AstType::EmptyStatement
            | AstType::ExpressionStatement
            | AstType::IfStatement
            | AstType::DoWhileStatement
            | AstType::WhileStatement
            | AstType::ForStatement
            | AstType::ForInStatement
            | AstType::ForOfStatement
            | AstType::ContinueStatement
            | AstType::BreakStatement
            | AstType::ReturnStatement
            | AstType::LabeledStatement
            | AstType::ThrowStatement
            | AstType::TryStatement
            | AstType::CatchClause
            | AstType::CatchParameter
            | AstType::AssignmentPattern
            | AstType::ObjectPattern
            | AstType::BindingProperty
            | AstType::ArrayPattern
            | AstType::BindingRestElement
            | AstType::Function
            | AstType::FormalParameters
            | AstType::FormalParameter
            | AstType::FormalParameterRest
            | AstType::FunctionBody
            | AstType::ArrowFunctionExpression
            | AstType::BooleanLiteral
            | AstType::NullLiteral
            | AstType::NumericLiteral
            | AstType::StringLiteral
            | AstType::BigIntLiteral
            | AstType::RegExpLiteral
    )
}

impl<'a> Visit<'a> for Walk<'a> {
    fn enter_node(&mut self, kind: AstKind<'a>) {
        if !is_plain(kind) {
            self.refuse(format!("the program has a part that is not read ({:?})", kind.ty()));
        }
        let hidden = match kind {
            AstKind::ObjectProperty(property) => property.computed,
            AstKind::BindingProperty(property) => !matches!(property.key, PropertyKey::StaticIdentifier(_)),
            AstKind::AssignmentTargetPropertyProperty(property) => {
                !matches!(property.name, PropertyKey::StaticIdentifier(_))
            }
            _ => false,
        };
        if hidden {
            self.refuse("the program takes a member by a name that is not written out");
        }
        if scope_of(kind).is_some() {
            self.around.push(self.next);
            self.next += 1;
        }
        if self.around.len() > MAX_SCOPES {
            self.refuse(format!("the program nests deeper than {MAX_SCOPES} levels"));
        }
    }

    fn leave_node(&mut self, kind: AstKind<'a>) {
        if scope_of(kind).is_some() {
            self.around.pop();
        }
    }

    fn visit_variable_declaration(&mut self, it: &VariableDeclaration<'a>) {
        walk::walk_variable_declaration(self, it);
        let Some(scope) = self.around.last().copied().filter(|_| it.kind.is_const() && self.wrong.is_none()) else {
            return;
        };
        for declarator in &it.declarations {
            let (BindingPattern::BindingIdentifier(id), Some(init)) = (&declarator.id, &declarator.init) else {
                continue;
            };
            // What is no object cannot change once it is there.
            if let Some(value) = value(init, &|name| self.find(name)).filter(|it| !it.is_object() && !it.is_array()) {
                self.constants.insert((scope, id.name.as_str()), value);
            }
        }
    }

    fn visit_call_expression(&mut self, it: &CallExpression<'a>) {
        if let Some(name) = tool_name(it) {
            return self.tool(name, it);
        }
        match &it.callee {
            Expression::StaticMemberExpression(callee) if callee.property.name == "join" => {
                self.visit_expression(&callee.object);
                self.visit_arguments(&it.arguments);
            }
            _ => walk::walk_call_expression(self, it),
        }
    }

    fn visit_tagged_template_expression(&mut self, it: &TaggedTemplateExpression<'a>) {
        if raw_text(it, &|name| self.find(name)).is_none() {
            self.refuse("the program has a template that is not read");
        }
    }

    fn visit_static_member_expression(&mut self, it: &StaticMemberExpression<'a>) {
        let of_object = matches!(&it.object, Expression::Identifier(object) if object.name == "Object")
            && OF_OBJECT.contains(&it.property.name.as_str());
        if !(of_object && self.bound("Object").is_none()) {
            walk::walk_static_member_expression(self, it);
        }
    }

    fn visit_computed_member_expression(&mut self, it: &ComputedMemberExpression<'a>) {
        let plain = match &it.expression {
            Expression::NumericLiteral(_) => true,
            Expression::StringLiteral(name) => !BARRED.contains(&name.value.as_str()),
            _ => false,
        };
        if !plain {
            self.refuse("the program takes a member by a name that is not written out (for a list, use for…of or .at)");
        }
        walk::walk_computed_member_expression(self, it);
    }

    fn visit_identifier_name(&mut self, it: &IdentifierName<'a>) {
        if BARRED.contains(&it.name.as_str()) {
            self.refuse(format!("the program uses `{}`", it.name));
        }
    }

    fn visit_identifier_reference(&mut self, it: &IdentifierReference<'a>) {
        let name = it.name.as_str();
        if BARRED.contains(&name) {
            self.refuse(format!("the program uses `{name}`"));
        }
        if self.bound(name).is_some() || (name != "tools" && GIVEN.contains(&name)) {
            return;
        }
        self.refuse(if name == "tools" {
            "the program uses `tools` other than to call tools.name(…)".to_owned()
        } else {
            format!("the program uses `{}`, which it does not make", shortened(name))
        });
    }

    fn visit_simple_assignment_target(&mut self, it: &SimpleAssignmentTarget<'a>) {
        if let SimpleAssignmentTarget::AssignmentTargetIdentifier(name) = it {
            self.assigned(name);
        }
        walk::walk_simple_assignment_target(self, it);
    }

    fn visit_assignment_target_property_identifier(&mut self, it: &AssignmentTargetPropertyIdentifier<'a>) {
        self.assigned(&it.binding);
        walk::walk_assignment_target_property_identifier(self, it);
    }
}
