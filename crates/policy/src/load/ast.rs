//! What a file of Rego says, as a tree.
//!
//! One tree for both versions of the language: the parser has already decided what a rule of version 0 means in version 1, has
//! split chained bodies into rules of their own, and has put operators in their order. Every part knows where it was.
//!
//! Deliberately absent: comments (only those that annotate are kept, as text) and layout.

/// A place in a file: line and column, from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Place {
    pub(crate) line: u32,
    pub(crate) column: u32,
}

/// A term or an expression.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Term {
    pub(crate) at: Place,
    pub(crate) kind: Kind,
}

/// What a term is.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Kind {
    Null,
    Bool(bool),
    Number(String),
    Text(String),
    /// A string with expressions in it.
    Template(Vec<Part>),
    Var(String),
    /// A term and what is looked up in it, step by step.
    Ref(Box<Term>, Vec<Term>),
    /// A function by its name, or by the steps to it, and its arguments.
    Call(Box<Term>, Vec<Term>),
    /// Under `not`, what a call that writes into its last argument must return: that argument, and the call.
    Returns(Box<(Term, Term)>),
    Array(Vec<Term>),
    Set(Vec<Term>),
    Object(Vec<(Term, Term)>),
    ArrayOf(Box<Term>, Vec<Statement>),
    SetOf(Box<Term>, Vec<Statement>),
    ObjectOf(Box<(Term, Term)>, Vec<Statement>),
    /// An operator between two: arithmetic, sets, comparison.
    Binary(Operator, Box<(Term, Term)>),
    /// A number with its sign turned.
    Minus(Box<Term>),
    /// `key, value in collection`.
    Member(Option<Box<Term>>, Box<(Term, Term)>),
    /// `=`
    Unify(Box<(Term, Term)>),
    /// `:=`
    Assign(Box<(Term, Term)>),
    /// A value that the loader worked out: an index in the program's constants.
    Constant(usize),
}

/// A piece of a string with expressions.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Part {
    Text(String),
    Value(Box<Statement>),
}

/// An operator between two terms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operator {
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
    And,
    Or,
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Operator {
    /// As it is written.
    pub(crate) fn sign(self) -> &'static str {
        match self {
            Self::Add => "+",
            Self::Subtract => "-",
            Self::Multiply => "*",
            Self::Divide => "/",
            Self::Remainder => "%",
            Self::And => "&",
            Self::Or => "|",
            Self::Equal => "==",
            Self::NotEqual => "!=",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
        }
    }
}

/// A line of a body.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Statement {
    pub(crate) at: Place,
    pub(crate) kind: Line,
    /// What is replaced while it is evaluated, and by what.
    pub(crate) with: Vec<(Term, Term)>,
}

/// What a line of a body is.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Line {
    Is(Term),
    Not(Term),
    Some(Vec<(Place, String)>),
    SomeIn {
        key: Option<Term>,
        value: Term,
        collection: Term,
    },
    Every {
        key: Option<String>,
        value: String,
        domain: Term,
        body: Vec<Statement>,
    },
}

/// A rule.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Rule {
    pub(crate) at: Place,
    pub(crate) default: bool,
    /// Its name and the steps after it.
    pub(crate) name: String,
    pub(crate) steps: Vec<Term>,
    pub(crate) args: Option<Vec<Term>>,
    /// What a partial set contains.
    pub(crate) contains: Option<Term>,
    pub(crate) value: Option<Term>,
    /// `None` where there is none.
    pub(crate) body: Option<Vec<Statement>>,
    pub(crate) otherwise: Vec<Otherwise>,
    /// The annotation above it, as YAML.
    pub(crate) annotations: Vec<Annotation>,
}

/// An `else`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Otherwise {
    pub(crate) at: Place,
    pub(crate) value: Option<Term>,
    pub(crate) body: Option<Vec<Statement>>,
}

/// The YAML after `# METADATA`, and the line on which it begins.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Annotation {
    pub(crate) line: u32,
    pub(crate) yaml: String,
}

/// An import: where it leads and what it is called.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Import {
    pub(crate) at: Place,
    pub(crate) path: Vec<String>,
    pub(crate) alias: String,
}

/// A file.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Module {
    pub(crate) file: String,
    /// Where the word `package` stands.
    pub(crate) at: Place,
    pub(crate) package: Vec<String>,
    pub(crate) imports: Vec<Import>,
    pub(crate) rules: Vec<Rule>,
    /// Annotations above the package.
    pub(crate) annotations: Vec<Annotation>,
}

impl Term {
    pub(crate) fn new(at: Place, kind: Kind) -> Self {
        Self { at, kind }
    }

    pub(crate) fn var(at: Place, name: impl Into<String>) -> Self {
        Self::new(at, Kind::Var(name.into()))
    }

    pub(crate) fn text(at: Place, text: impl Into<String>) -> Self {
        Self::new(at, Kind::Text(text.into()))
    }

    /// A builtin called by its name.
    pub(crate) fn call(at: Place, name: &str, args: Vec<Term>) -> Self {
        let mut parts = name.split('.');
        let head = Self::var(at, parts.next().unwrap_or_default());
        let steps: Vec<Self> = parts.map(|part| Self::text(at, part)).collect();
        let function = if steps.is_empty() {
            head
        } else {
            Self::new(at, Kind::Ref(Box::new(head), steps))
        };
        Self::new(at, Kind::Call(Box::new(function), args))
    }

    /// `data.a.b` from its steps.
    pub(crate) fn path(at: Place, root: &str, steps: &[String]) -> Self {
        let head = Self::var(at, root);
        if steps.is_empty() {
            return head;
        }
        let steps = steps
            .iter()
            .map(|step| Self::text(at, step.clone()))
            .collect();
        Self::new(at, Kind::Ref(Box::new(head), steps))
    }

    /// The name and the constant steps of a term that is nothing but those.
    pub(crate) fn words(&self) -> Option<Vec<&str>> {
        match &self.kind {
            Kind::Var(name) => Some(vec![name]),
            Kind::Ref(head, steps) => {
                let mut words = head.words()?;
                for step in steps {
                    let Kind::Text(word) = &step.kind else {
                        return None;
                    };
                    words.push(word);
                }
                Some(words)
            }
            _ => None,
        }
    }
}

impl Statement {
    pub(crate) fn new(at: Place, kind: Line) -> Self {
        Self {
            at,
            kind,
            with: Vec::new(),
        }
    }
}
