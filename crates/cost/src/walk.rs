//! One resource through its mapping: from attributes to components with prices.

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

use rust_decimal::Decimal;

use crate::estimate::{Cost, Settings, State, reason};
use crate::evaluate::{Asked, Evaluator};
use crate::mapping::MappingError;
use crate::mapping::body::{Component, Head, Item, Kind};
use crate::mapping::expression::Expression;
use crate::mapping::names::Name;
use crate::price::tables::part_of;
use crate::price::{Answer, COMPONENT, COMPONENT_NAME, COMPONENT_UNIT, Found, PART, Question};
use crate::value::Value;

/// Templates use templates at most this deep.
const USES_MAX: usize = 16;
/// A resource has at most this many components.
const COMPONENTS_MAX: usize = 10_000;
/// How many answers of a book are kept at a time.
const ANSWERS_MAX: usize = 16_384;
/// What costs as much a month is a mistake; below it, sums of all there can be have room in a decimal.
const MONTHLY_MAX: Decimal = Decimal::from_parts(2_808_348_672, 232_830_643, 0, false, 0);

/// What became of a resource.
#[derive(Clone, Debug)]
pub(crate) enum Outcome {
    /// Nothing is paid for it.
    Free,
    /// What is paid for it is not known, and why.
    Unsupported(String),
    /// It has components.
    Components {
        /// Them.
        components: Vec<Cost>,
        /// Where it is.
        region: String,
    },
}

/// What holds for everything below an item.
#[derive(Clone, Default)]
struct Context {
    path: Vec<String>,
    /// Types whose prices count, the nearest first.
    types: Vec<String>,
    /// Attributes that tell prices apart.
    dims: Vec<(String, String)>,
    uses: usize,
}

/// A product of a catalogue.
#[derive(Default)]
struct Product<'c> {
    service: &'c str,
    family: Option<&'c str>,
    attributes: Vec<(&'c str, String)>,
}

fn texts(pairs: &[(String, String)]) -> impl Iterator<Item = (&str, &str)> {
    pairs
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
}

/// An answer of the book: the price, or why there is none.
type Priced = Result<Arc<Found>, Arc<str>>;

fn named<'p>(pairs: &'p [(&'p str, String)]) -> impl Iterator<Item = (&'p str, &'p str)> {
    pairs.iter().map(|(name, value)| (*name, value.as_str()))
}

/// The prices of one estimate: what was asked before is not looked for again.
pub(crate) struct Prices<'s> {
    settings: &'s Settings<'s>,
    answers: RefCell<HashMap<String, Priced>>,
    /// The key of the question at hand: its room is used again.
    key: RefCell<String>,
}

impl<'s> Prices<'s> {
    pub(crate) fn new(settings: &'s Settings<'s>) -> Self {
        Self {
            settings,
            answers: RefCell::default(),
            key: RefCell::default(),
        }
    }

    /// The price, by a factor where there is one, or what was looked for.
    fn ask(&self, question: &Question<'_>, factor: Option<Decimal>) -> Priced {
        let mut key = self.key.borrow_mut();
        key.clear();
        let family = question.family.unwrap_or_default();
        for text in [question.service, family, question.region] {
            key.push_str(text);
            key.push('\n');
        }
        key.push(if question.elsewhere { 'y' } else { 'n' });
        for (name, value) in &question.attributes {
            for text in [name, "=", value, "\n"] {
                key.push_str(text);
            }
        }
        if let Some(factor) = factor {
            key.push_str(&factor.to_string());
        }
        if let Some(answer) = self.answers.borrow().get(&*key) {
            return answer.clone();
        }
        let answer = match self.settings.book.ask(question) {
            Answer::Found(mut found) => {
                let factored = factor.and_then(|factor| found.price.checked_mul(factor));
                found.price = factored.unwrap_or(found.price);
                Ok(Arc::new(found))
            }
            Answer::Nothing => Err(nothing(question).into()),
            Answer::Ambiguous(prices) => Err(ambiguous(question, &prices).into()),
        };
        let mut answers = self.answers.borrow_mut();
        if answers.len() >= ANSWERS_MAX {
            answers.clear();
        }
        answers.insert(key.clone(), answer.clone());
        answer
    }
}

/// What is known of a product, where it has a value.
fn shown(attributes: &[(&str, &str)]) -> String {
    let pairs: Vec<String> = attributes
        .iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    pairs.join(";")
}

fn nothing(question: &Question<'_>) -> String {
    format!(
        "no price for {} in {}: {}",
        question.service,
        place(question.region),
        shown(&question.attributes)
    )
}

fn ambiguous(question: &Question<'_>, prices: &[Decimal]) -> String {
    let all: Vec<String> = prices.iter().map(ToString::to_string).collect();
    format!(
        "{} prices ({}) for {} in {}, and nothing tells them apart: {}",
        prices.len(),
        all.join(", "),
        question.service,
        place(question.region),
        shown(&question.attributes)
    )
}

/// Walks one resource through its mapping.
pub(crate) struct Walk<'a, 'p, 't> {
    evaluator: Evaluator<'a, 'p, 't>,
    prices: &'a Prices<'a>,
    settings: &'a Settings<'a>,
    region: String,
    found: Vec<Cost>,
}

impl<'a, 'p, 't> Walk<'a, 'p, 't> {
    pub(crate) fn new(evaluator: Evaluator<'a, 'p, 't>, prices: &'a Prices<'a>) -> Self {
        Self {
            evaluator,
            prices,
            settings: prices.settings,
            region: String::new(),
            found: Vec::new(),
        }
    }

    pub(crate) fn resource(mut self) -> Result<Outcome, MappingError> {
        let mapping = self.evaluator.mapping;
        let kind = self.evaluator.world.kind(self.evaluator.at).to_owned();
        let Some(body) = mapping.body(&kind) else {
            return Ok(if mapping.is_free(&kind) {
                Outcome::Free
            } else {
                Outcome::Unsupported(String::new())
            });
        };
        let body = body?;
        if body.items.is_empty() {
            return Ok(Outcome::Free);
        }
        let known = mapping.known;
        let address = self.evaluator.world.address(self.evaluator.at).to_owned();
        let used = self.evaluator.usage.of(&address, &kind);
        self.evaluator.bind(known.usage, used);
        self.evaluator.bind(known.resource_type, Value::text(&kind));
        self.evaluator
            .bind(known.resource_address, Value::text(&address));
        self.evaluator
            .bind(known.dev_test, Value::Bool(self.settings.dev_test));
        self.place(&kind)?;
        self.lets(&body.head.lets);
        if let Some(region) = &body.region {
            let region = self.evaluator.value(region).to_string();
            self.be_in(&region);
        }
        if body
            .head
            .when
            .as_ref()
            .is_some_and(|when| !self.evaluator.is_true(when))
        {
            return Ok(Outcome::Free);
        }
        let refused = body
            .unsupported
            .as_ref()
            .map(|refused| self.evaluator.value(refused))
            .filter(Value::is_true);
        if let Some(refused) = refused {
            let reason = refused
                .as_text()
                .unwrap_or("this combination of attributes has no price list");
            return Ok(Outcome::Unsupported(reason.to_owned()));
        }
        let mut context = Context {
            types: vec![kind],
            ..Context::default()
        };
        self.dims(&body.head, &mut context);
        self.items(&body.items, &context)?;
        if self.found.is_empty() {
            return Ok(Outcome::Free);
        }
        Ok(Outcome::Components {
            components: self.found,
            region: self.region,
        })
    }

    /// Where the resource is, as its provider says.
    fn place(&mut self, kind: &str) -> Result<(), MappingError> {
        let provider = kind.split('_').next().unwrap_or_default();
        let mut region = String::new();
        if let Some(body) = self.evaluator.mapping.provider(provider) {
            let body = body?;
            let mark = self.evaluator.mark();
            self.lets(&body.head.lets);
            if let Some(expression) = &body.region {
                region = self.evaluator.value(expression).to_string();
            }
            self.evaluator.reset(mark);
        }
        self.be_in(&region);
        Ok(())
    }

    fn be_in(&mut self, region: &str) {
        let region = self.settings.region.unwrap_or(region);
        region.clone_into(&mut self.region);
        let name = self.evaluator.mapping.known.region;
        let value = if region.is_empty() {
            Value::Null
        } else {
            Value::text(region)
        };
        self.evaluator.bind(name, value);
    }

    fn lets(&mut self, lets: &[(Name, Expression)]) {
        for (name, expression) in lets {
            self.evaluator.bind_expression(*name, expression);
        }
    }

    fn dims(&mut self, head: &Head, context: &mut Context) {
        for (name, text) in &head.dims {
            let value = self.evaluator.text(text);
            match context.dims.iter_mut().find(|(known, _)| known == name) {
                Some((_, known)) => *known = value,
                None => context.dims.push((name.clone(), value)),
            }
        }
        if let Some(kind) = &head.as_type
            && !context.types.contains(kind)
        {
            context.types.push(kind.clone());
        }
    }

    fn items(&mut self, items: &[Item], context: &Context) -> Result<(), MappingError> {
        for item in items {
            let mark = self.evaluator.mark();
            let subject = self.evaluator.subject.clone();
            if let Some(on) = &item.head.on {
                self.evaluator.subject = self.evaluator.value(on);
            }
            match &item.head.each {
                None => self.item(item, context)?,
                Some(each) => {
                    let list = match self.evaluator.value(each) {
                        Value::List(list) => list,
                        Value::Null | Value::Unknown => std::rc::Rc::from([]),
                        one => std::rc::Rc::from([one]),
                    };
                    let known = self.evaluator.mapping.known;
                    for (at, one) in list.iter().enumerate() {
                        let inner = self.evaluator.mark();
                        self.evaluator.bind(known.it, one.clone());
                        self.evaluator.bind(known.i, Value::Number(at.into()));
                        self.item(item, context)?;
                        self.evaluator.reset(inner);
                    }
                }
            }
            self.evaluator.subject = subject;
            self.evaluator.reset(mark);
        }
        Ok(())
    }

    fn item(&mut self, item: &Item, context: &Context) -> Result<(), MappingError> {
        let mark = self.evaluator.mark();
        self.lets(&item.head.lets);
        let holds = item
            .head
            .when
            .as_ref()
            .is_none_or(|when| self.evaluator.is_true(when));
        if holds {
            let mut context = Cow::Borrowed(context);
            if !item.head.dims.is_empty() || item.head.as_type.is_some() {
                self.dims(&item.head, context.to_mut());
            }
            match &item.kind {
                Kind::Component(component) => self.component(component, &context),
                Kind::Group(items) => self.items(items, &context)?,
                Kind::Part(name, items) => {
                    let name = self.evaluator.text(name);
                    context.to_mut().path.push(name);
                    self.items(items, &context)?;
                }
                Kind::Use(template, with) => self.template(template, with, context.into_owned())?,
            }
        }
        self.evaluator.reset(mark);
        Ok(())
    }

    fn template(
        &mut self,
        name: &str,
        with: &[(Name, Expression)],
        mut context: Context,
    ) -> Result<(), MappingError> {
        let Some(body) = self.evaluator.mapping.template(name) else {
            return Ok(());
        };
        let body = body?;
        context.uses += 1;
        if context.uses > USES_MAX {
            return Ok(());
        }
        // All are evaluated before any is bound: what is given does not see what is given beside it.
        let given: Vec<(Name, Value, Asked)> = with
            .iter()
            .map(|(name, expression)| {
                let (value, asked) = self.evaluator.noted(expression);
                (*name, value, asked)
            })
            .collect();
        for (name, value, asked) in given {
            self.evaluator.bind_noted(name, value, asked);
        }
        self.lets(&body.head.lets);
        if body
            .head
            .when
            .as_ref()
            .is_some_and(|when| !self.evaluator.is_true(when))
        {
            return Ok(());
        }
        self.dims(&body.head, &mut context);
        self.items(&body.items, &context)
    }

    fn component(&mut self, component: &Component, context: &Context) {
        if self.found.len() >= COMPONENTS_MAX {
            return;
        }
        let (quantity, asked) = self.evaluator.noted(&component.quantity);
        let amount = quantity
            .number()
            .filter(|amount| !amount.is_sign_negative());
        if component.steps.is_empty() {
            self.line(component, context, amount, &asked);
            return;
        }
        let mut rest = amount;
        let mut is_first = true;
        for step in &component.steps {
            let taken = rest.map(|rest| step.width.map_or(rest, |width| rest.min(width)));
            rest = rest.zip(taken).map(|(rest, taken)| rest - taken);
            let Some(name) = &step.name else { continue };
            let shown = match taken {
                Some(taken) => is_first || !taken.is_zero(),
                None => is_first || component.every,
            };
            if shown {
                let mark = self.evaluator.mark();
                let tier = self.evaluator.mapping.known.tier;
                self.evaluator.bind(tier, Value::text(name));
                self.line(component, context, taken, &asked);
                self.evaluator.reset(mark);
            }
            is_first = false;
        }
    }

    fn line(
        &mut self,
        component: &Component,
        context: &Context,
        quantity: Option<Decimal>,
        asked: &Asked,
    ) {
        // Nothing of something is nothing to pay.
        if quantity.is_some_and(|quantity| quantity.is_zero()) {
            return;
        }
        let name = self.evaluator.text(&component.name);
        let unit = self.evaluator.text(&component.unit);
        let place = match &component.region {
            Some(region) => self.evaluator.text(region),
            None => self.region.clone(),
        };
        let (price, looked_for) = self.price(component, context, (&name, &unit), &place);
        let (mut state, mut reason_text) = reason(asked);
        let mut monthly = None;
        match (quantity, &price) {
            (Some(quantity), Some(found)) => {
                monthly = quantity
                    .checked_mul(found.price)
                    .filter(|monthly| *monthly < MONTHLY_MAX);
                if monthly.is_some() {
                    state = State::Priced;
                    reason_text = String::new();
                } else {
                    state = State::DependsOnUsage;
                    reason_text = format!("{quantity} {unit} is more than anything can be");
                }
            }
            (_, None) => {
                state = State::PriceNotFound;
                reason_text = looked_for;
            }
            (None, Some(_)) => {}
        }
        self.found.push(Cost {
            path: context.path.clone(),
            name,
            unit,
            quantity,
            price,
            monthly,
            monthly_low: None,
            usage_based: asked.usage,
            state,
            reason: reason_text,
        });
    }

    /// The product of a catalogue that a component is, or why it cannot be named yet.
    fn product<'c>(&mut self, component: &'c Component) -> Result<Product<'c>, String> {
        let mut product = Product::default();
        let Some(query) = &component.price else {
            return Ok(product);
        };
        product.service = &query.service;
        product.family = query.family.as_deref();
        for (key, text) in &query.attributes {
            let (value, asked) = self.evaluator.noted_text(text);
            if value.is_empty() && !asked.unknown.is_empty() {
                let needed = asked.unknown.join(", ");
                return Err(format!("the price needs {needed}, known after apply"));
            }
            product.attributes.push((key, value));
        }
        Ok(product)
    }

    /// The price of a component: of the product in a catalogue, or by its text; and what was looked for.
    fn price(
        &mut self,
        component: &Component,
        context: &Context,
        (name, unit): (&str, &str),
        region: &str,
    ) -> (Option<Arc<Found>>, String) {
        let product = match self.product(component) {
            Ok(product) => product,
            Err(reason) => return (None, reason),
        };
        let mut number = |expression: &Option<Expression>| {
            let expression = expression.as_ref()?;
            self.evaluator.value(expression).number()
        };
        // A usage file may say it, and nobody is paid for what they use.
        let rate = number(&component.rate).filter(|rate| !rate.is_sign_negative());
        if let Some(rate) = rate {
            return (Some(Arc::new(given(rate))), String::new());
        }
        let factor = number(&component.factor);
        let region = region.to_lowercase();
        let part = part_of(&context.path.join("/"));
        let mut by_text = vec![
            (COMPONENT_NAME, name),
            (COMPONENT_UNIT, unit),
            (PART, part.as_str()),
        ];
        by_text.extend(texts(&context.dims));
        let question = |service, family, attributes, elsewhere| Question {
            service,
            family,
            region: &region,
            attributes,
            date: self.settings.date,
            elsewhere,
        };
        let (service, family) = (product.service, product.family);
        let mut found: Option<Priced> = None;
        if !service.is_empty() {
            let attributes = named(&product.attributes).collect();
            let asked = question(service, family, attributes, false);
            found = Some(self.prices.ask(&asked, factor));
        }
        for kind in &context.types {
            if matches!(found, Some(Ok(_))) {
                break;
            }
            let elsewhere = self.settings.elsewhere;
            let asked = question(kind, Some(COMPONENT), by_text.clone(), elsewhere);
            found = Some(self.prices.ask(&asked, None));
        }
        let (mut found, looked_for) = match found {
            Some(Ok(found)) => (Some(found), String::new()),
            Some(Err(looked_for)) => (None, looked_for.to_string()),
            None => (None, String::new()),
        };
        if let Some(overlay) = self.settings.overlay {
            let mut names: Vec<&str> = context.types.iter().map(String::as_str).collect();
            names.push(service);
            by_text.extend(named(&product.attributes));
            let asked = question(service, family, by_text, false);
            let listed = found.map(Arc::unwrap_or_clone);
            found = overlay.apply(&asked, &names, listed).map(Arc::new);
        }
        (found, looked_for)
    }
}

fn place(region: &str) -> &str {
    if region.is_empty() {
        "an unknown region"
    } else {
        region
    }
}

/// A price that the mapping or the usage names itself.
fn given(rate: Decimal) -> Found {
    Found {
        price: rate,
        currency: "USD".to_owned(),
        quality: crate::price::Quality::Listed,
        source: "the mapping".to_owned(),
        effective_from: 0,
        row: u32::MAX,
        chosen: false,
    }
}
