//! What every name means.
//!
//! After this step a name is a local variable that is unlike every rule of its package and every other variable of its rule, or a
//! reference that begins with `data` or `input`, or a builtin. Imports are gone. So the engine cannot take a comprehension's variable
//! for a rule of the same name, nor fail to find the rule that `with` replaces.
//!
//! On the way, calls that write into their last argument (`f(x, y)` for `y = f(x)`) become what they mean, arguments of functions
//! that are more than patterns become conditions, and strings with expressions become calls.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    ast::{Kind, Line, Module, Otherwise, Part, Place, Rule, Statement, Term},
    names::{self, Names, Path},
    signatures,
};

/// The function that puts a string with expressions together.
pub(crate) const TEMPLATE: &str = "internal.template_string";

/// What a name that means nothing is: where, and which.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Unknown {
    pub(crate) at: Place,
    pub(crate) name: String,
    pub(crate) message: String,
    pub(crate) next: &'static str,
}

/// What resolving found beside the tree.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) unknown: Vec<Unknown>,
    /// Builtins that are called, with the first place.
    pub(crate) builtins: BTreeMap<String, Place>,
    /// Builtins that `with` replaces or puts in a function's place.
    pub(crate) mocked: BTreeSet<String>,
}

/// Resolves a file's rules in place.
pub(crate) fn module(module: &mut Module, names: &Names, found: &mut Found) {
    let mut imports = BTreeMap::new();
    for import in &module.imports {
        imports.insert(import.alias.clone(), import.path.clone());
    }
    let package = module.package.clone();
    for rule in &mut module.rules {
        let mut resolver = Resolver::new(names, &package, &imports, found);
        resolver.rule(rule);
    }
}

/// Resolves a question. Its variables keep their names.
pub(crate) fn query(body: &mut [Statement], names: &Names, found: &mut Found) {
    let imports = BTreeMap::new();
    let mut resolver = Resolver::new(names, &[], &imports, found);
    resolver.scopes.push(BTreeMap::new());
    resolver.body(body);
}

struct Resolver<'a> {
    names: &'a Names,
    package: &'a [String],
    imports: &'a BTreeMap<String, Path>,
    found: &'a mut Found,
    /// From a variable's name to the one it is given, the innermost scope last.
    scopes: Vec<BTreeMap<String, String>>,
    /// Names given in this rule.
    given: BTreeSet<String>,
}

impl<'a> Resolver<'a> {
    fn new(
        names: &'a Names,
        package: &'a [String],
        imports: &'a BTreeMap<String, Path>,
        found: &'a mut Found,
    ) -> Self {
        Self {
            names,
            package,
            imports,
            found,
            scopes: vec![BTreeMap::new()],
            given: BTreeSet::new(),
        }
    }

    /// Gives a variable a name of its own in the innermost scope.
    fn declare(&mut self, name: &str) -> String {
        if name == "_" {
            return name.to_owned();
        }
        if let Some(known) = self.scopes.last().and_then(|scope| scope.get(name)) {
            return known.clone();
        }
        let given = self.give(name);
        if let Some(scope) = self.scopes.last_mut() {
            scope.insert(name.to_owned(), given.clone());
        }
        given
    }

    fn give(&mut self, name: &str) -> String {
        let free = |it: &str, this: &Self| {
            names::is_plain(it)
                && !matches!(it, "data" | "input")
                && !this.given.contains(it)
                && !this.names.has(this.package, it)
        };
        let mut given = name.to_owned();
        let mut number = 1;
        while !free(&given, self) {
            given = format!("{}__{number}", names::plain(name));
            number += 1;
        }
        self.given.insert(given.clone());
        given
    }

    fn fresh(&mut self, at: Place) -> Term {
        let name = self.give("it__0");
        if let Some(scope) = self.scopes.last_mut() {
            scope.insert(name.clone(), name.clone());
        }
        Term::var(at, name)
    }

    fn known(&self, name: &str) -> Option<&String> {
        self.scopes.iter().rev().find_map(|scope| scope.get(name))
    }

    /// Where a name leads that is no variable.
    fn global(&self, name: &str) -> Option<(&'static str, Path)> {
        if self.names.has(self.package, name) {
            let mut path = self.package.to_vec();
            path.push(name.to_owned());
            return Some(("data", path));
        }
        if let Some(path) = self.imports.get(name) {
            let root = if path.first().is_some_and(|it| it == "input") {
                "input"
            } else {
                "data"
            };
            return Some((root, path.iter().skip(1).cloned().collect()));
        }
        None
    }

    fn rule(&mut self, rule: &mut Rule) {
        let mut before = Vec::new();
        if let Some(args) = &mut rule.args {
            for arg in args.iter_mut() {
                self.argument(arg, &mut before);
            }
        }
        self.scopes.push(BTreeMap::new());
        if let Some(body) = &mut rule.body {
            self.body(body);
        }
        for term in rule
            .steps
            .iter_mut()
            .chain(&mut rule.contains)
            .chain(&mut rule.value)
        {
            self.term(term);
        }
        self.scopes.pop();
        if !before.is_empty() {
            let body = rule.body.get_or_insert_default();
            body.splice(0..0, before.iter().cloned());
        }
        for Otherwise { value, body, .. } in &mut rule.otherwise {
            self.scopes.push(BTreeMap::new());
            if let Some(body) = body {
                self.body(body);
            }
            if let Some(value) = value {
                self.term(value);
            }
            self.scopes.pop();
            if !before.is_empty() {
                body.get_or_insert_default()
                    .splice(0..0, before.iter().cloned());
            }
        }
    }

    /// An argument is a pattern of variables and constants; what is more becomes a condition on a variable.
    fn argument(&mut self, arg: &mut Term, before: &mut Vec<Statement>) {
        match &mut arg.kind {
            Kind::Var(name) => *name = self.declare(name),
            Kind::Array(items) => items.iter_mut().for_each(|it| self.argument(it, before)),
            Kind::Object(members) => {
                for (key, value) in members {
                    self.term(key);
                    self.argument(value, before);
                }
            }
            Kind::Null | Kind::Bool(_) | Kind::Number(_) | Kind::Text(_) | Kind::Constant(_) => {}
            _ => {
                let mut pattern = arg.clone();
                let variable = self.fresh(arg.at);
                self.term(&mut pattern);
                let equal = Term::new(arg.at, Kind::Unify(Box::new((variable.clone(), pattern))));
                before.push(Statement::new(arg.at, Line::Is(equal)));
                *arg = variable;
            }
        }
    }

    fn body(&mut self, body: &mut [Statement]) {
        for statement in body {
            self.statement(statement);
        }
    }

    fn statement(&mut self, statement: &mut Statement) {
        for (target, value) in &mut statement.with {
            self.replaced(target, value);
        }
        match &mut statement.kind {
            Line::Is(term) => {
                self.writes_last(term);
                if let Kind::Assign(sides) = &mut term.kind {
                    let (left, right) = sides.as_mut();
                    self.term(right);
                    self.pattern(left);
                } else {
                    self.term(term);
                }
            }
            Line::Not(term) => {
                self.writes_last(term);
                if let Kind::Unify(sides) = &mut term.kind
                    && matches!(sides.1.kind, Kind::Call(..))
                    && sides.1.at == term.at
                {
                    let sides = std::mem::replace(
                        sides,
                        Box::new((Term::var(term.at, "_"), Term::var(term.at, "_"))),
                    );
                    term.kind = Kind::Returns(sides);
                }
                self.term(term);
            }
            Line::Some(variables) => {
                for (_, name) in variables {
                    *name = self.declare(name);
                }
            }
            Line::SomeIn {
                key,
                value,
                collection,
            } => {
                self.term(collection);
                for pattern in key.iter_mut().chain([value]) {
                    self.pattern(pattern);
                }
            }
            Line::Every {
                key,
                value,
                domain,
                body,
            } => {
                self.term(domain);
                self.scopes.push(BTreeMap::new());
                if let Some(key) = key {
                    *key = self.declare(key);
                }
                *value = self.declare(value);
                self.scopes.push(BTreeMap::new());
                self.body(body);
                self.scopes.truncate(self.scopes.len().saturating_sub(2));
            }
        }
    }

    /// Variables on the left of `:=` and after `some` are new.
    fn pattern(&mut self, pattern: &mut Term) {
        match &mut pattern.kind {
            Kind::Var(name) => *name = self.declare(name),
            Kind::Array(items) => items.iter_mut().for_each(|it| self.pattern(it)),
            Kind::Object(members) => {
                for (key, value) in members {
                    self.term(key);
                    self.pattern(value);
                }
            }
            _ => self.term(pattern),
        }
    }

    /// `f(x, y)` where `f` takes one argument is `y = f(x)`.
    fn writes_last(&mut self, term: &mut Term) {
        let Kind::Call(function, args) = &mut term.kind else {
            return;
        };
        let Some(words) = function.words() else {
            return;
        };
        let arity = match self.function(&words) {
            Some(Function::Own(path)) => self.names.functions.get(&path).copied(),
            Some(Function::Builtin(name)) if name != "walk" => signatures::arity(&name),
            _ => None,
        };
        if arity.is_some_and(|arity| args.len() == arity + 1)
            && let Some(last) = args.pop()
        {
            let call = Term::new(term.at, std::mem::replace(&mut term.kind, Kind::Null));
            term.kind = Kind::Unify(Box::new((last, call)));
        }
    }

    fn function(&self, words: &[&str]) -> Option<Function> {
        let (first, rest) = words.split_first()?;
        let rest = || rest.iter().map(|it| (*it).to_owned());
        if *first == "data" {
            let path: Path = rest().collect();
            return self
                .names
                .functions
                .contains_key(&path)
                .then_some(Function::Own(path));
        }
        if let Some((_, mut path)) = self.global(first) {
            path.extend(rest());
            if self.names.functions.contains_key(&path) {
                return Some(Function::Own(path));
            }
        }
        let name = words.join(".");
        signatures::is_known(&name).then_some(Function::Builtin(name))
    }

    fn call(&mut self, at: Place, function: &mut Term, args: &mut [Term]) {
        let words = function.words();
        let target = words.as_ref().and_then(|words| self.function(words));
        match target {
            Some(Function::Own(path)) => {
                let arity = self.names.functions.get(&path).copied().unwrap_or_default();
                let name = format!("data.{}", path.join("."));
                self.check_arity(at, &name, arity, args.len());
                *function = Term::path(function.at, "data", &path);
            }
            Some(Function::Builtin(name)) => {
                if let Some(arity) = signatures::arity(&name) {
                    let written = if name == "walk" {
                        args.len().min(1)
                    } else {
                        args.len()
                    };
                    self.check_arity(at, &name, arity, written);
                }
                self.found.builtins.entry(name.clone()).or_insert(at);
                *function = Term::call(function.at, &name, Vec::new())
                    .called()
                    .unwrap_or_else(|| function.clone());
            }
            None => {
                let name = words.map_or_else(
                    || "what stands before the arguments".to_owned(),
                    |words| words.join("."),
                );
                let message = format!("{name} is no function");
                self.found.unknown.push(Unknown {
                    at,
                    name,
                    message,
                    next: "correct its name, or define it",
                });
            }
        }
        for it in args {
            self.term(it);
        }
    }

    fn check_arity(&mut self, at: Place, name: &str, arity: usize, written: usize) {
        if arity != written {
            let message = format!("{name} takes {arity} arguments and is given {written}");
            self.found.unknown.push(Unknown {
                at,
                name: name.to_owned(),
                message,
                next: "give it as many as it takes",
            });
        }
    }

    fn term(&mut self, term: &mut Term) {
        let at = term.at;
        match &mut term.kind {
            Kind::Null | Kind::Bool(_) | Kind::Number(_) | Kind::Text(_) | Kind::Constant(_) => {}
            Kind::Var(name) => {
                if let Some(path) = self.variable(name) {
                    *term = Term { at, ..path };
                }
            }
            Kind::Ref(head, steps) => {
                self.term(head);
                for it in steps.iter_mut() {
                    self.term(it);
                }
                if let Kind::Ref(..) = head.kind {
                    let tail = std::mem::take(steps);
                    let mut joined = std::mem::replace(head.as_mut(), Term::new(at, Kind::Null));
                    if let Kind::Ref(_, steps) = &mut joined.kind {
                        steps.extend(tail);
                    }
                    *term = joined;
                }
            }
            Kind::Call(function, args) => self.call(at, function, args),
            Kind::Array(items) | Kind::Set(items) => items.iter_mut().for_each(|it| self.term(it)),
            Kind::Object(members) => {
                for (key, value) in members {
                    self.term(key);
                    self.term(value);
                }
            }
            Kind::ArrayOf(head, body) | Kind::SetOf(head, body) => {
                self.comprehension(body, |this| this.term(head));
            }
            Kind::ObjectOf(pair, body) => self.comprehension(body, |this| {
                this.term(&mut pair.0);
                this.term(&mut pair.1);
            }),
            Kind::Binary(_, sides)
            | Kind::Unify(sides)
            | Kind::Assign(sides)
            | Kind::Returns(sides) => {
                self.term(&mut sides.0);
                self.term(&mut sides.1);
            }
            Kind::Member(key, sides) => {
                if let Some(key) = key {
                    self.term(key);
                }
                self.term(&mut sides.0);
                self.term(&mut sides.1);
            }
            Kind::Minus(inner) => self.term(inner),
            Kind::Template(parts) => {
                let parts = std::mem::take(parts);
                *term = self.template(at, parts);
            }
        }
    }

    fn comprehension(&mut self, body: &mut [Statement], head: impl FnOnce(&mut Self)) {
        self.scopes.push(BTreeMap::new());
        self.body(body);
        head(self);
        self.scopes.pop();
    }

    /// Names a variable, or says where a name leads that is none.
    fn variable(&mut self, name: &mut String) -> Option<Term> {
        if name == "_" {
            return None;
        }
        if let Some(known) = self.known(name) {
            name.clone_from(known);
            return None;
        }
        if matches!(name.as_str(), "data" | "input") {
            return None;
        }
        if let Some((root, path)) = self.global(name) {
            return Some(Term::path(Place::default(), root, &path));
        }
        // Not declared: the same variable wherever it stands in this rule.
        let given = if names::is_plain(name) && !self.given.contains(name.as_str()) {
            self.given.insert(name.clone());
            name.clone()
        } else {
            self.give(name)
        };
        if let Some(outermost) = self.scopes.first_mut() {
            outermost.insert(name.clone(), given.clone());
        }
        *name = given;
        None
    }

    /// Each expression becomes the set of its values: empty where it is undefined.
    fn template(&mut self, at: Place, parts: Vec<Part>) -> Term {
        let mut items = Vec::new();
        for part in parts {
            items.push(match part {
                Part::Text(text) => Term::text(at, text),
                Part::Value(statement) => {
                    let mut statement = *statement;
                    self.scopes.push(BTreeMap::new());
                    let variable = self.fresh(at);
                    if let Line::Is(value) = &mut statement.kind {
                        let value = std::mem::replace(value, Term::new(at, Kind::Null));
                        statement.kind = Line::Is(Term::new(
                            at,
                            Kind::Assign(Box::new((variable.clone(), value))),
                        ));
                    }
                    self.statement(&mut statement);
                    self.scopes.pop();
                    Term::new(at, Kind::SetOf(Box::new(variable), vec![statement]))
                }
            });
        }
        self.found.builtins.entry(TEMPLATE.to_owned()).or_insert(at);
        Term::call(at, TEMPLATE, vec![Term::new(at, Kind::Array(items))])
    }

    /// What `with` replaces, and by what.
    fn replaced(&mut self, target: &mut Term, value: &mut Term) {
        let function = target.words().and_then(|words| self.function(&words));
        match function {
            None => {
                self.target(target);
                self.term(value);
            }
            Some(function) => {
                *target = self.function_name(target.at, function);
                let by = value
                    .words()
                    .filter(|words| words.first().is_some_and(|it| self.known(it).is_none()));
                match by.and_then(|words| self.function(&words)) {
                    Some(by) => *value = self.function_name(value.at, by),
                    None => self.term(value),
                }
            }
        }
    }

    /// `input` and `data` there are the documents, even where a variable has that name.
    fn target(&mut self, target: &mut Term) {
        match &mut target.kind {
            Kind::Var(root) if matches!(root.as_str(), "input" | "data") => {}
            Kind::Ref(head, steps) if matches!(&head.kind, Kind::Var(root) if matches!(root.as_str(), "input" | "data")) => {
                for it in steps {
                    self.term(it);
                }
            }
            _ => self.term(target),
        }
    }

    fn function_name(&mut self, at: Place, function: Function) -> Term {
        match function {
            Function::Own(path) => Term::path(at, "data", &path),
            Function::Builtin(name) => {
                self.found.mocked.insert(name.clone());
                Term::call(at, &name, Vec::new())
                    .called()
                    .unwrap_or_else(|| Term::var(at, name))
            }
        }
    }
}

/// What is called.
enum Function {
    Own(Path),
    Builtin(String),
}

impl Term {
    /// The function of a call.
    fn called(self) -> Option<Self> {
        match self.kind {
            Kind::Call(function, _) => Some(*function),
            _ => None,
        }
    }
}
