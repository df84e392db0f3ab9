//! One resource through its mapping: from attributes to components with prices.

use std::borrow::Cow;
use std::sync::Arc;

use rust_decimal::Decimal;

use crate::estimate::{Cost, Settings, State, known_later, missing_usage};
use crate::evaluate::{Asked, Evaluator, Written};
use crate::mapping::MappingError;
use crate::mapping::body::{Component, Head, Item, Kind};
use crate::mapping::expression::Expression;
use crate::mapping::names::Name;
use crate::price::tables::part_of;
use crate::price::{COMPONENT, COMPONENT_NAME, COMPONENT_UNIT, Found, PART, Question};
use crate::value::Value;

mod prices;

use prices::Priced;
pub(crate) use prices::Prices;

/// Templates use templates at most this deep.
const USES_MAX: usize = 16;
/// A resource has at most this many components.
const COMPONENTS_MAX: usize = 10_000;
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
        /// Why these are not all, if they are not.
        cut: Option<String>,
    },
}

/// What holds for everything below an item.
#[derive(Clone, Default)]
struct Context {
    path: Vec<String>,
    /// Types whose prices count, the nearest first.
    types: Vec<String>,
    /// Attributes that tell prices apart.
    dims: Vec<(String, Written)>,
    uses: usize,
}

/// How much of a component there is.
struct Amount {
    quantity: Option<Decimal>,
    asked: Asked,
    /// It is known after apply.
    is_later: bool,
}

/// What one unit of a component costs.
enum Price {
    Found(Arc<Found>),
    /// The book has none: what was looked for.
    Missing(String),
    /// Which one it is, is known after apply.
    Later(Asked),
}

/// A product of a catalogue.
#[derive(Default)]
struct Product<'c> {
    service: &'c str,
    family: Option<&'c str>,
    attributes: Vec<(&'c str, String)>,
    /// The share of its price that is paid.
    factor: Option<Decimal>,
}

fn texts(pairs: &[(String, Written)]) -> impl Iterator<Item = (&str, &str)> {
    pairs
        .iter()
        .map(|(name, value)| (name.as_str(), value.text.as_str()))
}

fn named<'p>(pairs: &'p [(&'p str, String)]) -> impl Iterator<Item = (&'p str, &'p str)> {
    pairs.iter().map(|(name, value)| (*name, value.as_str()))
}

/// Walks one resource through its mapping.
pub(crate) struct Walk<'a, 'p, 't> {
    evaluator: Evaluator<'a, 'p, 't>,
    prices: &'a Prices<'a>,
    settings: &'a Settings<'a>,
    region: Written,
    found: Vec<Cost>,
    /// What has to become known before it is known whether what is found comes to be.
    doubt: Option<Asked>,
    /// A limit that was met, in words.
    cut: Option<String>,
}

impl<'a, 'p, 't> Walk<'a, 'p, 't> {
    pub(crate) fn new(evaluator: Evaluator<'a, 'p, 't>, prices: &'a Prices<'a>) -> Self {
        Self {
            evaluator,
            prices,
            settings: prices.settings,
            region: Written::default(),
            found: Vec::new(),
            doubt: None,
            cut: None,
        }
    }

    /// What becomes of the resource. What was not looked at to its end is not known, whatever was found before.
    pub(crate) fn resource(mut self) -> Result<Outcome, MappingError> {
        let outcome = self.outcome()?;
        let limit = self.cut.take().or(self.evaluator.take_cut());
        Ok(match (outcome, limit) {
            (Outcome::Free, Some(limit)) => Outcome::Unsupported(limit),
            (
                Outcome::Components {
                    components, region, ..
                },
                cut,
            ) => Outcome::Components {
                components,
                region,
                cut,
            },
            (outcome, _) => outcome,
        })
    }

    fn outcome(&mut self) -> Result<Outcome, MappingError> {
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
            let region = self.evaluator.noted(region);
            self.be_in(region);
        }
        if !self.enters(body.head.when.as_ref()) {
            return Ok(Outcome::Free);
        }
        if let Some(refused) = &body.unsupported
            && let (refused, asked) = self.evaluator.noted(refused)
        {
            match refused.truth() {
                Some(false) => {}
                Some(true) => {
                    let reason = refused.as_text();
                    let reason =
                        reason.unwrap_or("this combination of attributes has no price list");
                    return Ok(Outcome::Unsupported(reason.to_owned()));
                }
                None => self.doubt(&asked),
            }
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
            components: std::mem::take(&mut self.found),
            region: std::mem::take(&mut self.region.text),
            cut: None,
        })
    }

    /// Whether what a condition is for is gone into. Where that is known after apply it is, and may not come to be.
    fn enters(&mut self, when: Option<&Expression>) -> bool {
        let Some(when) = when else { return true };
        let (holds, asked) = self.evaluator.noted(when);
        holds.truth().unwrap_or_else(|| {
            self.doubt(&asked);
            true
        })
    }

    fn doubt(&mut self, asked: &Asked) {
        self.doubt.get_or_insert_default().add(asked);
    }

    fn be_cut(&mut self, limit: String) {
        self.cut.get_or_insert(limit);
    }

    /// Where the resource is, as its provider says.
    fn place(&mut self, kind: &str) -> Result<(), MappingError> {
        let provider = kind.split('_').next().unwrap_or_default();
        let mut region = (Value::Null, Asked::default());
        if let Some(body) = self.evaluator.mapping.provider(provider) {
            let body = body?;
            let mark = self.evaluator.mark();
            self.lets(&body.head.lets);
            if let Some(expression) = &body.region {
                region = self.evaluator.noted(expression);
            }
            self.evaluator.reset(mark);
        }
        self.be_in(region);
        Ok(())
    }

    fn be_in(&mut self, (region, asked): (Value, Asked)) {
        let region = self.settings.region.map_or(region, Value::text);
        let is_later = region == Value::Unknown;
        let text = region.to_string();
        let value = match &*text {
            "" if is_later => region,
            "" => Value::Null,
            text => Value::text(text),
        };
        let asked = if is_later { asked } else { Asked::default() };
        self.region = Written {
            text,
            later: is_later.then(|| asked.clone()),
            left: None,
        };
        let name = self.evaluator.mapping.known.region;
        self.evaluator.bind_noted(name, value, asked);
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
            let doubt = self.doubt.clone();
            if let Some(on) = &item.head.on {
                self.evaluator.subject = self.evaluator.value(on);
            }
            match &item.head.each {
                None => self.item(item, context)?,
                Some(each) => {
                    let (list, asked) = self.evaluator.noted(each);
                    let list = match list {
                        Value::List(list) => list,
                        Value::Null | Value::Left => std::rc::Rc::from([]),
                        one => std::rc::Rc::from([one]),
                    };
                    // How many there are is known after apply: one stands for all of them.
                    if list.contains(&Value::Unknown) {
                        self.doubt(&asked);
                    }
                    let known = self.evaluator.mapping.known;
                    for (at, one) in list.iter().enumerate() {
                        let inner = self.evaluator.mark();
                        let asked = one.has_later().then(|| asked.clone());
                        self.evaluator
                            .bind_noted(known.it, one.clone(), asked.unwrap_or_default());
                        self.evaluator.bind(known.i, Value::Number(at.into()));
                        self.item(item, context)?;
                        self.evaluator.reset(inner);
                    }
                }
            }
            self.evaluator.subject = subject;
            self.evaluator.reset(mark);
            self.doubt = doubt;
        }
        Ok(())
    }

    fn item(&mut self, item: &Item, context: &Context) -> Result<(), MappingError> {
        let mark = self.evaluator.mark();
        let doubt = self.doubt.clone();
        self.lets(&item.head.lets);
        if self.enters(item.head.when.as_ref()) {
            let mut context = Cow::Borrowed(context);
            if !item.head.dims.is_empty() || item.head.as_type.is_some() {
                self.dims(&item.head, context.to_mut());
            }
            match &item.kind {
                Kind::Component(component) => self.component(component, &context),
                Kind::Group(items) => self.items(items, &context)?,
                Kind::Part(name, items) => {
                    let name = self.evaluator.text(name);
                    context.to_mut().path.push(name.text);
                    self.items(items, &context)?;
                }
                Kind::Use(template, with) => self.template(template, with, context.into_owned())?,
            }
        }
        self.evaluator.reset(mark);
        self.doubt = doubt;
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
            self.be_cut(format!(
                "templates use templates more than {USES_MAX} deep, at {name}"
            ));
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
        if !self.enters(body.head.when.as_ref()) {
            return Ok(());
        }
        self.dims(&body.head, &mut context);
        self.items(&body.items, &context)
    }

    fn component(&mut self, component: &Component, context: &Context) {
        if self.found.len() >= COMPONENTS_MAX {
            self.be_cut(format!("it has more than {COMPONENTS_MAX} components"));
            return;
        }
        if let Some(limit) = self.evaluator.take_cut() {
            self.be_cut(limit);
        }
        let (quantity, asked) = self.evaluator.noted(&component.quantity);
        if let Some(limit) = self.evaluator.take_cut() {
            self.be_cut(limit);
            if quantity == Value::Null {
                return;
            }
        }
        // What came to nothing is for the plan to say where no usage is asked for.
        let is_unsaid = asked.missing.is_empty() && !asked.unknown.is_empty();
        let is_later = quantity.later_number().is_some() || quantity == Value::Null && is_unsaid;
        let number = quantity.number();
        let mut amount = Amount {
            quantity: number.filter(|amount| !amount.is_sign_negative()),
            asked,
            is_later,
        };
        if component.steps.is_empty() {
            self.line(component, context, &amount);
            return;
        }
        let mut rest = amount.quantity;
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
                amount.quantity = taken;
                self.line(component, context, &amount);
                self.evaluator.reset(mark);
            }
            is_first = false;
        }
    }

    fn line(&mut self, component: &Component, context: &Context, amount: &Amount) {
        // Nothing of something is nothing to pay.
        if amount.quantity.is_some_and(|quantity| quantity.is_zero()) {
            return;
        }
        let name = self.evaluator.text(&component.name);
        let unit = self.evaluator.text(&component.unit);
        let place = match &component.region {
            Some(region) => self.evaluator.text(region),
            None => self.region.clone(),
        };
        let price = self.price(component, context, (&name, &unit), &place);
        let mut later = self.doubt.clone();
        // Of what may not come to be there is as much as there will be.
        let quantity = amount.quantity.filter(|_| later.is_none());
        if amount.is_later {
            later.get_or_insert_default().add(&amount.asked);
        }
        let (price, missing) = match price {
            Price::Found(found) => (Some(found), None),
            Price::Missing(looked_for) => (None, Some(looked_for).filter(|_| self.doubt.is_none())),
            Price::Later(asked) => {
                later.get_or_insert_default().add(&asked);
                (None, None)
            }
        };
        let mut monthly = None;
        let (state, reason) = match (missing, later, quantity.zip(price.as_ref())) {
            (Some(looked_for), ..) => (State::PriceNotFound, looked_for),
            (None, Some(later), _) => (State::KnownAfterApply, known_later(&later, &amount.asked)),
            (None, None, None) => (State::DependsOnUsage, missing_usage(&amount.asked)),
            (None, None, Some((quantity, found))) => {
                monthly = quantity.checked_mul(found.price);
                monthly = monthly.filter(|monthly| *monthly < MONTHLY_MAX);
                if monthly.is_none() {
                    let (name, unit) = (&name.text, &unit.text);
                    self.be_cut(format!(
                        "{name}: {quantity} {unit} cost more than anything can"
                    ));
                    return;
                }
                (State::Priced, String::new())
            }
        };
        self.found.push(Cost {
            path: context.path.clone(),
            name: name.text,
            unit: unit.text,
            quantity,
            price,
            monthly,
            monthly_low: None,
            usage_based: amount.asked.usage,
            state,
            reason,
        });
    }

    /// The product of a catalogue that a component is, or what has to become known before it can be named.
    fn product<'c>(&mut self, component: &'c Component) -> Result<Product<'c>, Asked> {
        let mut product = Product::default();
        let Some(query) = &component.price else {
            return Ok(product);
        };
        product.service = &query.service;
        product.family = query.family.as_deref();
        for (key, text) in &query.attributes {
            let value = self.evaluator.text(text);
            let left = value.left.filter(|_| value.text.is_empty());
            if let Some(later) = value.later.or(left) {
                return Err(later);
            }
            product.attributes.push((key, value.text));
        }
        product.factor = self.number(component.factor.as_ref())?;
        Ok(product)
    }

    /// A number, if it is one, or what has to become known before it is.
    fn number(&mut self, expression: Option<&Expression>) -> Result<Option<Decimal>, Asked> {
        let Some(expression) = expression else {
            return Ok(None);
        };
        let (value, asked) = self.evaluator.noted(expression);
        if value.later_number() == Some(Value::Unknown) {
            return Err(asked);
        }
        Ok(value.number())
    }

    /// The price of a component: of the product in a catalogue, or by its text.
    fn price(
        &mut self,
        component: &Component,
        context: &Context,
        (name, unit): (&Written, &Written),
        region: &Written,
    ) -> Price {
        // A usage file may say it, and nobody is paid for what they use.
        match self.number(component.rate.as_ref()) {
            Ok(Some(rate)) if !rate.is_sign_negative() => {
                return Price::Found(Arc::new(given(rate)));
            }
            Ok(_) => {}
            Err(later) => return Price::Later(later),
        }
        match self.product(component) {
            Ok(_) if region.later.is_some() => {
                Price::Later(region.later.clone().unwrap_or_default())
            }
            Ok(product) => {
                let region = region.text.to_lowercase();
                self.listed(&product, context, (name, unit), &region)
            }
            Err(later) => Price::Later(later),
        }
    }

    /// The price of a product, or of a text, with what the house pays in its place.
    fn listed(
        &self,
        product: &Product<'_>,
        context: &Context,
        (name, unit): (&Written, &Written),
        region: &str,
    ) -> Price {
        let part = part_of(&context.path.join("/"));
        let mut by_text = vec![
            (COMPONENT_NAME, name.text.as_str()),
            (COMPONENT_UNIT, unit.text.as_str()),
            (PART, part.as_str()),
        ];
        by_text.extend(texts(&context.dims));
        let dims = context.dims.iter().map(|(_, value)| value);
        let later = [name, unit]
            .into_iter()
            .chain(dims)
            .find_map(|one| one.later.as_ref());
        let question = |service, family, attributes, elsewhere| Question {
            service,
            family,
            region,
            attributes,
            date: self.settings.date,
            elsewhere,
        };
        let (service, family) = (product.service, product.family);
        let mut found: Option<Priced> = None;
        if !service.is_empty() {
            let attributes = named(&product.attributes).collect();
            let asked = question(service, family, attributes, false);
            found = Some(self.prices.ask(&asked, product.factor));
        }
        // What the text says is not known yet: neither is a price by it, of the book or of the house.
        if let Some(later) = later
            && (!matches!(found, Some(Ok(_))) || self.settings.overlay.is_some())
        {
            return Price::Later(later.clone());
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
        found.map_or(Price::Missing(looked_for), Price::Found)
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
