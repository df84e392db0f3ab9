//! One side of a plan, to be asked: what a resource holds, what refers to what, where it is.
//!
//! References are taken from the configuration where it has them, through inputs and outputs of modules; where it has not, a value that
//! is another resource's address, id or name counts. What cannot be resolved is nothing, never a guess among several that differ.

use std::borrow::Cow;
use std::cell::{OnceCell, RefCell};
use std::collections::{BTreeSet, HashMap};
use std::rc::Rc;

use serde_json::value::RawValue;

use crate::later::{Configured, Input, marks_any, with_unknown};
use crate::plan::{ByAddress, Members, Plan, Resource, value_of, without_instances};
use crate::value::Value;

mod count;
mod hidden;
mod place;

/// How many resources are kept read at a time.
const READ_MAX: usize = 256;
/// How many modules a reference may pass on its way.
const HOPS_MAX: usize = 16;

/// Attributes by which a resource is found when a value names it.
const NAMES: [&str; 6] = [
    "id",
    "arn",
    "name",
    "bucket",
    "identifier",
    "cluster_identifier",
];

type ReverseIndex = HashMap<usize, Rc<[usize]>>;
type ReverseIndexes = HashMap<(String, String), Rc<ReverseIndex>>;
type NameIndex = HashMap<Rc<str>, usize>;

/// A resource, read as far as anybody asked.
#[derive(Default)]
struct Read<'t> {
    members: Vec<Attribute<'t>>,
    unknown: Vec<(Cow<'t, str>, &'t RawValue)>,
}

struct Attribute<'t> {
    name: Cow<'t, str>,
    raw: &'t RawValue,
    value: OnceCell<Value>,
}

impl<'t> Read<'t> {
    fn of(resource: &Resource<'t>) -> Self {
        let members = Members::of(resource.values).0.into_iter();
        Self {
            members: members
                .map(|(name, raw)| Attribute {
                    name,
                    raw,
                    value: OnceCell::new(),
                })
                .collect(),
            unknown: Members::of(resource.unknown).0,
        }
    }
}

/// One side of a plan.
pub(crate) struct World<'p, 't> {
    pub(crate) resources: &'p [Resource<'t>],
    configured: &'p ByAddress<'t>,
    by_address: HashMap<&'p str, usize>,
    by_type: HashMap<&'p str, Vec<usize>>,
    /// By address without instances; filled when it is first needed.
    by_plain: OnceCell<HashMap<String, Vec<usize>>>,
    /// Of each type, by each of its names; filled when it is first needed.
    by_name: RefCell<HashMap<String, Rc<NameIndex>>>,
    /// The one that was asked last: nearly always it is the next, too.
    last: RefCell<(usize, Rc<Read<'t>>)>,
    read: RefCell<HashMap<usize, Rc<Read<'t>>>>,
    /// What providers are configured with, by their key and attribute.
    provided: RefCell<HashMap<(String, String), Value>>,
    last_expressions: RefCell<(usize, Option<Value>)>,
    expressions: RefCell<HashMap<String, Option<Value>>>,
    /// Inputs of modules, by module and name: whether they may be known after apply only.
    later: RefCell<HashMap<String, bool>>,
    /// A limit that was met, in words, until somebody asks for it.
    cut: RefCell<Option<String>>,
    reverse: RefCell<ReverseIndexes>,
    /// References of the configuration to attributes; filled when it is first needed.
    direct: OnceCell<BTreeSet<String>>,
    /// Modules, and whether something in them may be made of what is known after apply without the configuration naming it.
    hidden: RefCell<HashMap<String, bool>>,
}

impl<'p, 't> World<'p, 't> {
    pub(crate) fn new(plan: &'p Plan<'t>, resources: &'p [Resource<'t>]) -> Self {
        let mut by_address = HashMap::with_capacity(resources.len());
        let mut by_type: HashMap<&str, Vec<usize>> = HashMap::new();
        for (at, resource) in resources.iter().enumerate() {
            by_address.insert(&*resource.address, at);
            by_type.entry(&resource.kind).or_default().push(at);
        }
        Self {
            resources,
            configured: &plan.configured,
            by_address,
            by_type,
            by_plain: OnceCell::new(),
            by_name: RefCell::default(),
            last: RefCell::new((usize::MAX, Rc::default())),
            read: RefCell::default(),
            provided: RefCell::default(),
            last_expressions: RefCell::new((usize::MAX, None)),
            expressions: RefCell::default(),
            later: RefCell::default(),
            cut: RefCell::default(),
            reverse: RefCell::default(),
            direct: OnceCell::new(),
            hidden: RefCell::default(),
        }
    }

    /// An attribute of a resource. What is known after apply is marked so, and what only the provider will say.
    pub(crate) fn attribute(&self, at: usize, name: &str) -> Value {
        let read = self.read(at);
        let mark = || {
            let mark = self.mark(at, name);
            if marks_any(&mark) {
                self.marked(at, name, mark)
            } else {
                Value::Null
            }
        };
        match read.members.iter().find(|member| &*member.name == name) {
            Some(member) => {
                let value = || with_unknown(value_of(Some(member.raw)), &mark());
                member.value.get_or_init(value).clone()
            }
            None => match mark() {
                mark @ (Value::Bool(true) | Value::Left) => with_unknown(Value::Null, &mark),
                _ => Value::Null,
            },
        }
    }

    /// What the plan marks as known after apply of an attribute.
    fn mark(&self, at: usize, name: &str) -> Value {
        let marks = &self.read(at).unknown;
        let mark = marks.iter().find(|(key, _)| &**key == name);
        value_of(mark.map(|(_, raw)| *raw))
    }

    /// Whether any of an attribute is marked so, whoever will say it. Asks nothing of the configuration.
    fn is_marked(&self, at: usize, name: &str) -> bool {
        marks_any(&self.mark(at, name))
    }

    /// What is marked as known after apply, by whether the configuration leaves it to the provider.
    fn marked(&self, at: usize, name: &str, mark: Value) -> Value {
        let Some(expressions) = self.expressions_of(at) else {
            return mark;
        };
        let plain = without_instances(self.address(at));
        let configured = Configured {
            world: self,
            module: self.module_of(at),
            repeated: self.repeated(&plain),
        };
        match expressions.get(name) {
            Value::Null => configured.marked(&mark, &[]),
            said => configured.marked(&mark, &[said]),
        }
    }

    /// What the instances of a resource, or of a module, are made of.
    fn repeated(&self, plain: &str) -> Option<Value> {
        let raw = self.configured.repeated.get(plain)?;
        Some(value_of(Some(raw)))
    }

    /// What an input of a module is given; the root is given its own by nobody in the configuration.
    pub(crate) fn input(&self, module: &str, name: &str) -> Option<Input> {
        let raw = self.configured.inputs.get(module)?;
        Some(Input {
            expression: value_of(Some(raw)).get(name),
            module: outer(module).to_owned(),
            repeated: self.repeated(module),
        })
    }

    /// Whether an input of a module may be known after apply only: found out once.
    pub(crate) fn is_later_input(
        &self,
        module: &str,
        name: &str,
        find: impl FnOnce() -> bool,
    ) -> bool {
        let key = format!("{module}{name}");
        let known = self.later.borrow().get(&key).copied();
        known.unwrap_or_else(|| {
            let is_later = find();
            self.later.borrow_mut().insert(key, is_later);
            is_later
        })
    }

    /// The module whose output this is, and what it is there.
    pub(crate) fn output(&self, module: &str, name: &str, output: &str) -> (String, Value) {
        let inner = format!("{module}module.{name}.");
        let raw = self.configured.outputs.get(&format!("{inner}{output}"));
        (inner, value_of(raw.copied()))
    }

    /// Notes that something was not followed to its end.
    fn be_cut(&self, what: &str) {
        self.cut.borrow_mut().get_or_insert_with(|| what.to_owned());
    }

    /// What was not followed to its end since the last time.
    pub(crate) fn take_cut(&self) -> Option<String> {
        self.cut.borrow_mut().take()
    }

    fn read(&self, at: usize) -> Rc<Read<'t>> {
        {
            let last = self.last.borrow();
            if last.0 == at {
                return last.1.clone();
            }
        }
        let known = self.read.borrow().get(&at).cloned();
        let read = known.unwrap_or_else(|| {
            let read = Rc::new(self.resources.get(at).map(Read::of).unwrap_or_default());
            let mut all = self.read.borrow_mut();
            if all.len() >= READ_MAX {
                all.clear();
            }
            all.insert(at, read.clone());
            read
        });
        *self.last.borrow_mut() = (at, read.clone());
        read
    }

    pub(crate) fn address(&self, at: usize) -> &str {
        self.resources
            .get(at)
            .map_or("", |resource| &resource.address)
    }

    pub(crate) fn kind(&self, at: usize) -> &str {
        self.resources.get(at).map_or("", |resource| &resource.kind)
    }

    /// The place of a resource; of several with one address the last.
    pub(crate) fn place_of(&self, address: &str) -> Option<usize> {
        self.by_address.get(address).copied()
    }

    /// All resources of a type.
    pub(crate) fn all_of(&self, kind: &str) -> &[usize] {
        self.by_type.get(kind).map_or(&[], Vec::as_slice)
    }

    /// What the configuration says of a resource, by attribute, if it is there.
    fn expressions_of(&self, at: usize) -> Option<Value> {
        if self.configured.resources.is_empty() {
            return None;
        }
        {
            let last = self.last_expressions.borrow();
            if last.0 == at {
                return last.1.clone();
            }
        }
        let value = self.expressions_by_address(at);
        *self.last_expressions.borrow_mut() = (at, value.clone());
        value
    }

    fn expressions_by_address(&self, at: usize) -> Option<Value> {
        let plain = without_instances(self.address(at));
        if let Some(value) = self.expressions.borrow().get(&plain) {
            return value.clone();
        }
        let configured = self.configured.resources.get(&plain);
        let value = configured.map(|(_, raw)| value_of(*raw));
        let mut kept = self.expressions.borrow_mut();
        if kept.len() >= READ_MAX {
            kept.clear();
        }
        kept.insert(plain, value.clone());
        value
    }

    /// What the configuration says of an attribute.
    fn expressions_at(&self, at: usize, path: &str) -> Vec<Value> {
        let mut steps = vec![self.expressions_of(at).unwrap_or_default()];
        for name in path.split('.') {
            steps = steps
                .iter()
                .flat_map(|value| children(value, name))
                .collect();
        }
        steps.iter().flat_map(flat).collect()
    }

    /// The module of a resource, without instances.
    fn module_of(&self, at: usize) -> String {
        let resource = self.resources.get(at);
        resource
            .map(|resource| without_instances(resource.module()))
            .unwrap_or_default()
    }

    /// What an attribute refers to: addresses without instances.
    fn targets(&self, at: usize, path: &str) -> Vec<String> {
        let mut found = Vec::new();
        let module = self.module_of(at);
        for expression in self.expressions_at(at, path) {
            self.follow(&expression.get("references"), &module, &mut found, 0);
        }
        found
    }

    /// What an attribute refers to by way of a local value. A plan does not say what locals are made of, but of which attributes
    /// anything in it was made: the one of these that nothing refers to directly is what the local holds. Of several it is none.
    fn by_local(&self, at: usize, path: &str, kinds: &[&str]) -> Option<usize> {
        if self.configured.relevant.is_empty() {
            return None;
        }
        let is_local = |text: &Value| text.as_text().is_some_and(|it| it.starts_with("local."));
        let expressions = self.expressions_at(at, path);
        let mut references = expressions.iter().map(|it| it.get("references"));
        if !references.any(|references| references.items().iter().any(is_local)) {
            return None;
        }
        let direct = self.direct.get_or_init(|| self.direct_references());
        let module = self.module_of(at);
        let mut found = BTreeSet::new();
        for (address, attribute) in &self.configured.relevant {
            let plain = without_instances(address);
            let Some(rest) = plain.strip_prefix(&module) else {
                continue;
            };
            let kind = rest.split('.').next().unwrap_or_default();
            let name = attribute.items().first().map(ToString::to_string);
            let full = format!("{plain}.{}", name.unwrap_or_default());
            if kinds.contains(&kind) && !direct.contains(&full) {
                found.insert(plain);
            }
        }
        match (found.pop_first(), found.is_empty()) {
            (Some(only), true) => self.instance(at, &only, None),
            _ => None,
        }
    }

    fn follow(&self, references: &Value, module: &str, found: &mut Vec<String>, hops: usize) {
        if hops > HOPS_MAX {
            self.be_cut(&format!(
                "a reference leads through more than {HOPS_MAX} modules"
            ));
            return;
        }
        for reference in references.items().iter().filter_map(Value::as_text) {
            let mut steps = reference.splitn(4, '.');
            match (steps.next(), steps.next(), steps.next()) {
                (Some("var"), Some(name), _) => {
                    let Some(raw) = self.configured.inputs.get(module) else {
                        continue;
                    };
                    let input = value_of(Some(raw)).get(name);
                    self.follow(&input.get("references"), outer(module), found, hops + 1);
                }
                (Some("module"), Some(name), Some(output)) => {
                    let inner = format!("{module}module.{}.", without_instances(name));
                    let key = format!("{inner}{}", without_instances(output));
                    let raw = self.configured.outputs.get(&key).copied();
                    let expression = value_of(raw);
                    self.follow(&expression.get("references"), &inner, found, hops + 1);
                }
                (Some("each" | "count" | "local" | "data" | "path" | "terraform" | "self"), ..) => {
                }
                _ => found.push(format!("{module}{reference}")),
            }
        }
    }

    /// What a path of attributes leads to.
    fn at_path(&self, at: usize, path: &str) -> Value {
        let mut steps = path.split('.');
        let first = steps.next().unwrap_or_default();
        steps.fold(self.attribute(at, first), |value, name| value.get(name))
    }

    /// Whether an attribute refers to what neither the plan nor the configuration names.
    pub(crate) fn is_reference_unknown(&self, at: usize, path: &str) -> bool {
        let is_found = |target: &String| self.instance(at, target, None).is_some();
        self.at_path(at, path) == Value::Unknown && !self.targets(at, path).iter().any(is_found)
    }

    /// The resource that an attribute refers to, of one of the types.
    pub(crate) fn reference(&self, at: usize, path: &str, kinds: &[&str]) -> Option<usize> {
        let value = self.at_path(at, path);
        let fits = |found: &usize| kinds.contains(&self.kind(*found));
        let named = value.single_text();
        if let Some(text) = &named {
            let addressed = self.addressed(text).filter(fits);
            let found = addressed.or_else(|| self.instance(at, text, None).filter(fits));
            if found.is_some() {
                return found;
            }
        }
        self.targets(at, path)
            .iter()
            .filter_map(|target| self.instance(at, target, named.as_deref()))
            .find(fits)
            .or_else(|| self.named(&named?, kinds))
            .or_else(|| self.by_local(at, path, kinds))
    }

    /// The resource whose address a text begins with.
    fn addressed(&self, text: &str) -> Option<usize> {
        let mut end = text.len();
        // The address is all but the last attributes: `aws_x.y["k"].id`.
        for _ in 0..4 {
            if let Some(at) = self.by_address.get(text.get(..end)?) {
                return Some(*at);
            }
            end = text.get(..end)?.rfind('.')?;
        }
        None
    }

    /// The resource that one of the types has by this name.
    fn named(&self, name: &str, kinds: &[&str]) -> Option<usize> {
        if name.is_empty() {
            return None;
        }
        kinds
            .iter()
            .find_map(|kind| self.names_of(kind).get(name).copied())
    }

    /// The resources of a type by their names; of several with one name the first.
    fn names_of(&self, kind: &str) -> Rc<NameIndex> {
        if let Some(index) = self.by_name.borrow().get(kind) {
            return index.clone();
        }
        let mut index = NameIndex::new();
        for at in self.all_of(kind) {
            for key in NAMES {
                if let Value::Text(name) = self.attribute(*at, key) {
                    index.entry(name).or_insert(*at);
                }
            }
        }
        let index = Rc::new(index);
        self.by_name
            .borrow_mut()
            .insert(kind.to_owned(), index.clone());
        index
    }

    /// The instances of a configured resource.
    fn instances(&self, plain: &str) -> &[usize] {
        let index = self.by_plain.get_or_init(|| {
            let mut index: HashMap<String, Vec<usize>> = HashMap::new();
            for (at, resource) in self.resources.iter().enumerate() {
                let plain = without_instances(&resource.address);
                index.entry(plain).or_default().push(at);
            }
            index
        });
        index.get(plain).map_or(&[], Vec::as_slice)
    }

    /// The instances of a configured resource that a reference from another one may mean: those of its own module, if there are any.
    fn candidates(&self, from: usize, plain: &str) -> Vec<usize> {
        let mut candidates = self.instances(plain).to_vec();
        let module = self.resources.get(from).map_or("", Resource::module);
        let in_module = |at: &usize| {
            self.resources
                .get(*at)
                .is_some_and(|r| r.module() == module)
        };
        if candidates.iter().any(in_module) {
            candidates.retain(in_module);
        }
        candidates
    }

    /// The instance of a configured resource that a reference from another one means.
    fn instance(&self, from: usize, target: &str, named: Option<&str>) -> Option<usize> {
        let plain = plain_address(target)?;
        let candidates = self.candidates(from, &plain);
        if let [only] = *candidates {
            return Some(only);
        }
        let mine = key_of(self.address(from));
        let same_key = |at: &&usize| !mine.is_empty() && key_of(self.address(**at)) == mine;
        if let Some(at) = candidates.iter().find(same_key) {
            return Some(*at);
        }
        let by_name = |at: &&usize| {
            NAMES.iter().any(|key| {
                let value = self.attribute(**at, key);
                value.as_text().is_some() && value.as_text() == named
            })
        };
        if let Some(at) = candidates.iter().find(by_name) {
            return Some(*at);
        }
        let letters = |text: &str| {
            text.chars()
                .filter(char::is_ascii_alphanumeric)
                .map(|c| c.to_ascii_lowercase())
                .collect::<String>()
        };
        // A resource for each of another's instances often carries its key within its own.
        let wide = letters(mine);
        let contained = candidates
            .iter()
            .filter(|at| {
                let key = letters(key_of(self.address(**at)));
                !key.is_empty() && wide.contains(&key)
            })
            .max_by_key(|at| self.address(**at).len());
        contained.or_else(|| candidates.first()).copied()
    }

    /// The resources of a type that refer to one by an attribute.
    pub(crate) fn referring(&self, to: usize, kind: &str, path: &str) -> Rc<[usize]> {
        let key = (kind.to_owned(), format!("{path}>{}", self.kind(to)));
        let known = self.reverse.borrow().get(&key).cloned();
        let index = known.unwrap_or_else(|| {
            let index = Rc::new(self.reverse_index(kind, path, self.kind(to)));
            self.reverse.borrow_mut().insert(key, index.clone());
            index
        });
        index.get(&to).cloned().unwrap_or_else(|| Rc::from([]))
    }

    fn reverse_index(&self, kind: &str, path: &str, to: &str) -> ReverseIndex {
        let mut index: HashMap<usize, Vec<usize>> = HashMap::new();
        for from in self.all_of(kind) {
            let mut found: BTreeSet<usize> = self
                .targets(*from, path)
                .iter()
                .filter_map(|target| self.instance(*from, target, None))
                .filter(|at| self.kind(*at) == to)
                .collect();
            if found.is_empty() {
                found.extend(self.reference(*from, path, &[to]));
            }
            for at in found {
                index.entry(at).or_default().push(*from);
            }
        }
        index
            .into_iter()
            .map(|(to, from)| (to, from.into()))
            .collect()
    }
}

impl Value {
    /// As a text, or the first text of a list.
    fn single_text(&self) -> Option<Rc<str>> {
        match self {
            Self::Text(text) => Some(text.clone()),
            Self::List(items) => items.first().and_then(Self::single_text),
            _ => None,
        }
    }
}

/// What a value, or each of several, has by a name.
fn children(value: &Value, name: &str) -> Vec<Value> {
    match value {
        Value::List(items) => items.iter().flat_map(|item| children(item, name)).collect(),
        Value::Map(_) => match value.get(name) {
            Value::Null => Vec::new(),
            found => vec![found],
        },
        _ => Vec::new(),
    }
}

fn flat(value: &Value) -> Vec<Value> {
    match value {
        Value::List(items) => items.iter().flat_map(flat).collect(),
        _ => vec![value.clone()],
    }
}

/// The module that calls another.
fn outer(module: &str) -> &str {
    let inner = module.trim_end_matches('.');
    inner
        .rfind("module.")
        .and_then(|at| module.get(..at))
        .unwrap_or_default()
}

/// The key of the last instance in an address, with its brackets.
fn key_of(address: &str) -> &str {
    if !address.ends_with(']') {
        return "";
    }
    let plain = without_instances(address);
    let name = plain.rsplit('.').next().unwrap_or_default();
    address
        .rfind(&format!("{name}["))
        .and_then(|at| address.get(at + name.len()..))
        .unwrap_or_default()
}

/// The address of a resource in a reference to one of its attributes, without instances.
fn plain_address(reference: &str) -> Option<String> {
    let plain = without_instances(reference);
    let mut steps = plain.split('.');
    let mut address = String::new();
    loop {
        let step = steps.next()?;
        if step == "module" {
            address.push_str("module.");
            address.push_str(steps.next()?);
            address.push('.');
            continue;
        }
        address.push_str(step);
        address.push('.');
        address.push_str(steps.next()?);
        return Some(address);
    }
}
