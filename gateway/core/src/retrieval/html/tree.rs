//! The tree of a page, made within bounds: what a page could cost that was written to cost much is
//! known while it is read, by the tree that it makes and not by how it looks.

use std::borrow::Cow;
use std::cell::Cell;
use std::rc::Rc;

use htmd::Node;
use html5ever::interface::{ElementFlags, NodeOrText, QuirksMode, TreeSink};
use html5ever::tendril::{StrTendril, TendrilSink};
use html5ever::{Attribute, ExpandedName, ParseOpts, QualName, parse_document};
use markup5ever_rcdom::{NodeData, RcDom};

/// A page that nests deeper is no page of text: to walk it would need more of a stack than there is.
pub(super) const DEEPEST: usize = 256;
/// How deep lists and quotes may stand in each other, for each indents all lines within.
const DEEPEST_LIST: usize = 20;
/// The most elements. Few bytes may ask for many: a tag that is left open in a paragraph is opened
/// again in every paragraph that follows.
const MOST: usize = 250_000;
/// The most that may stand in a table and in none of its cells: for each of them the parser looks
/// through all that stands beside the table.
const MOST_STRAY: usize = 10_000;
/// The most attributes that a tag could have: the parser holds each against all others.
const MOST_ATTRIBUTES: usize = 10_000;
/// So much is read at a time.
const PIECE: usize = 4_096;

/// Reads a page.
///
/// # Errors
/// A sentence, when it goes beyond a bound.
pub(super) fn read(html: &str) -> Result<Rc<Node>, String> {
    let mut parser = parse_document(Bounded::default(), ParseOpts::default());
    let (mut open, mut rest) = (OpenTags::default(), html);
    while !rest.is_empty() {
        let (piece, behind) = rest.split_at(rest.floor_char_boundary(PIECE));
        parser.process(StrTendril::from(piece));
        let sink = &parser.tokenizer.sink.sink;
        sink.check()?;
        if sink.has_grown.take() {
            open = OpenTags::default();
        }
        open.follow(piece);
        if open.most() > MOST_ATTRIBUTES {
            return Err(format!("it has a tag with more than {MOST_ATTRIBUTES} attributes"));
        }
        rest = behind;
    }
    let made = parser.finish();
    made.check()?;
    let document = made.dom.document;
    if is_too_deep(&document) { Err(too_deep()) } else { Ok(document) }
}

fn too_deep() -> String {
    format!("it nests elements deeper than {DEEPEST}, or lists deeper than {DEEPEST_LIST}")
}

/// Whether anything in it nests too deep. What the parser moved is only known in the end.
fn is_too_deep(document: &Rc<Node>) -> bool {
    let mut waiting = vec![(Rc::clone(document), 0, 0)];
    while let Some((node, depth, lists)) = waiting.pop() {
        let name = name(&node).map(|name| name.local.to_string());
        let lists = lists + usize::from(matches!(name.as_deref(), Some("li" | "blockquote")));
        if depth > DEEPEST || lists > DEEPEST_LIST {
            return true;
        }
        waiting.extend(node.children.borrow().iter().map(|child| (Rc::clone(child), depth + 1, lists)));
    }
    false
}

fn name(node: &Rc<Node>) -> Option<&QualName> {
    let NodeData::Element { name, .. } = &node.data else { return None };
    Some(name)
}

/// What an element stands in.
pub(super) fn parent(node: &Rc<Node>) -> Option<Rc<Node>> {
    let parent = node.parent.take();
    node.parent.set(parent.clone());
    parent?.upgrade()
}

/// A tree that grows, and what it has cost.
#[derive(Default)]
struct Bounded {
    dom: RcDom,
    elements: Cell<usize>,
    stray: Cell<usize>,
    is_deep: Cell<bool>,
    /// Whether anything was put into it since that was last asked.
    has_grown: Cell<bool>,
}

impl Bounded {
    fn check(&self) -> Result<(), String> {
        if self.is_deep.get() {
            return Err(too_deep());
        }
        if self.elements.get() > MOST {
            return Err(format!("it has more than {MOST} elements"));
        }
        if self.stray.get() > MOST_STRAY {
            return Err(format!("more than {MOST_STRAY} of its elements stand in a table and in none of its cells"));
        }
        Ok(())
    }

    /// Notes that something is put into this node.
    fn descend(&self, into: &Rc<Node>) {
        self.has_grown.set(true);
        let depth = std::iter::successors(parent(into), parent).take(DEEPEST).count();
        self.is_deep.set(self.is_deep.get() || depth == DEEPEST);
    }
}

/// All is done by the tree itself, but for what no text comes of.
impl TreeSink for Bounded {
    type Handle = Rc<Node>;
    type Output = Self;
    type ElemName<'a> = ExpandedName<'a>;

    fn create_element(&self, name: QualName, attrs: Vec<Attribute>, flags: ElementFlags) -> Rc<Node> {
        self.elements.set(self.elements.get() + 1);
        self.dom.create_element(name, attrs, flags)
    }

    fn append(&self, parent: &Rc<Node>, child: NodeOrText<Rc<Node>>) {
        self.descend(parent);
        self.dom.append(parent, child);
    }

    fn append_before_sibling(&self, sibling: &Rc<Node>, child: NodeOrText<Rc<Node>>) {
        self.stray.set(self.stray.get() + 1);
        self.descend(sibling);
        self.dom.append_before_sibling(sibling, child);
    }

    fn append_based_on_parent_node(&self, element: &Rc<Node>, before: &Rc<Node>, child: NodeOrText<Rc<Node>>) {
        self.stray.set(self.stray.get() + 1);
        self.descend(element);
        self.dom.append_based_on_parent_node(element, before, child);
    }

    fn get_template_contents(&self, target: &Rc<Node>) -> Rc<Node> {
        let contents = self.dom.get_template_contents(target);
        // They have no parent otherwise, and would be at no depth.
        contents.parent.set(Some(Rc::downgrade(target)));
        contents
    }

    fn create_comment(&self, _: StrTendril) -> Rc<Node> {
        self.dom.create_comment(StrTendril::new())
    }

    fn create_pi(&self, target: StrTendril, data: StrTendril) -> Rc<Node> {
        self.dom.create_pi(target, data)
    }

    fn append_doctype_to_document(&self, name: StrTendril, public_id: StrTendril, system_id: StrTendril) {
        self.dom.append_doctype_to_document(name, public_id, system_id);
    }

    fn elem_name<'a>(&'a self, target: &'a Rc<Node>) -> ExpandedName<'a> {
        self.dom.elem_name(target)
    }

    fn is_mathml_annotation_xml_integration_point(&self, target: &Rc<Node>) -> bool {
        self.dom.is_mathml_annotation_xml_integration_point(target)
    }

    fn get_document(&self) -> Rc<Node> {
        self.dom.get_document()
    }

    fn same_node(&self, one: &Rc<Node>, other: &Rc<Node>) -> bool {
        self.dom.same_node(one, other)
    }

    fn remove_from_parent(&self, target: &Rc<Node>) {
        self.dom.remove_from_parent(target);
    }

    fn reparent_children(&self, node: &Rc<Node>, parent: &Rc<Node>) {
        self.dom.reparent_children(node, parent);
    }

    fn finish(self) -> Self {
        self
    }

    fn parse_error(&self, _: Cow<'static, str>) {}

    fn set_quirks_mode(&self, _: QuirksMode) {}

    /// Of a second `html` or `body`.
    fn add_attrs_if_missing(&self, _: &Rc<Node>, _: Vec<Attribute>) {}
}

/// Where a reader of tags may be.
#[derive(Clone, Copy)]
enum At {
    Tag,
    Between,
    Name,
    Named,
    Equals,
    Value,
    Single,
    Double,
}

/// The tags that could be open: what looks like a tag may stand in a script or in quotes, and only the
/// parser knows. So each `<` is followed, all at once, until the parser puts something into its tree,
/// which it does of each piece of a script and within no tag.
#[derive(Default)]
struct OpenTags {
    /// For each state the most attributes of any tag that could be in it.
    most: [Option<usize>; 8],
    is_begun: bool,
}

impl OpenTags {
    fn follow(&mut self, piece: &str) {
        let states = [At::Tag, At::Between, At::Name, At::Named, At::Equals, At::Value, At::Single, At::Double];
        for byte in piece.bytes() {
            let mut next: [Option<usize>; 8] = [None; 8];
            for at in states {
                let Some(count) = self.most[at as usize] else { continue };
                let Some(to) = after(at, byte) else { continue };
                let count = count + usize::from(matches!((at, to), (At::Between | At::Named, At::Name)));
                next[to as usize] = next[to as usize].max(Some(count));
            }
            if self.is_begun && byte.is_ascii_alphabetic() {
                next[At::Tag as usize] = next[At::Tag as usize].max(Some(0));
            }
            self.is_begun = byte == b'<' || self.is_begun && byte == b'/';
            self.most = next;
        }
    }

    /// The most attributes of any.
    fn most(&self) -> usize {
        self.most.iter().flatten().copied().max().unwrap_or_default()
    }
}

/// Where a reader of tags is after this byte; nowhere when the tag ends.
fn after(at: At, byte: u8) -> Option<At> {
    Some(match (at, byte) {
        (At::Single, b'\'') | (At::Double, b'"') => At::Between,
        (At::Single | At::Double, _) => at,
        (_, b'>') => return None,
        (At::Equals, b'"') => At::Double,
        (At::Equals, b'\'') => At::Single,
        (At::Equals, _) => {
            if byte.is_ascii_whitespace() {
                At::Equals
            } else {
                At::Value
            }
        }
        (At::Tag | At::Value, _) if byte.is_ascii_whitespace() => At::Between,
        (At::Value, _) => At::Value,
        (_, b'/') => At::Between,
        (At::Tag, _) => At::Tag,
        (At::Name | At::Named, b'=') => At::Equals,
        (At::Name, _) if byte.is_ascii_whitespace() => At::Named,
        (At::Between | At::Named, _) if byte.is_ascii_whitespace() => at,
        (At::Between | At::Name | At::Named, _) => At::Name,
    })
}
