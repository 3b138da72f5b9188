//! A request's tools, offered otherwise. Given a request that offers `Read` and `Bash`, a rule
//! that drops `Bash`, and `check_env_keys` to add: `"tools":[Read, check_env_keys]`, `Read` byte for
//! byte as it came.
//!
//! The order: who stays is decided once for each tool; then the lists, the tools in them, what
//! stands outside of lists, and last what points at tools. Nothing is changed inside of what goes,
//! so that no two changes want the same bytes.

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::wire::Dialect;
use crate::wire::json::{self, Json, Value};
use crate::wire::patch::Patch;
use crate::wire::request::Request;
use crate::wire::tools::change::{self, Pen};
use crate::wire::tools::choice::{self, Offered};
use crate::wire::tools::mend;
use crate::wire::tools::offer::{NewTool, Offer, Reshelved};
use crate::wire::tools::sheet::Sheet;
use crate::wire::tools::{Holds, Item, Place, Shape, Shelf, Stands, Switch, Tool};

/// Stands where a block spoke of a tool that the model does not get to see.
const WITHHELD: &str = "{\"type\":\"text\",\"text\":\"(A tool is withheld here.)\"}";
/// Stands where an item of the input offered nothing but such tools.
const NONE_LEFT: &str = "{\"type\":\"message\",\"role\":\"developer\",\"content\":[{\"type\":\"input_text\",\"text\":\"(Tools are withheld here.)\"}]}";

impl Request {
    /// The tools on offer, in order: those of lists, then those that stand in none.
    #[must_use]
    pub fn tools(&self) -> Vec<&Tool> {
        let mut tools = Vec::new();
        self.shelves.iter().for_each(|shelf| shelf.collect(&mut tools));
        tools.extend(self.strays.iter().map(|stray| &stray.tool));
        tools
    }

    /// Takes the tools for which `keep` does not hold out of the request: see [`Self::reshelve`].
    pub fn prune_tools(&self, keep: &dyn Fn(&Tool) -> bool, patch: &mut Patch) {
        self.reshelve(&|tool| if keep(tool) { Offer::Keep } else { Offer::Drop }, &[], patch);
    }

    /// Offers the model other tools than the agent does: `offer` says of each what becomes of it,
    /// and `added` come behind those that stay. What pointed at tools that go is mended, so that
    /// the provider has nothing to object to. Tools that stay as they are keep their bytes, but
    /// for a cache breakpoint that moves there, and for `defer_loading` and `allowed_callers`
    /// where these name what is gone.
    ///
    /// A tool of the agent's with the name of an added one is dropped, whatever `offer` says; of
    /// two added ones of a name the first counts. What only names a tool (a `tool_reference`)
    /// stays as long as a definition of that name does.
    pub fn reshelve(&self, offer: &dyn Fn(&Tool) -> Offer, added: &[NewTool], patch: &mut Patch) -> Reshelved {
        if self.shelves.is_empty() && self.strays.is_empty() && added.is_empty() {
            return Reshelved::default();
        }
        let mut names = HashSet::new();
        let added: Vec<&NewTool> = added.iter().filter(|tool| names.insert(tool.name())).collect();
        let verdicts = verdicts(self, offer, &names);
        let kept = kept_items(self, &verdicts);
        let mut work = Work {
            request: self,
            home: home(self),
            added,
            verdicts,
            kept,
            sheet: Sheet::default(),
            patch: Patch::default(),
            report: Reshelved::default(),
        };
        work.fill_shelves();
        work.change_tools();
        work.mend_neighbours();
        work.prune_strays();
        work.mend_choices();
        let Work { sheet, patch: mut changes, report, .. } = work;
        sheet.write(&mut changes);
        patch.append(changes);
        report
    }
}

/// What becomes of each tool, by its item's node.
fn verdicts(request: &Request, offer: &dyn Fn(&Tool) -> Offer, added: &HashSet<&str>) -> HashMap<usize, Offer> {
    let is_taken = |tool: &Tool| match &tool.name {
        Some(prefix) if tool.is_server => added.iter().any(|name| name.starts_with(prefix.as_str())),
        Some(name) => added.contains(name.as_str()),
        None => false,
    };
    let (named, defined): (Vec<&Tool>, Vec<&Tool>) =
        request.tools().into_iter().partition(|tool| tool.shape == Shape::Named);
    let mut verdicts = HashMap::new();
    let mut offered: HashMap<&str, bool> = HashMap::new();
    for tool in defined {
        let verdict = if is_taken(tool) { Offer::Drop } else { offer(tool) };
        if let Some(name) = &tool.name {
            *offered.entry(name).or_default() |= verdict != Offer::Drop;
        }
        verdicts.insert(tool.nodes.item, verdict);
    }
    for tool in named {
        let known = tool.name.as_deref().and_then(|name| offered.get(name));
        let stays = !is_taken(tool) && known.copied().unwrap_or_else(|| offer(tool) != Offer::Drop);
        verdicts.insert(tool.nodes.item, if stays { Offer::Keep } else { Offer::Drop });
    }
    drop_inner_strays(request, &mut verdicts);
    verdicts
}

/// What stands inside of a block that goes, goes with it.
fn drop_inner_strays(request: &Request, verdicts: &mut HashMap<usize, Offer>) {
    let mut gone_up_to = 0;
    // They come in the order of the bytes.
    for stray in &request.strays {
        let (Stands::Block(node) | Stands::Listed { item: node, .. }) = stray.stands else { continue };
        let span = request.json.value(node).span();
        let verdict = verdicts.entry(stray.tool.nodes.item).or_insert(Offer::Drop);
        if span.start < gone_up_to {
            *verdict = Offer::Drop;
        } else if *verdict == Offer::Drop {
            gone_up_to = span.end;
        }
    }
}

/// The nodes of all items of lists that stay.
fn kept_items(request: &Request, verdicts: &HashMap<usize, Offer>) -> HashSet<usize> {
    fn keep(shelf: &Shelf, verdicts: &HashMap<usize, Offer>, kept: &mut HashSet<usize>) {
        let stays = |tool: &Tool| verdicts.get(&tool.nodes.item).is_some_and(|verdict| *verdict != Offer::Drop);
        for item in &shelf.items {
            let is_kept = match &item.holds {
                Holds::Tool(tool) => stays(tool),
                Holds::Picked(parts) => parts.iter().any(|part| stays(&part.tool)),
                Holds::Linked(items) => items.iter().any(|item| kept.contains(item)),
                Holds::Group(group) => {
                    keep(group, verdicts, kept);
                    group.items.iter().any(|item| kept.contains(&item.node))
                }
            };
            if is_kept {
                kept.insert(item.node);
            }
        }
    }
    let mut kept = HashSet::new();
    request.shelves.iter().for_each(|shelf| keep(shelf, verdicts, &mut kept));
    kept
}

/// Where added tools go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Home {
    /// The list of this node, which is there.
    List(usize),
    /// The top-level member `tools`, which is not.
    Tools,
}

/// Where the agent keeps its tools.
fn home(request: &Request) -> Home {
    let has_items = |shelf: &&Shelf| !shelf.items.is_empty();
    let tops = || request.shelves.iter().filter(|shelf| shelf.place == Place::Top && shelf.member != "mcp_servers");
    let additional = || request.shelves.iter().find(|shelf| matches!(shelf.place, Place::Additional(_)));
    let shelf = tops().find(has_items).or_else(additional).or_else(|| tops().find(|shelf| shelf.member == "tools"));
    shelf.map_or(Home::Tools, |shelf| Home::List(shelf.list))
}

struct Work<'a> {
    request: &'a Request,
    home: Home,
    added: Vec<&'a NewTool>,
    verdicts: HashMap<usize, Offer>,
    kept: HashSet<usize>,
    sheet: Sheet<'a>,
    patch: Patch,
    report: Reshelved,
}

impl<'a> Work<'a> {
    fn json(&self) -> &'a Json {
        &self.request.json
    }

    fn stays(&self, tool: &Tool) -> bool {
        self.verdicts.get(&tool.nodes.item).is_some_and(|verdict| *verdict != Offer::Drop)
    }

    /// Takes items out of lists, and puts ours in.
    fn fill_shelves(&mut self) {
        let request = self.request;
        if self.home == Home::Tools && !self.added.is_empty() {
            let list = format!("[{}]", self.written("tools").join(","));
            self.sheet.set(self.json().root(), "tools", list);
        }
        request.shelves.iter().for_each(|shelf| self.fill(shelf));
    }

    fn fill(&mut self, shelf: &'a Shelf) {
        let added = if self.home == Home::List(shelf.list) { self.written(shelf.member) } else { Vec::new() };
        let last = shelf.items.iter().rev().find(|item| self.kept.contains(&item.node));
        let list = shelf.array(self.json());
        match (last, shelf.place) {
            (None, Place::Top) if added.is_empty() => {
                return self.sheet.remove(self.json().root(), shelf.member);
            }
            (None, Place::Additional(item)) if added.is_empty() && !shelf.items.is_empty() => {
                return self.patch.replace(self.json().value(item).span(), NONE_LEFT);
            }
            (None, _) if !added.is_empty() => self.patch.insert(list.span().start + 1, added.join(",")),
            (Some(last), _) if !added.is_empty() => {
                let behind = self.json().value(last.node).span().end;
                self.patch.insert(behind, format!(",{}", added.join(",")));
            }
            _ => {}
        }
        self.patch.remove_items(list, |at| !self.kept.contains(&shelf.items[at].node));
        for item in shelf.items.iter().filter(|item| self.kept.contains(&item.node)).collect::<Vec<_>>() {
            match &item.holds {
                Holds::Group(group) => self.fill(group),
                Holds::Picked(_) => self.pick(item),
                Holds::Tool(_) | Holds::Linked(_) => {}
            }
        }
    }

    /// Takes single tools of a server out.
    fn pick(&mut self, item: &'a Item) {
        let Holds::Picked(parts) = &item.holds else { return };
        let gone: Vec<bool> = parts.iter().map(|part| !self.stays(&part.tool)).collect();
        for (part, _) in parts.iter().zip(&gone).filter(|(_, gone)| **gone) {
            if let Switch::Enabled(switch) = part.switch {
                self.patch.replace(self.json().value(switch).span(), "false");
            }
        }
        if let Some(Switch::Listed(list)) = parts.first().map(|part| part.switch) {
            self.patch.remove_items(self.json().value(list), |at| gone[at]);
        }
    }

    /// Our tools, as the dialect and the member write them.
    fn written(&self, member: &str) -> Vec<String> {
        let write = |tool: &&NewTool| {
            let (name, description) = (json::quote(tool.name()), json::quote(tool.description()));
            let head = format!("\"name\":{name},\"description\":{description}");
            let schema = tool.schema();
            match self.request.dialect {
                Dialect::Messages => format!("{{{head},\"input_schema\":{schema}}}"),
                Dialect::Chat if member == "functions" => format!("{{{head},\"parameters\":{schema}}}"),
                Dialect::Chat => {
                    format!("{{\"type\":\"function\",\"function\":{{{head},\"parameters\":{schema}}}}}")
                }
                Dialect::Responses => {
                    format!("{{\"type\":\"function\",{head},\"strict\":false,\"parameters\":{schema}}}")
                }
            }
        };
        self.added.iter().map(write).collect()
    }

    fn change_tools(&mut self) {
        for tool in self.request.tools() {
            match self.verdicts.get(&tool.nodes.item) {
                Some(Offer::Change(wanted)) => {
                    let mut pen = Pen {
                        json: &self.request.json,
                        dialect: self.request.dialect,
                        sheet: &mut self.sheet,
                        patch: &mut self.patch,
                    };
                    self.report.absent.extend(change::change(tool, wanted, &mut pen));
                }
                Some(Offer::Keep) => {}
                Some(Offer::Drop) | None => self.report.dropped.push(tool.name.clone()),
            }
        }
    }

    /// What the tools that stay must do without those that go.
    fn mend_neighbours(&mut self) {
        let (request, json) = (self.request, self.json());
        let tools = request.tools();
        let went = |is: fn(&Tool) -> bool| {
            tools.iter().any(|tool| is(tool)) && !tools.iter().any(|tool| is(tool) && self.stays(tool))
        };
        let (no_search, no_program) = (went(mend::is_search), went(mend::is_program));
        for shelf in request.shelves.iter().filter(|shelf| shelf.member != "mcp_servers") {
            let shown = no_search || self.hides_all(shelf);
            if shown {
                self.show(shelf);
            }
            let items: Vec<(Value<'a>, bool)> =
                shelf.items.iter().map(|item| (json.value(item.node), self.kept.contains(&item.node))).collect();
            mend::move_breakpoints(&items, shown, &mut self.sheet);
        }
        if no_program {
            mend::forget_programs(json.root(), request.dialect, &mut self.sheet);
            for tool in tools.iter().filter(|tool| self.verdicts.get(&tool.nodes.item) != Some(&Offer::Drop)) {
                mend::call_directly(tool, json, &mut self.sheet);
            }
        }
    }

    /// Whether only deferred tools are left of a list that had others: a provider refuses that.
    fn hides_all(&self, shelf: &Shelf) -> bool {
        let is_deferred = |item: &Item| mend::is_deferred(self.json().value(item.node));
        let mut kept = shelf.items.iter().filter(|item| self.kept.contains(&item.node));
        self.request.dialect == Dialect::Messages
            && self.added.is_empty()
            && kept.all(is_deferred)
            && !shelf.items.iter().all(is_deferred)
    }

    fn show(&mut self, shelf: &'a Shelf) {
        for item in &shelf.items {
            if self.kept.contains(&item.node) {
                mend::show(self.request.json.value(item.node), &mut self.sheet);
                if let Holds::Group(group) = &item.holds {
                    self.show(group);
                }
            }
        }
    }

    fn prune_strays(&mut self) {
        let (request, json) = (self.request, self.json());
        let mut lists: BTreeMap<usize, HashSet<usize>> = BTreeMap::new();
        let mut gone_up_to = 0;
        for stray in &request.strays {
            if self.stays(&stray.tool) {
                continue;
            }
            let node = match stray.stands {
                Stands::Member(name) => {
                    self.sheet.remove(json.root(), name);
                    continue;
                }
                Stands::Block(node) | Stands::Listed { item: node, .. } => node,
            };
            let span = json.value(node).span();
            // One inside of another went with it.
            if span.start < gone_up_to {
                continue;
            }
            gone_up_to = span.end;
            match stray.stands {
                Stands::Listed { list, item } => {
                    lists.entry(list).or_default().insert(item);
                }
                _ => self.patch.replace(span, WITHHELD),
            }
        }
        for (list, gone) in lists {
            let list = json.value(list);
            let items: Vec<usize> = list.items().map(Value::index).collect();
            self.patch.remove_items(list, |at| gone.contains(&items[at]));
        }
    }

    fn mend_choices(&mut self) {
        match self.request.dialect {
            Dialect::Messages => self.mend_choice("tool_choice", &[], |_| true),
            // Each of the two lists has a choice of its own.
            Dialect::Chat => {
                self.mend_choice("tool_choice", &["parallel_tool_calls"], |member| member != "functions");
                self.mend_choice("function_call", &[], |member| member == "functions");
            }
            Dialect::Responses => self.mend_choice("tool_choice", &["parallel_tool_calls"], |_| true),
        }
    }

    /// Mends the choice among the tools of these members; it goes, and `others` with it, when
    /// none is left.
    fn mend_choice(&mut self, member: &str, others: &[&str], among: fn(&str) -> bool) {
        let request = self.request;
        let root = request.json.root();
        let mut listed = Offered::default();
        for shelf in request.shelves.iter().filter(|shelf| among(shelf.member) && shelf.place != Place::Inner) {
            self.offer_all(shelf, &mut listed);
        }
        let home = match self.home {
            Home::List(list) => request.shelves.iter().find(|shelf| shelf.list == list),
            Home::Tools => None,
        };
        if among(home.map_or("tools", |shelf| shelf.member)) {
            self.added.iter().for_each(|tool| listed.add(tool.name()));
        }
        if listed.is_empty() && !self.keeps_unnamed(among) {
            [member].iter().chain(others).for_each(|name| self.sheet.remove(root, name));
            return;
        }
        // What was found in mid-conversation can be chosen too, but does not count as a list.
        for shelf in request.shelves.iter().filter(|shelf| shelf.place == Place::Inner) {
            self.offer_all(shelf, &mut listed);
        }
        for stray in request.strays.iter().filter(|stray| self.stays(&stray.tool)) {
            listed.offer(&stray.tool);
        }
        if let Some(choice) = root.get(member) {
            choice::mend(choice, &listed, request.dialect, &mut self.sheet, &mut self.patch);
        }
    }

    fn offer_all(&self, shelf: &'a Shelf, offered: &mut Offered<'a>) {
        let mut tools = Vec::new();
        shelf.collect(&mut tools);
        tools.into_iter().filter(|tool| self.stays(tool)).for_each(|tool| offered.offer(tool));
    }

    /// Whether something of no name stays in these lists.
    fn keeps_unnamed(&self, among: fn(&str) -> bool) -> bool {
        let shelves = self.request.shelves.iter().filter(|shelf| among(shelf.member) && shelf.place != Place::Inner);
        shelves.flat_map(|shelf| &shelf.items).any(|item| self.kept.contains(&item.node))
    }
}
