//! The tools that a request offers: where each stands, and what it is called. Given
//! `"tools":[{"name":"Read"},{"type":"web_search_20250305","name":"web_search"}]`: a function
//! `Read`, and `web_search`, which the provider runs itself.

mod change;
mod choice;
pub mod digest;
mod mend;
pub mod offer;
mod reshelve;
mod sheet;

use crate::wire::json::{Json, Kind, Value};
use crate::wire::request::text_of;

/// A tool that the agent offers to the model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tool {
    /// None for a shape that we do not know; no rule can allow that.
    pub name: Option<String>,
    pub namespace: Option<String>,
    /// Whether it is a whole server of tools, which the provider will call unseen; then the name
    /// is what all of their names begin with.
    pub is_server: bool,
    pub shape: Shape,
    pub nodes: Nodes,
}

/// What a tool is made of, and who runs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shape {
    /// Its arguments are JSON after a schema. The agent runs it.
    Function,
    /// Its argument is free text, perhaps after a grammar. The agent runs it.
    Text,
    /// Defined by the provider under this type, run by the agent.
    Local(String),
    /// Run by the provider (or a server that it calls) before we see its calls.
    Hosted(String),
    /// No more than a name that points at a tool.
    Named,
    /// We do not know it.
    Unknown,
}

/// Where a tool's parts stand in the request: see [`Value::index`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Nodes {
    /// The item of a list, or whatever else stands for the tool. No two tools share it.
    pub item: usize,
    /// The object that holds the description and the schema; often the item itself.
    pub body: usize,
    pub description: Option<usize>,
    /// Of its arguments. None for free text, and where the provider knows it and we do not.
    pub schema: Option<usize>,
    /// The grammar of free text.
    pub format: Option<usize>,
}

impl Tool {
    /// A tool of which only the name is known.
    #[must_use]
    pub fn named(name: Option<String>) -> Self {
        let shape = if name.is_some() { Shape::Named } else { Shape::Unknown };
        Self { name, namespace: None, is_server: false, shape, nodes: Nodes::default() }
    }

    /// All tools of an MCP server.
    #[must_use]
    pub fn server(label: Option<String>) -> Self {
        let name = label.map(|label| format!("mcp__{label}__"));
        Self { is_server: true, shape: Shape::Hosted("mcp".to_owned()), ..Self::named(name) }
    }

    /// Whether the provider runs it: then its calls cannot be refused before they are run.
    #[must_use]
    pub fn runs_unseen(&self) -> bool {
        matches!(self.shape, Shape::Hosted(_))
    }

    /// A shape that we do not know.
    pub(in crate::wire) fn unknown() -> Self {
        Self::named(None)
    }

    /// The provider's own definition of this type.
    pub(in crate::wire) fn built_in(name: String, shape: Shape) -> Self {
        Self { shape, ..Self::named(Some(name)) }
    }

    /// A definition whose parts are members of `body`; `schema` is what its schema is called.
    pub(in crate::wire) fn defined(body: Value<'_>, shape: Shape, schema: &str) -> Self {
        let node = |name: &str, kind: Kind| body.get(name).filter(|value| value.kind() == kind).map(Value::index);
        let nodes = Nodes {
            item: body.index(),
            body: body.index(),
            description: node("description", Kind::String),
            schema: node(schema, Kind::Object),
            format: body.get("format").filter(|_| shape == Shape::Text).map(Value::index),
        };
        match text_of(body, "name") {
            Some(name) => Self { shape, nodes, ..Self::named(Some(name)) },
            None => Self::unknown(),
        }
    }

    /// The same tool, standing at this item of a list.
    fn at(mut self, item: Value<'_>) -> Self {
        self.nodes.item = item.index();
        if self.nodes.body == 0 {
            self.nodes.body = item.index();
        }
        self
    }
}

/// A list of tools: an array in the body.
#[derive(Debug, Clone)]
pub struct Shelf {
    /// The top-level member that holds it.
    pub member: &'static str,
    pub(in crate::wire) place: Place,
    /// The array's node.
    list: usize,
    items: Vec<Item>,
}

/// What a list of tools is to the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::wire) enum Place {
    /// A top-level member.
    Top,
    /// A list inside this item of the input, which offers tools from there on.
    Additional(usize),
    /// A list inside something else, which stays where it is when it is empty.
    Inner,
}

#[derive(Debug, Clone)]
struct Item {
    node: usize,
    holds: Holds,
}

/// What an item of a list offers.
#[derive(Debug, Clone)]
pub(in crate::wire) enum Holds {
    Tool(Tool),
    /// A group with tools of its own.
    Group(Shelf),
    /// A server of which only these tools are on offer.
    Picked(Vec<Part>),
    /// A server whose tools these items of another list speak for: it stays while one of them does.
    Linked(Vec<usize>),
}

/// One tool of a server.
#[derive(Debug, Clone)]
pub(in crate::wire) struct Part {
    pub tool: Tool,
    pub switch: Switch,
}

/// How a single tool of a server is taken out.
#[derive(Debug, Clone, Copy)]
pub(in crate::wire) enum Switch {
    /// It is an item of this list of names.
    Listed(usize),
    /// It is on as long as this is `true`.
    Enabled(usize),
}

impl Part {
    /// The tool of this name of an MCP server, whose name or switch stands at `value`.
    pub(in crate::wire) fn of_server(label: Option<&str>, name: &str, value: Value<'_>, switch: Switch) -> Self {
        let full = label.map(|label| format!("mcp__{label}__{name}"));
        let tool = Tool { shape: Shape::Hosted("mcp".to_owned()), ..Tool::named(full) }.at(value);
        Self { tool, switch }
    }

    /// The tools of a list of names; none where it is no list of names, or an empty one, which
    /// some readers take for all.
    pub(in crate::wire) fn listed(label: Option<&str>, names: Value<'_>) -> Option<Vec<Self>> {
        let part = |name: Value<'_>| Some(Self::of_server(label, &name.text()?, name, Switch::Listed(names.index())));
        let parts: Option<Vec<_>> = names.items().map(part).collect();
        parts.filter(|parts| !parts.is_empty())
    }
}

/// A tool that stands in no list.
#[derive(Debug, Clone)]
pub struct Stray {
    pub tool: Tool,
    pub(in crate::wire) stands: Stands,
}

/// Where a stray stands, and so how it is taken out.
#[derive(Debug, Clone, Copy)]
pub(in crate::wire) enum Stands {
    /// A top-level member.
    Member(&'static str),
    /// A block of a message's content, which becomes text so that the list is never empty.
    Block(usize),
    /// An item of a list in which nothing else may stand.
    Listed { list: usize, item: usize },
}

impl Stray {
    pub(in crate::wire) fn member(name: &'static str, value: Value<'_>, tool: Tool) -> Self {
        Self { tool: tool.at(value), stands: Stands::Member(name) }
    }

    /// `definition` is where the block defines the tool, if it does more than name it.
    pub(in crate::wire) fn block(block: Value<'_>, tool: Tool, stands: Stands) -> Self {
        let tool = if tool.nodes.item == 0 { tool.at(block) } else { tool };
        Self { tool, stands }
    }
}

impl Shelf {
    /// Reads a list of tools; `hold` says what an item offers.
    pub(in crate::wire) fn read(
        member: &'static str,
        place: Place,
        list: Value<'_>,
        hold: &dyn Fn(Value<'_>) -> Holds,
    ) -> Self {
        let item = |item: Value<'_>| {
            let holds = match hold(item) {
                Holds::Tool(tool) => Holds::Tool(tool.at(item)),
                other => other,
            };
            Item { node: item.index(), holds }
        };
        Self { member, place, list: list.index(), items: list.items().map(item).collect() }
    }

    /// The same list as a group of this name.
    pub(in crate::wire) fn grouped(mut self, group: &str) -> Self {
        for item in &mut self.items {
            match &mut item.holds {
                Holds::Tool(tool) => tool.namespace = Some(group.to_owned()),
                Holds::Picked(parts) => {
                    parts.iter_mut().for_each(|part| part.tool.namespace = Some(group.to_owned()));
                }
                Holds::Group(_) | Holds::Linked(_) => {}
            }
        }
        self
    }

    /// Appends its tools, in order.
    pub(in crate::wire) fn collect<'a>(&'a self, tools: &mut Vec<&'a Tool>) {
        for item in &self.items {
            match &item.holds {
                Holds::Tool(tool) => tools.push(tool),
                Holds::Group(group) => group.collect(tools),
                Holds::Picked(parts) => tools.extend(parts.iter().map(|part| &part.tool)),
                Holds::Linked(_) => {}
            }
        }
    }

    fn array<'a>(&self, json: &'a Json) -> Value<'a> {
        json.value(self.list)
    }
}
