//! The values that stand in a program as they are. Given `{cmd: "ls " + "-l"}`: the JSON object
//! `{"cmd": "ls -l"}`.

use oxc_ast::ast::{
    ArrayExpression, BinaryExpression, BinaryOperator, CallExpression, Expression, ObjectExpression,
    ObjectPropertyKind, PropertyKey, PropertyKind, TaggedTemplateExpression, TemplateLiteral, UnaryOperator,
};
use serde_json::{Map, Number, Value};

/// The value of a name that is bound once, to a constant.
pub(super) type Lookup<'l> = &'l dyn Fn(&str) -> Found;

/// What a name stands for.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Found {
    Constant(Value),
    /// Something that cannot be told.
    Other,
    /// The program does not bind it.
    Free,
}

/// The value of an expression, if it is the same whatever happens.
pub(super) fn value(expression: &Expression<'_>, lookup: Lookup<'_>) -> Option<Value> {
    Some(match expression {
        Expression::StringLiteral(text) if !text.lone_surrogates => text.value.as_str().into(),
        Expression::BooleanLiteral(literal) => literal.value.into(),
        Expression::NullLiteral(_) => Value::Null,
        Expression::NumericLiteral(literal) => number(literal.value)?,
        Expression::UnaryExpression(unary) if unary.operator == UnaryOperator::UnaryNegation => {
            number(-value(&unary.argument, lookup)?.as_f64()?)?
        }
        Expression::TemplateLiteral(template) => template_text(template, lookup)?.into(),
        Expression::TaggedTemplateExpression(tagged) => raw_text(tagged, lookup)?.into(),
        Expression::BinaryExpression(binary) => joined(binary, lookup)?.into(),
        Expression::CallExpression(call) => lines(call, lookup)?.into(),
        Expression::ParenthesizedExpression(inside) => value(&inside.expression, lookup)?,
        Expression::ArrayExpression(array) => Value::Array(items(array, lookup)?),
        Expression::ObjectExpression(object) => self::object(object, lookup)?,
        Expression::Identifier(name) => match lookup(name.name.as_str()) {
            Found::Constant(value) => value,
            Found::Other | Found::Free => return None,
        },
        _ => return None,
    })
}

fn number(number: f64) -> Option<Value> {
    // As the language writes numbers: whole ones without a point.
    if number.fract() == 0.0 && number.abs() < 9e15 {
        return Some(Value::from(number as i64));
    }
    Number::from_f64(number).map(Value::Number)
}

fn text(expression: &Expression<'_>, lookup: Lookup<'_>) -> Option<String> {
    match value(expression, lookup)? {
        Value::String(text) => Some(text),
        _ => None,
    }
}

fn joined(binary: &BinaryExpression<'_>, lookup: Lookup<'_>) -> Option<String> {
    if binary.operator != BinaryOperator::Addition {
        return None;
    }
    Some(text(&binary.left, lookup)? + &text(&binary.right, lookup)?)
}

fn template_text(template: &TemplateLiteral<'_>, lookup: Lookup<'_>) -> Option<String> {
    let mut whole = String::new();
    let mut between = template.expressions.iter();
    for quasi in &template.quasis {
        if quasi.lone_surrogates {
            return None;
        }
        whole.push_str(quasi.value.cooked?.as_str());
        if let Some(expression) = between.next() {
            whole.push_str(&text(expression, lookup)?);
        }
    }
    Some(whole)
}

/// The text of `` String.raw`…` ``, in which backslashes stay.
pub(super) fn raw_text(tagged: &TaggedTemplateExpression<'_>, lookup: Lookup<'_>) -> Option<String> {
    let Expression::StaticMemberExpression(tag) = &tagged.tag else { return None };
    let Expression::Identifier(object) = &tag.object else { return None };
    let plain = object.name == "String" && tag.property.name == "raw" && lookup("String") == Found::Free;
    let [quasi] = tagged.quasi.quasis.as_slice() else { return None };
    plain.then(|| quasi.value.raw.as_str().to_owned())
}

/// The text of `["a", "b"].join("\n")`.
fn lines(call: &CallExpression<'_>, lookup: Lookup<'_>) -> Option<String> {
    let Expression::StaticMemberExpression(callee) = &call.callee else { return None };
    let Expression::ArrayExpression(array) = &callee.object else { return None };
    let [separator] = call.arguments.as_slice() else { return None };
    if callee.property.name != "join" || call.optional || callee.optional {
        return None;
    }
    let separator = text(separator.as_expression()?, lookup)?;
    let texts: Option<Vec<String>> =
        items(array, lookup)?.into_iter().map(|item| item.as_str().map(str::to_owned)).collect();
    Some(texts?.join(&separator))
}

fn items(array: &ArrayExpression<'_>, lookup: Lookup<'_>) -> Option<Vec<Value>> {
    array.elements.iter().map(|element| value(element.as_expression()?, lookup)).collect()
}

fn object(object: &ObjectExpression<'_>, lookup: Lookup<'_>) -> Option<Value> {
    let mut map = Map::new();
    for property in &object.properties {
        let ObjectPropertyKind::ObjectProperty(property) = property else { return None };
        if property.kind != PropertyKind::Init || property.method || property.computed {
            return None;
        }
        let name = match &property.key {
            PropertyKey::StaticIdentifier(name) => name.name.as_str(),
            PropertyKey::StringLiteral(text) if !text.lone_surrogates => text.value.as_str(),
            _ => return None,
        };
        // `__proto__` is no key but what the object inherits from.
        if name == "__proto__" || map.insert(name.to_owned(), value(&property.value, lookup)?).is_some() {
            return None;
        }
    }
    Some(Value::Object(map))
}
