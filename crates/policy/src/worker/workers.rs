//! All workers of a server: one that is started and waits, as many as may run, and what is done when one does not come back.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use statehouse_confined::{Death, Failure, Patience, Pour, Process, poured};

use super::{Described, Order, Settings, Usage, Word};
use crate::assess::check::Checked;
use crate::assess::task::{Event, Task, TaskSet};
use crate::assess::{self, Answers, Request, Set};
use crate::engine::Diagnostic;
use crate::input::Text;
use crate::manifest::FILE;
use crate::verdict::Verdict;

/// How many workers a request may take with it: one for all policies together, and then one for each policy that ends its process.
const ATTEMPTS_MAX: u32 = 6;

/// How much of the processor time that is left a worker may take, so that there is some for another one; and the least.
const SHARE: f64 = 0.6;
const SHARE_MIN: Duration = Duration::from_secs(1);

/// What is said of policies whose turn never came.
const NO_TURN: &str = "it was not evaluated: policies before it took all the time, or all the workers, that a run may have";

/// What is said where no turn came.
const NO_PLACE: &str =
    "it was not evaluated: as many evaluations as may run at once did so all the time";

/// Set by whoever no longer waits for an answer.
#[derive(Clone, Debug, Default)]
pub struct Canceled(Arc<AtomicBool>);

impl Canceled {
    /// Ends the evaluation within a tenth of a second.
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// What came of a request.
#[derive(Clone, Debug)]
pub struct Assessed {
    /// A verdict for each set, by name.
    pub verdicts: Vec<Verdict>,
    /// Why nobody answered all of it, where that says nothing of what was asked: then the verdicts, which are against it, are no word on it either.
    pub unanswered: Option<String>,
    /// What it took, where the worker lived to tell.
    pub usage: Option<Usage>,
    /// How many workers it took.
    pub workers: u32,
}

/// Why a set is not known to be good.
#[derive(Clone, Debug)]
pub enum Unchecked {
    /// This is wrong with it.
    Wrong(Vec<Diagnostic>),
    /// Nobody looked, which says nothing of it.
    Unanswered(String),
}

/// The workers of a server.
pub struct Workers {
    settings: Settings,
    spare: Mutex<Option<Process>>,
    turns: Mutex<Turns>,
    ended: Condvar,
}

/// Who runs, and who waits for a place, in the order in which they came.
#[derive(Default)]
struct Turns {
    running: usize,
    waiting: BTreeSet<u64>,
    /// The number of whoever comes next.
    next: u64,
}

impl Workers {
    /// Starts the first worker. If that fails, it is tried again for the first request, which then says why.
    pub fn new(settings: Settings) -> Arc<Workers> {
        let workers = Workers {
            settings,
            spare: Mutex::new(None),
            turns: Mutex::default(),
            ended: Condvar::new(),
        };
        workers.refill();
        Arc::new(workers)
    }

    /// Assesses a request in a worker, on a thread of its own. A caller that goes away ends the evaluation.
    pub async fn assess(self: &Arc<Workers>, request: Arc<Request>) -> Assessed {
        struct Leave(Canceled);
        impl Drop for Leave {
            fn drop(&mut self) {
                self.0.cancel();
            }
        }
        let leave = Leave(Canceled::default());
        let (workers, asked, canceled) = (Arc::clone(self), Arc::clone(&request), leave.0.clone());
        let work = move || workers.assess_blocking(&asked, &canceled);
        match tokio::task::spawn_blocking(work).await {
            Ok(assessed) => assessed,
            // The runtime ends, or there is a fault in what was called: nobody has judged, so nothing passes.
            Err(error) => unanswered(&request, format!("it was not evaluated: {error}")),
        }
    }

    /// Assesses a request in a worker. Comes back in bounded time with a verdict for every set, whatever happens.
    pub fn assess_blocking(&self, request: &Request, canceled: &Canceled) -> Assessed {
        let limits = &self.settings.limits;
        let within = assess::Limits {
            wall: limits.set_wall,
            threads: limits.threads,
        };
        let task = match Task::new(request, &within) {
            Ok(task) => task,
            Err(error) => return silent(request, error.to_string()),
        };
        let bytes = request.input.bytes();
        if bytes > limits.input_bytes_max {
            let most = limits.input_bytes_max;
            return silent(
                request,
                format!("its documents have {bytes} bytes, and {most} are the most"),
            );
        }
        let Some(_place) = self.place(Instant::now() + limits.turn, canceled) else {
            return unanswered(request, NO_PLACE.to_owned());
        };
        // Its time begins when it has a place: who waits in turn has not looped.
        let until = Instant::now() + limits.wall;
        let attempt = Attempt {
            workers: self,
            request,
            canceled,
            answers: Answers::of(request),
            usage: None,
            count: 0,
            unanswered: None,
        };
        let assessed = attempt.all(task, until);
        self.refill();
        assessed
    }

    /// Loads a set in a worker, and says what it asks, or what is wrong with it: what publishing asks.
    ///
    /// # Errors
    ///
    /// What is wrong, by file and line; that the worker did not survive it, too. Or that nobody looked.
    pub fn check(&self, set: &Set) -> Result<Vec<Described>, Unchecked> {
        let wrong = |message: String| {
            Unchecked::Wrong(vec![Diagnostic {
                file: String::from(FILE),
                line: 1,
                column: 1,
                rule: None,
                message,
                next: String::from("make the set smaller or simpler, and publish it again"),
            }])
        };
        let whole = match assess::task::whole(set) {
            Ok(set) => set,
            Err(error) => return Err(wrong(error.to_string())),
        };
        let canceled = Canceled::default();
        let limits = &self.settings.limits;
        let Some(_place) = self.place(Instant::now() + limits.wall, &canceled) else {
            return Err(Unchecked::Unanswered(NO_PLACE.to_owned()));
        };
        let patience = Patience {
            until: Instant::now() + limits.wall,
            canceled: &|| canceled.is_set(),
        };
        let mut checked = None;
        let mut hear = |word| {
            if let Word::Checked(said) = word {
                checked = Some(said);
            }
            true
        };
        let share = Share {
            cpu: limits.cpu,
            spent: Duration::ZERO,
        };
        let done = self.with_process(
            &Order::Check(&whole),
            &[],
            &mut hear,
            (patience, &mut { share }),
        );
        self.refill();
        match (done, checked) {
            (Ok(()), Some(Checked { wrong, policies })) if wrong.is_empty() => Ok(policies),
            (Ok(()), Some(Checked { wrong, .. })) => Err(Unchecked::Wrong(wrong)),
            (Err(failure), _) if is_load(&failure) => {
                Err(Unchecked::Unanswered(words_of(failure, &self.settings)))
            }
            (Err(failure), _) => Err(wrong(words_of(failure, &self.settings))),
            (Ok(()), None) => Err(wrong(String::from(
                "the worker says something else than what it was asked",
            ))),
        }
    }

    /// Gives an order to the spare worker, or to a new one where there is none or where it died while it waited.
    fn with_process(
        &self,
        order: &Order<&Task, &TaskSet>,
        documents: &[Text],
        hear: &mut dyn FnMut(Word) -> bool,
        (patience, share): (Patience<'_>, &mut Share),
    ) -> Result<(), Failure> {
        let spare = self
            .spare
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(mut spare) = spare
            && spare.is_alive()
        {
            let mut heard = false;
            let mut listen = |word| {
                heard = true;
                hear(word)
            };
            match self.give(spare, order, documents, &mut listen, (patience, share)) {
                // What ended it may have come before the order. If it was the order, it ends the next one as well.
                Err(Failure::Died(_)) if !heard => {}
                done => return done,
            }
        }
        let started = Process::start(&self.settings.program());
        let failed =
            |error: std::io::Error| Failure::Broken(format!("a worker does not start: {error}"));
        let started = started.map_err(failed)?;
        self.give(started, order, documents, hear, (patience, share))
    }

    /// Gives an order to a worker when it is ready, and ends it.
    fn give(
        &self,
        mut process: Process,
        order: &Order<&Task, &TaskSet>,
        documents: &[Text],
        hear: &mut dyn FnMut(Word) -> bool,
        (patience, share): (Patience<'_>, &mut Share),
    ) -> Result<(), Failure> {
        let limits = statehouse_confined::Limits {
            // One that died before it said anything took of it, too.
            cpu: share.cpu.saturating_sub(share.spent).max(SHARE_MIN),
            ..self.settings.limits.of_process()
        };
        process.ready(self.settings.strict, &limits, patience)?;
        process.limit(&limits, documents.iter().map(Pour::bytes).sum())?;
        let mut garbled = None;
        let mut take = |frame: &[u8]| match serde_json::from_slice(frame) {
            Ok(word) => hear(word),
            Err(error) => {
                garbled = Some(error.to_string());
                true
            }
        };
        let done = poured(documents, patience, &mut |pieces| {
            process.carry_out(order, pieces, &mut take, &limits, patience)
        });
        share.spent += process.spent(&limits);
        done?;
        garbled.map_or(Ok(()), |why| {
            Err(Failure::Broken(format!(
                "the worker says what nobody understands: {why}"
            )))
        })
    }

    /// Starts the next worker, so that whoever comes next does not wait for it.
    fn refill(&self) {
        let mut spare = self.spare.lock().unwrap_or_else(PoisonError::into_inner);
        if spare.is_none() {
            // Whoever needs one tries again, and tells why there is none.
            *spare = Process::start(&self.settings.program()).ok();
        }
    }

    /// Waits until one more may run and nobody is before it.
    fn place(&self, until: Instant, canceled: &Canceled) -> Option<Place<'_>> {
        let places = self.settings.parallel_max.max(1);
        let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
        let own = turns.next;
        turns.next += 1;
        turns.waiting.insert(own);
        while turns.running >= places || turns.waiting.first() != Some(&own) {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() || canceled.is_set() {
                turns.waiting.remove(&own);
                self.ended.notify_all();
                return None;
            }
            let waited = self
                .ended
                .wait_timeout(turns, left.min(Duration::from_millis(100)));
            turns = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        turns.waiting.remove(&own);
        turns.running += 1;
        // There may be room for the next as well.
        self.ended.notify_all();
        Some(Place(self))
    }
}

/// One of the places in which an evaluation may run.
struct Place<'a>(&'a Workers);

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let turns = self.0.turns.lock();
        let mut turns = turns.unwrap_or_else(PoisonError::into_inner);
        turns.running = turns.running.saturating_sub(1);
        self.0.ended.notify_all();
    }
}

/// What a worker may take of the processor, and what those took that were given it.
struct Share {
    cpu: Duration,
    spent: Duration,
}

/// Verdicts of sets that nobody can evaluate.
fn silent(request: &Request, words: String) -> Assessed {
    let mut answers = Answers::of(request);
    answers.silence = words;
    Assessed {
        verdicts: answers.judge(request, crate::engine::NAME),
        unanswered: None,
        usage: None,
        workers: 0,
    }
}

/// The same where nobody came to evaluate them.
fn unanswered(request: &Request, words: String) -> Assessed {
    Assessed {
        unanswered: Some(words.clone()),
        ..silent(request, words)
    }
}

/// Whether it says how much there is to do, and nothing of what was asked.
fn is_load(failure: &Failure) -> bool {
    matches!(
        failure,
        Failure::TimedOut | Failure::Canceled | Failure::Broken(_) | Failure::Died(Death::Killed)
    )
}

fn words_of(failure: Failure, settings: &Settings) -> String {
    match failure {
        Failure::Died(how) => words_of_death(how),
        Failure::TimedOut => format!(
            "it was not evaluated: in {} s it was not given the time that it needs",
            settings.limits.wall.as_secs()
        ),
        Failure::Canceled => String::from("it was not evaluated: nobody waited for it any more"),
        Failure::Untold(why) | Failure::Broken(why) => format!("it was not evaluated: {why}"),
    }
}

/// How a worker ended, in words for whoever wrote what it evaluated.
fn words_of_death(how: Death) -> String {
    match how {
        Death::Memory => String::from(
            "it needs more memory than an evaluation may have; let it build smaller values",
        ),
        Death::Stack => String::from(
            "it calls itself without end; let the recursion end, or write it as a comprehension",
        ),
        Death::Cpu(seconds) => {
            format!("it needs more than {seconds} s of processor time; let it loop less")
        }
        Death::Output(bytes_max) => {
            format!("it says more than {bytes_max} bytes; let it give fewer or shorter messages")
        }
        Death::Killed => {
            String::from("its process was killed from outside; the machine may be out of memory")
        }
        Death::Signal(signal, told) => format!("its process ended by signal {signal}: {told}"),
        Death::Itself(told) => format!("its process ended by itself: {told}"),
    }
}

/// A request on its way through as many workers as it takes.
struct Attempt<'a> {
    workers: &'a Workers,
    request: &'a Request,
    canceled: &'a Canceled,
    answers: Answers,
    usage: Option<Usage>,
    count: u32,
    unanswered: Option<String>,
}

impl Attempt<'_> {
    /// All policies together; if a worker does not come back, one after the other, so that it is known which one it was.
    fn all(mut self, mut task: Task, until: Instant) -> Assessed {
        let mut left = self.workers.settings.limits.cpu;
        while self.count < ATTEMPTS_MAX {
            self.keep_unanswered(&mut task);
            if task.sets.iter().all(|set| set.policies.is_empty()) {
                break;
            }
            // The rest is for those that are left when this one loops.
            let mut share = Share {
                cpu: left.mul_f64(SHARE).max(SHARE_MIN),
                spent: Duration::ZERO,
            };
            let Err(failure) = self.once(&task, until, &mut share) else {
                break;
            };
            left = left.saturating_sub(share.spent);
            let is_load = is_load(&failure);
            let words = words_of(failure, &self.workers.settings);
            if is_load {
                self.unanswered = Some(words.clone());
            }
            if is_load || !self.answers.has_begun() {
                self.answers.silence = words;
                break;
            }
            if task.singly {
                self.answers.fail_begun(&words);
            } else {
                self.answers.forget_begun();
            }
            self.answers.silence = NO_TURN.to_owned();
            (task.singly, task.threads) = (true, 1);
        }
        Assessed {
            verdicts: self.answers.judge(self.request, crate::engine::NAME),
            unanswered: self.unanswered,
            usage: self.usage,
            workers: self.count,
        }
    }

    fn keep_unanswered(&self, task: &mut Task) {
        for (at, set) in task.sets.iter_mut().enumerate() {
            set.policies
                .retain(|policy| !self.answers.has(at, policy.index));
        }
    }

    /// One worker.
    fn once(&mut self, task: &Task, until: Instant, share: &mut Share) -> Result<(), Failure> {
        self.count += 1;
        let (answers, usage, canceled) = (&mut self.answers, &mut self.usage, self.canceled);
        let mut hear = |word| match word {
            Word::Event(Event::Ended(took)) => {
                *usage = Some(took);
                true
            }
            Word::Event(event) => {
                answers.hear(event);
                false
            }
            // It was not asked this.
            Word::Checked(_) => false,
        };
        let documents = self.request.input.documents.values();
        let documents: Vec<Text> = documents.cloned().collect();
        let patience = Patience {
            until,
            canceled: &|| canceled.is_set(),
        };
        let order = Order::Evaluate(task);
        self.workers
            .with_process(&order, &documents, &mut hear, (patience, share))
    }
}
