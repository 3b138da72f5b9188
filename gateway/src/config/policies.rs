//! The folder of policies: a folder each, with a `policy.yaml` in it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jetway_core::glob::first_match;
use jetway_core::policy::breadcrumbs::{BadText, Texts};
use jetway_core::policy::context::standing::Standing;
use jetway_core::policy::identity::Way;
use jetway_core::policy::{Document, breadcrumbs, budget, context, identity, interrogation, lockdown, models};
use jetway_core::retrieval::source::Kind;
use jetway_core::wire::route::is_policy_name;
use secrecy::SecretString;

use crate::config::providers::Provider;
use crate::config::{Problem, Secrets, secrets, yaml};
use crate::secret;

/// A policy as it is meant.
#[derive(Debug, Clone)]
pub struct Policy {
    pub name: String,
    pub folder: PathBuf,
    /// What stands in the run log: a digest of the file and of the prose that it names.
    pub version: String,
    pub about: String,
    pub identity: identity::Rules,
    /// What goes with `identity.introspection`.
    pub introspection_secret: Option<SecretString>,
    pub models: models::Rules,
    pub lockdown: Option<Arc<lockdown::Rules>>,
    /// How often the model may be answered within one reply.
    pub inner_turns: u32,
    pub context: Option<context::Rules>,
    /// What goes with `context.embeddings`. None also for an operator whose shell does not have it.
    pub embeddings_key: Option<SecretString>,
    /// What stands in every conversation.
    pub standing: Option<Arc<Standing>>,
    /// The steps that runs begin with from now on.
    pub path: Option<Arc<breadcrumbs::Path>>,
    /// What is asked when a run ends.
    pub interrogation: Option<Arc<Interrogation>>,
    pub budget: budget::Rules,
}

/// The rules of a policy's questions, and the question.
#[derive(Debug, Clone)]
pub struct Interrogation {
    pub rules: interrogation::Rules,
    pub question: interrogation::Question,
}

impl Policy {
    /// Where its model airplanes lie, if it has any.
    #[must_use]
    pub fn airplanes(&self) -> PathBuf {
        self.folder.join("airplanes")
    }
}

/// What policies may refer to.
pub(in crate::config) struct Known<'a> {
    pub names: &'a [String],
    /// Those that could be read.
    pub providers: &'a BTreeMap<String, Provider>,
    /// Whether there is an authority that signs callers' certificates.
    pub client_ca: bool,
    pub secrets: Secrets,
}

pub(in crate::config) fn load(
    folder: &Path,
    known: &Known<'_>,
    problems: &mut Vec<Problem>,
) -> BTreeMap<String, Policy> {
    let mut policies = BTreeMap::new();
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) => {
            problems.push(Problem::of_file(folder, format!("the folder of policies cannot be read: {error}")));
            return policies;
        }
    };
    let mut folders: Vec<_> = entries.filter_map(Result::ok).map(|entry| entry.path()).collect();
    folders.sort();
    for folder in folders.into_iter().filter(|path| path.join("policy.yaml").is_file()) {
        match policy(&folder, known) {
            Ok(policy) => {
                policies.insert(policy.name.clone(), policy);
            }
            Err(problem) => problems.push(problem),
        }
    }
    if policies.is_empty() && problems.is_empty() {
        problems.push(Problem::of_file(folder, "there is no policy here; make a folder with a policy.yaml in it"));
    }
    policies
}

pub(in crate::config) fn policy(folder: &Path, known: &Known<'_>) -> Result<Policy, Problem> {
    let file = folder.join("policy.yaml");
    let text = yaml::text(&file)?;
    let document: Document = yaml::parse(&file, &text)?;
    let name = folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    if !is_policy_name(&name) {
        let message = format!(
            "{name:?} cannot be the name of a policy: use lower-case letters, digits, - and _, and not a word that begins a path of the API"
        );
        return Err(Problem::of_file(folder, message));
    }
    for provider in document.models.providers() {
        if !known.names.contains(provider) {
            let has = known.names.join(", ");
            let message = format!("there is no provider {provider:?} in gateway.yaml; it has {has}");
            return Err(Problem::at_word(&file, &text, provider, message));
        }
    }
    if let budget::Low::Downgrade { to } = &document.budget.on_low
        && !document.models.allows(to)
    {
        let message = format!("`downgrade_to` is {to:?}, which `models.allow` does not allow");
        return Err(Problem::at_word(&file, &text, "downgrade_to", message));
    }
    for source in document.context.iter().flat_map(context::Rules::sources) {
        if let Kind::Folder(name) = &source.kind
            && !folder.join(name).is_dir()
        {
            let message = format!("the folder {} does not exist", folder.join(name).display());
            let spelled = [format!("docs: {name}"), format!("folder: {name}"), name.clone()];
            let word = spelled.iter().find(|word| text.contains(*word)).unwrap_or(name);
            return Err(Problem::at_word(&file, &text, word, message));
        }
    }
    if document.identity.accepts(Way::Certificates) && !known.client_ca {
        let message = "`accept` lists `certificates`, and no authority signs any: set tls.client_ca in gateway.yaml";
        return Err(Problem::at_word(&file, &text, Way::Certificates.name(), message));
    }
    let standing = standing(folder, document.context.as_ref(), (&file, &text))?;
    if let Some(problem) = document.breadcrumbs.as_ref().and_then(|steps| beyond(steps, &document.models, known)) {
        let (id, message) = problem;
        return Err(Problem::at_word(&file, &text, &format!("id: {id}"), message));
    }
    let path = path(folder, (document.breadcrumbs.as_ref(), document.context.is_some()), (&file, &text))?;
    let interrogation = interrogation(folder, (document.interrogation, &document.models), (&file, &text))?;
    let secret = document.identity.introspection().map(|rules| secrets::fetch(rules.secret().clone(), known.secrets));
    let secret = secret.transpose().map_err(|(word, why)| {
        Problem::at_word(&file, &text, &word, format!("identity.introspection.secret: {why}"))
    })?;
    let embeddings = document.context.as_ref().and_then(|rules| rules.embeddings.as_ref());
    let key = embeddings.and_then(|rules| rules.key.clone()).map(|key| secrets::fetch_anyway(key, known.secrets));
    let key = key
        .transpose()
        .map_err(|(word, why)| Problem::at_word(&file, &text, &word, format!("context.embeddings.key: {why}")))?;
    Ok(Policy {
        name,
        folder: folder.to_owned(),
        version: version(&text, standing.as_ref(), path.as_ref(), interrogation.as_ref()),
        about: document.about,
        identity: document.identity,
        introspection_secret: secret,
        models: document.models,
        lockdown: document.lockdown.map(Arc::new),
        inner_turns: document.inner_turns.count(),
        context: document.context,
        embeddings_key: key.flatten(),
        standing: standing.map(Arc::new),
        path: path.map(Arc::new),
        interrogation: interrogation.map(Arc::new),
        budget: document.budget,
    })
}

/// Reads the file that `context.standing` names.
fn standing(
    folder: &Path,
    rules: Option<&context::Rules>,
    (file, text): (&Path, &str),
) -> Result<Option<Standing>, Problem> {
    let Some(name) = rules.and_then(|rules| rules.standing.as_ref()) else { return Ok(None) };
    let (name, path) = (name.name(), folder.join(name.name()));
    let prose = std::fs::read_to_string(&path).map_err(|error| {
        let message = format!("`context.standing` names {}, which cannot be read: {error}", path.display());
        Problem::at_word(file, text, "standing:", message)
    })?;
    let standing = Standing::new(name, &prose).map_err(|why| Problem::of_file(&path, why.to_string()))?;
    Ok(Some(standing))
}

/// A step that wants a model or an effort that its policy does not allow, or that no provider of it
/// has: its id, and what is wrong with it.
fn beyond(steps: &breadcrumbs::Rules, models: &models::Rules, known: &Known<'_>) -> Option<(String, String)> {
    let serves = |model: &str| {
        let has = |provider: &Provider| first_match(&provider.offer.models, model).is_some();
        // Of one that could not be read that is said already.
        models.providers().iter().any(|name| known.providers.get(name).is_none_or(has))
    };
    steps.steps().iter().find_map(|step| {
        let id = &step.id;
        let message = match (step.model.as_deref(), step.effort) {
            (Some(model), _) if !models.allows(model) => {
                format!("the step `{id}` has the model {model:?}, which `models.allow` does not allow")
            }
            (Some(model), _) if !serves(model) => {
                format!("the step `{id}` has the model {model:?}, which no provider of `models.providers` serves")
            }
            (model, Some(effort)) if !models.allows_effort(model, effort) => {
                let whose = model.map_or_else(|| String::from("any model"), |model| format!("{model:?}"));
                let effort = effort.name();
                format!("the step `{id}` has the effort `{effort}`, which `models.allow` does not allow for {whose}")
            }
            _ => return None,
        };
        Some((id.clone(), message))
    })
}

/// Reads the files of a policy's steps.
fn path(
    folder: &Path,
    (rules, has_context): (Option<&breadcrumbs::Rules>, bool),
    (file, text): (&Path, &str),
) -> Result<Option<breadcrumbs::Path>, Problem> {
    let Some(rules) = rules else { return Ok(None) };
    if let Some(step) = rules.steps().iter().find(|step| !step.docs.is_empty() && !has_context) {
        let message = format!(
            "the step `{}` has `docs`, and the policy has no `context` that they could be looked up in",
            step.id
        );
        return Err(Problem::at_word(file, text, &format!("id: {}", step.id), message));
    }
    let read = |id: &str, name: &str| {
        let path = folder.join(name);
        std::fs::read_to_string(&path).map_err(|error| {
            let message = format!("the step `{id}` names {}, which cannot be read: {error}", path.display());
            Problem::at_word(file, text, name, message)
        })
    };
    let mut texts = Vec::new();
    for step in rules.steps() {
        let schema = step.evidence.as_ref().map(|schema| read(&step.id, schema.name())).transpose()?;
        texts.push(Texts { prose: read(&step.id, step.prompt.name())?, schema });
    }
    let path = breadcrumbs::Path::new(rules.clone(), texts).map_err(|(at, why)| {
        let step = rules.steps().get(at);
        let name = match &why {
            BadText::Prose(_) => step.map(|step| &step.prompt),
            BadText::Schema(_) => step.and_then(|step| step.evidence.as_ref()),
        };
        Problem::of_file(&folder.join(name.map_or("", |name| name.name())), why.to_string())
    })?;
    Ok(Some(path))
}

/// Reads the question that `interrogation.ask` names.
fn interrogation(
    folder: &Path,
    (rules, models): (Option<interrogation::Rules>, &models::Rules),
    (file, text): (&Path, &str),
) -> Result<Option<Interrogation>, Problem> {
    let Some(rules) = rules else { return Ok(None) };
    if let Some(model) = rules.model.as_ref().filter(|model| !models.allows(model)) {
        let message = format!("`interrogation.model` is {model:?}, which `models.allow` does not allow");
        return Err(Problem::at_word(file, text, model, message));
    }
    let path = folder.join(rules.ask().name());
    let prose = std::fs::read_to_string(&path).map_err(|error| {
        let message = format!("`interrogation.ask` names {}, which cannot be read: {error}", path.display());
        Problem::at_word(file, text, "interrogation:", message)
    })?;
    let question = interrogation::Question::new(&prose).map_err(|why| Problem::of_file(&path, why.to_string()))?;
    Ok(Some(Interrogation { rules, question }))
}

fn version(
    text: &str,
    standing: Option<&Standing>,
    path: Option<&breadcrumbs::Path>,
    interrogation: Option<&Interrogation>,
) -> String {
    let standing = standing.map_or("", Standing::text);
    let path = path.and_then(|path| serde_json::to_string(path).ok()).unwrap_or_default();
    let question = interrogation.map_or("", |interrogation| interrogation.question.prose());
    secret::name_of(&format!("{text}{standing}{path}{question}"))
}
