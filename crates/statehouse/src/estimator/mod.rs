//! What estimates the costs of plans here: a process of our own binary for each, confined like one that evaluates policies.
//!
//! A plan is a stranger's text, and so are the overlay and the usage file of an organization. Whatever they do to the process that reads them, an answer
//! comes in bounded time, and says why there is no estimate if there is none. Book and mapping go through the pipe too, even those of this binary: what an
//! estimate was made from is exactly what is kept beside it.

mod inside;
mod places;
mod told;

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use statehouse_confined::{Death, Failure, Limits, Patience, Piece, Process, Program, poured};
use statehouse_core::cost::Kind;
use statehouse_core::cost::estimate::{
    Estimating, Estimator, Figures, Input, Lane, Own, Place, Question, Resource, Said, Unsaid,
};
use statehouse_core::document::Document;
use statehouse_cost::mapping::Mapping;
use statehouse_cost::price::book::Book;

pub(crate) use inside::main;
use places::Places;

/// The hidden subcommand of an estimate.
pub(crate) const WORKER: &str = "cost-worker";

/// What made an estimate, as it names it.
const ENGINE: &str = concat!("statehouse-cost ", env!("CARGO_PKG_VERSION"));
/// Estimates at once: each may hold a long plan.
const PARALLEL_MAX: usize = 2;
/// All of one estimate, on the wall: a hundred thousand resources take some seconds.
const WALL: Duration = Duration::from_mins(2);
/// Its processor time.
const CPU: Duration = Duration::from_mins(1);
/// Address space without documents: the binary, the mapping, stacks.
const MEMORY_BYTES: u64 = 768 << 20;
/// Address space for each byte of a document: the JSON of an estimate is built as a whole, three times as long as its plan where each resource has a price.
const MEMORY_PER_BYTE: u64 = 24;
/// All that it may say: as much as a file of a run may hold.
const OUTPUT_BYTES_MAX: usize = 320 << 20;

/// What is to be done. The documents follow, one after the other, as they are.
#[derive(Serialize, Deserialize)]
enum Order {
    /// Read an input, and say what it is.
    Check(Named),
    /// Estimate a plan.
    Estimate {
        plan: u64,
        name: String,
        inputs: Vec<Named>,
        date: String,
        region: Option<String>,
    },
}

/// An input, before its bytes.
#[derive(Serialize, Deserialize)]
struct Named {
    kind: Kind,
    name: String,
    bytes: u64,
}

impl From<&Input> for Named {
    fn from(input: &Input) -> Self {
        Self {
            kind: input.kind,
            name: input.name.clone(),
            bytes: input.bytes.len() as u64,
        }
    }
}

/// What is said.
#[derive(Serialize, Deserialize)]
enum Word {
    /// What an input is, or what is wrong with it.
    Checked(Result<String, String>),
    /// Why there is no estimate.
    Failed(String),
    /// What people look at first.
    Figures(Box<Figures>, Vec<Resource>),
    /// A piece of what policies read.
    Policy(String),
    /// A piece of the whole.
    Document(String),
    /// That was all.
    End,
}

/// Estimates by processes.
pub(crate) struct ByProcesses {
    program: Program,
    own: Own,
    places: Places,
}

impl ByProcesses {
    /// By this binary. `strict` says whether a kernel without Landlock or seccomp is no place for it.
    pub(crate) fn new(path: PathBuf, strict: bool) -> Self {
        let book = Book::starter().map(|book| book.meta().id.clone());
        let own = Own {
            book: Input {
                kind: Kind::Book,
                name: book.unwrap_or_default(),
                bytes: Bytes::from_static(Book::starter_bytes()),
            },
            mapping: Input {
                kind: Kind::Mapping,
                name: ENGINE.to_owned(),
                bytes: Mapping::pack().into(),
            },
        };
        Self {
            program: Program {
                path,
                arguments: vec![OsString::from(WORKER)],
                strict,
            },
            own,
            places: Places::new(PARALLEL_MAX),
        }
    }

    /// Has an order carried out, on a thread of its own. A caller that goes away ends it.
    async fn carry_out(
        &self,
        place: Place,
        order: Order,
        documents: Vec<Document>,
    ) -> Result<Heard, Unsaid> {
        struct Leave(Arc<AtomicBool>);
        impl Drop for Leave {
            fn drop(&mut self) {
                self.0.store(true, Ordering::Relaxed);
            }
        }
        let leave = Leave(Arc::default());
        let (program, canceled) = (self.program.clone(), leave.0.clone());
        let work = move || {
            let done = once(&program, &order, &documents, &canceled);
            drop(place);
            done
        };
        let done = tokio::task::spawn_blocking(work).await;
        done.map_err(|error| Unsaid::Unanswered(error.to_string()))?
    }
}

/// All that was said.
#[derive(Default)]
struct Heard {
    checked: Option<Result<String, String>>,
    failed: Option<String>,
    figures: Option<(Box<Figures>, Vec<Resource>)>,
    policy: String,
    document: String,
}

impl Heard {
    /// Takes a word, and says whether it was the last.
    fn hear(&mut self, word: Word) -> bool {
        match word {
            Word::Checked(checked) => self.checked = Some(checked),
            Word::Failed(why) => self.failed = Some(why),
            Word::Figures(figures, resources) => {
                self.figures = Some((figures, resources));
                return false;
            }
            Word::Policy(piece) => {
                self.policy.push_str(&piece);
                return false;
            }
            Word::Document(piece) => {
                self.document.push_str(&piece);
                return false;
            }
            Word::End => {}
        }
        true
    }
}

fn once(
    program: &Program,
    order: &Order,
    documents: &[Document],
    canceled: &AtomicBool,
) -> Result<Heard, Unsaid> {
    let limits = Limits {
        cpu: CPU,
        memory_bytes: MEMORY_BYTES,
        memory_per_byte: MEMORY_PER_BYTE,
        output_bytes_max: OUTPUT_BYTES_MAX,
    };
    let is_canceled = || canceled.load(Ordering::Relaxed);
    let patience = Patience {
        until: Instant::now() + WALL,
        canceled: &is_canceled,
    };
    let (mut heard, mut garbled) = (Heard::default(), None);
    let mut take = |frame: &[u8]| match serde_json::from_slice(frame) {
        Ok(word) => heard.hear(word),
        Err(error) => {
            garbled = Some(format!("what was estimated does not read: {error}"));
            true
        }
    };
    let bytes = documents.iter().map(Document::bytes).sum();
    let mut talk = |pieces: &mut dyn Iterator<Item = Piece<'_>>| {
        let mut process = Process::start(program)
            .map_err(|error| Failure::Broken(format!("its process does not start: {error}")))?;
        process.ready(program.strict, &limits, patience)?;
        process.limit(&limits, bytes)?;
        process.carry_out(order, pieces, &mut take, &limits, patience)
    };
    poured(documents, patience, &mut talk).map_err(words_of)?;
    garbled.map_or(Ok(heard), |why| Err(Unsaid::Impossible(why)))
}

/// How a process failed, for whoever's plan it is. What a plan does is told apart from what becomes of a process where there is too much to do: its
/// processor time is its own, time on the wall and the memory of the machine are shared.
fn words_of(failure: Failure) -> Unsaid {
    let why = match failure {
        Failure::TimedOut => {
            return Unsaid::Unanswered(format!(
                "in {} s it was not given the time that it needs",
                WALL.as_secs()
            ));
        }
        Failure::Canceled => {
            return Unsaid::Unanswered("nobody waited for it any more".to_owned());
        }
        Failure::Broken(why) => return Unsaid::Unanswered(why),
        Failure::Died(Death::Killed) => {
            let why = "its process was killed from outside; the machine may be out of memory";
            return Unsaid::Unanswered(why.to_owned());
        }
        Failure::Untold(why) => why,
        Failure::Died(Death::Memory) => "it needs more memory than an estimate may have".to_owned(),
        Failure::Died(Death::Stack) => "it nests deeper than an estimate may go".to_owned(),
        Failure::Died(Death::Cpu(seconds)) => {
            format!("it needs more than {seconds} s of processor time")
        }
        Failure::Died(Death::Output(bytes)) => format!("it is longer than {bytes} bytes"),
        Failure::Died(Death::Signal(signal, told)) => {
            format!("its process ended by signal {signal}: {told}")
        }
        Failure::Died(Death::Itself(told)) => format!("its process ended by itself: {told}"),
    };
    Unsaid::Impossible(why)
}

impl Estimator for ByProcesses {
    fn own(&self) -> Own {
        self.own.clone()
    }

    fn place(&self, lane: Lane) -> Estimating<'_, Place> {
        let patience = places::patience(lane.purpose);
        Box::pin(self.places.take(lane, patience))
    }

    fn check(&self, place: Place, input: Input) -> Estimating<'_, String> {
        Box::pin(async move {
            let order = Order::Check(Named::from(&input));
            let heard = self
                .carry_out(place, order, vec![input.bytes.into()])
                .await?;
            let missing = || Err("it was not read".to_owned());
            let checked = heard.checked.unwrap_or_else(missing);
            checked.map_err(Unsaid::Impossible)
        })
    }

    fn estimate(&self, place: Place, question: Question) -> Estimating<'_, Said> {
        Box::pin(async move {
            let order = Order::Estimate {
                plan: question.plan.bytes(),
                name: question.name,
                inputs: question.inputs.iter().map(Named::from).collect(),
                date: question.date,
                region: question.region,
            };
            let inputs = question
                .inputs
                .into_iter()
                .map(|input| Document::from(input.bytes));
            let documents = std::iter::once(question.plan).chain(inputs).collect();
            let heard = self.carry_out(place, order, documents).await?;
            if let Some(why) = heard.failed {
                return Err(Unsaid::Impossible(why));
            }
            let missing = || Unsaid::Impossible("nothing was said of it".to_owned());
            let (figures, resources) = heard.figures.ok_or_else(missing)?;
            Ok(Said {
                engine: ENGINE.to_owned(),
                figures: *figures,
                resources,
                policy: heard.policy,
                document: heard.document,
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_load_does_to_an_estimate_is_never_what_a_plan_does() {
        let ours = [
            Failure::TimedOut,
            Failure::Canceled,
            Failure::Broken("its process does not start".to_owned()),
            Failure::Died(Death::Killed),
        ];
        for failure in ours {
            let said = words_of(failure);
            assert!(matches!(said, Unsaid::Unanswered(_)), "{said:?}");
        }
        for death in [
            Death::Memory,
            Death::Stack,
            Death::Cpu(60),
            Death::Output(1),
        ] {
            let said = words_of(Failure::Died(death));
            assert!(matches!(said, Unsaid::Impossible(_)), "{said:?}");
        }
    }
}
