//! Judges the calls of one reply. Given `deny: [reads(**/.env*)]` and the call `Bash` with
//! `cat .env`: the model is told which rule that breaks and what it may do instead.

use std::sync::Arc;

use crate::effects::table::Table;
use crate::effects::{Called, Effects};
use crate::policy::lockdown::place::Folders;
use crate::policy::lockdown::replace::AgentTools;
use crate::policy::lockdown::rules::{Facts, Verdict};
use crate::policy::lockdown::{Mode, OnDenied, Rules, say};
use crate::stream::guard::{Judge, Ruling};
use crate::wire::event::{Call, Input, Substitute};
use crate::wire::history;
use crate::wire::json::{Json, Kind};
use crate::wire::request::Request;

/// A call that was refused, and by which rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    pub tool: String,
    pub rule: String,
    /// What the model is told of it, or would be.
    pub sentence: String,
    /// Whether it was only noted: in shadow mode the agent gets it all the same.
    pub noted: bool,
}

/// A call that the agent got in other words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replaced {
    pub tool: String,
    pub became: String,
}

/// What is known of the request that a reply answers.
#[derive(Debug, Clone, Default)]
pub struct Setting {
    pub policy: String,
    /// The tools that the agent offers, for a call of ours to be carried out by.
    pub agent: AgentTools,
    /// Where the agent works, as far as it says.
    pub folders: Folders,
    /// Why nothing may leave the machine any more.
    pub tainted: Option<String>,
    /// Tools that the agent offers and that are not what they were pinned to: their names.
    pub changed: Vec<String>,
}

impl Setting {
    /// What a request tells, to judge the calls of its reply by. `has_secrets`: secrets were found in the
    /// results that it tells.
    #[must_use]
    pub fn of(rules: &Rules, policy: &str, request: &Request, has_secrets: bool) -> Self {
        let folders = Folders { working: Self::working(&history::preamble(request)), ..Folders::default() };
        let tainted = rules.tainted(request, &folders, has_secrets);
        let changed = request.tools().iter().filter_map(|tool| rules.changed(tool, &request.json)).collect();
        Self { policy: policy.to_owned(), agent: AgentTools::of(request), folders, tainted, changed }
    }

    /// Where an agent says that it works, in any of these texts.
    #[must_use]
    pub fn working(texts: &[String]) -> Option<String> {
        const MARKS: &[(&str, &str)] = &[("orking directory: ", "\n"), ("<cwd>", "</cwd>")];
        let folder = |text: &String| {
            let (_, rest, end) = MARKS.iter().find_map(|(mark, end)| Some((mark, text.split_once(mark)?.1, end)))?;
            let folder = rest.split(end).next()?.trim();
            (folder.starts_with('/') && folder.len() < 4096 && !folder.contains('\n')).then(|| folder.to_owned())
        };
        texts.iter().find_map(folder)
    }
}

/// Judges calls, and keeps what was refused and replaced.
#[derive(Debug)]
pub struct Warden {
    rules: Arc<Rules>,
    setting: Setting,
    refused: Vec<Refused>,
    replaced: Vec<Replaced>,
}

/// No more of a reply's calls are kept for the log.
const MOST_KEPT: usize = 200;

impl Warden {
    #[must_use]
    pub fn new(rules: Arc<Rules>, setting: Setting) -> Self {
        Self { rules, setting, refused: Vec::new(), replaced: Vec::new() }
    }

    #[must_use]
    pub fn refused(&self) -> &[Refused] {
        &self.refused
    }

    #[must_use]
    pub fn replaced(&self) -> &[Replaced] {
        &self.replaced
    }

    /// Whether its rulings are in force; in shadow mode the agent gets every call.
    #[must_use]
    pub fn is_enforced(&self) -> bool {
        self.rules.mode == Mode::Enforce
    }

    fn refuse(&mut self, call: &Call, rule: &str, why: &str) -> Ruling {
        let advice = self.rules.advice.as_deref().map(|advice| format!(" {advice}")).unwrap_or_default();
        let (tool, policy) = (&call.name, &self.setting.policy);
        let why = if why.is_empty() { String::new() } else { format!(" {why}") };
        let sentence = format!(
            "[Jetway] The call of the tool `{tool}` was refused by the policy `{policy}` ({rule}).{why}{advice}"
        );
        if self.refused.len() < MOST_KEPT {
            let (tool, rule, sentence) = (tool.clone(), rule.to_owned(), sentence.clone());
            self.refused.push(Refused { tool, rule, sentence, noted: !self.is_enforced() });
        }
        // In shadow mode nothing comes of a ruling, and the calls behind it are judged too.
        match (self.rules.mode, self.rules.on_denied) {
            (Mode::Shadow, _) => Ruling::Pass,
            (Mode::Enforce, OnDenied::Correct) => Ruling::Correct(sentence),
            (Mode::Enforce, OnDenied::Explain) => Ruling::Say(sentence),
            (Mode::Enforce, OnDenied::Stop) => Ruling::Stop(sentence),
        }
    }

    /// What a call of one of our own tools becomes.
    fn replace(&mut self, call: &Call, input: &str) -> Option<Ruling> {
        let replacement = self.rules.replace.find(&call.name)?;
        Some(match replacement.become_call(input, &self.setting.agent) {
            // In shadow mode the agent gets what the model called, also where others watch the reply.
            Ok(_) if !self.is_enforced() => Ruling::Pass,
            Ok(own) => {
                self.replaced.push(Replaced { tool: call.name.clone(), became: own.tool.clone() });
                Ruling::Become(Substitute { name: own.tool, namespace: own.namespace, input: own.input })
            }
            Err(why) => self.refuse(call, "its inputs", &why),
        })
    }

    /// The call with the properties that are fixed, if it needs any.
    fn fixed(&mut self, call: &Call, input: &str) -> Result<Option<Substitute>, Ruling> {
        if !self.rules.narrow.limits(&call.name, call.namespace.as_deref()) {
            return Ok(None);
        }
        let checked = match Json::read(input.to_owned().into()) {
            Err(error) => Err(format!("Its arguments cannot be read: {error}. Write them as one JSON object.")),
            Ok(json) => match self.rules.narrow.check_call(&call.name, call.namespace.as_deref(), &json) {
                Ok(None) => return Ok(None),
                Ok(Some(patch)) => patch.apply(&json).map_err(|error| error.to_string()),
                Err(why) => Err(why),
            },
        };
        let text = checked.and_then(|bytes| String::from_utf8(bytes.to_vec()).map_err(|error| error.to_string()));
        match text {
            Ok(input) => {
                let Call { name, namespace, .. } = call.clone();
                Ok(Some(Substitute { name, namespace, input: Input::Json(input) }))
            }
            Err(why) => Err(self.refuse(call, &format!("narrow {}", call.name), &why)),
        }
    }
}

impl Judge for Warden {
    fn needs_input(&self, call: &Call) -> bool {
        let (name, namespace) = (call.name.as_str(), call.namespace.as_deref());
        self.rules.replace.find(name).is_some()
            || self.rules.narrow.limits(name, namespace)
            || self.rules.set.needs_arguments(name, namespace)
            || self.rules.table.takes_programs(name) && !self.rules.lets_all_pass()
            || self.setting.tainted.is_some()
    }

    fn judge(&mut self, call: &Call, input: Option<&str>) -> Ruling {
        let (name, namespace) = (call.name.as_str(), call.namespace.as_deref());
        if self.setting.changed.iter().any(|changed| changed == name) {
            return self.refuse(call, &format!("pin {name}"), "It is not the tool any more that was looked at.");
        }
        if !self.needs_input(call) {
            return match self.rules.verdict(&self.setting, call, &Effects::default()) {
                Verdict::Allow => Ruling::Pass,
                Verdict::Refuse { rule, why } => self.refuse(call, &rule, &why),
            };
        }
        let Some(input) = input else {
            let why = "What it is called with cannot be told, so that no rule can be held against it.";
            return self.refuse(call, "its arguments", why);
        };
        if let Some(ruling) = self.replace(call, input) {
            return ruling;
        }
        let effects = self.rules.effects(name, namespace, input);
        if let Verdict::Refuse { rule, why } = self.rules.verdict(&self.setting, call, &effects) {
            return self.refuse(call, &rule, &why);
        }
        if let Some(why) = self.setting.tainted.clone().filter(|_| effects.may_leave()) {
            return self.refuse(call, "taint", &why);
        }
        match self.fixed(call, input) {
            Err(ruling) => ruling,
            Ok(Some(call)) if self.is_enforced() => Ruling::Become(call),
            Ok(_) => Ruling::Pass,
        }
    }
}

/// What a call does, where its arguments are such that every reader reads them alike.
pub(in crate::policy) fn effects_of(table: &Table, (name, namespace): (&str, Option<&str>), input: &str) -> Effects {
    // Some agents mend arguments that do not parse, and run what comes of it.
    let takes_text = !input.trim_start().starts_with('{');
    if !takes_text && !is_object(input) {
        return Effects::unclear("its arguments are no JSON object that every reader reads alike");
    }
    table.effects(name, namespace, input)
}

impl Rules {
    pub(super) fn effects(&self, name: &str, namespace: Option<&str>, input: &str) -> Effects {
        effects_of(&self.table, (name, namespace), input)
    }

    pub(super) fn verdict(&self, setting: &Setting, call: &Call, effects: &Effects) -> Verdict {
        let (name, namespace) = (call.name.as_str(), call.namespace.as_deref());
        let folders = &setting.folders;
        let facts = |name, namespace, effects| Facts { name, namespace, kind: self.kind(name), effects, folders };
        let verdict = self.set.judge(facts(name, namespace, effects));
        let (Verdict::Allow, Some(program)) = (&verdict, &effects.program) else { return verdict };
        let called = program.calls.iter().map(|called| {
            let verdict = self.set.judge_called((name, namespace), facts(&called.name, None, &called.effects));
            match if verdict == Verdict::Allow { self.narrowed(called) } else { verdict } {
                Verdict::Allow => Verdict::Allow,
                Verdict::Refuse { rule, why } => say::refused(rule, say::called(&called.name, &why)),
            }
        });
        let unseen = program.unclear.iter().filter(|_| !self.lets_all_pass()).map(|why| self.set.judge_unseen(why));
        called.chain(unseen).find(|verdict| *verdict != Verdict::Allow).unwrap_or(Verdict::Allow)
    }

    /// Whether no call of any tool could be refused for what it is.
    fn lets_all_pass(&self) -> bool {
        self.set.is_open() && !self.narrow.limits_any()
    }

    /// A call of a program can be refused by a narrowing, and cannot be changed by one.
    fn narrowed(&self, called: &Called) -> Verdict {
        let Called { name, arguments, .. } = called;
        if !self.narrow.limits(name, None) {
            return Verdict::Allow;
        }
        let why = match Json::read(arguments.clone().into()) {
            Err(error) => format!("The arguments of `{name}` cannot be read: {error}."),
            Ok(json) => match self.narrow.check_call(name, None, &json) {
                Ok(None) => return Verdict::Allow,
                Ok(Some(_)) => format!("A property of `{name}` is fixed here, so that no program can call it."),
                Err(why) => why,
            },
        };
        Verdict::Refuse { rule: format!("narrow {name}"), why }
    }
}

fn is_object(input: &str) -> bool {
    Json::read(input.to_owned().into()).is_ok_and(|json| json.root().kind() == Kind::Object)
}

#[cfg(test)]
mod tests;
