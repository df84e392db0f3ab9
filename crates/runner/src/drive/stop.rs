//! Whether to go on: asked of the server every second, which also says that this runner is alive. How long the job may take the server
//! says once; then it asks to stop by itself, and where it is away the clock here does.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::control::{Ask, Control, ControlError, IN_ORDER_MAX, Told};

/// Between two questions.
const EVERY: Duration = Duration::from_secs(1);
/// How much later than the server this clock asks to stop: what the server says is written down, and is to come first.
const BEHIND: Duration = Duration::from_secs(30);
/// How long a phase may go on after it was to end at once: a last resort, which nothing comes to.
const RESORT: Duration = Duration::from_mins(1);

/// What is wished.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Wish {
    /// Go on.
    GoOn,
    /// Stop in order.
    Stop,
    /// Stop at once: the job is another's, or nobody's.
    StopNow,
}

/// What the server said last, and what this clock says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Wishes {
    server: Wish,
    clock: Wish,
}

impl Wishes {
    const NONE: Self = Self {
        server: Wish::GoOn,
        clock: Wish::GoOn,
    };

    fn stronger(self) -> Wish {
        self.server.max(self.clock)
    }
}

/// The question, asked again and again.
pub(crate) struct Stop {
    wishes: watch::Receiver<Wishes>,
    why: Arc<OnceLock<String>>,
    /// When whatever runs is to be over.
    latest: Option<Instant>,
    task: JoinHandle<()>,
}

impl Stop {
    /// Asks, and looks at the clock: the job may take so many minutes, or as long as it wants where that is 0.
    pub(crate) fn watch(control: Arc<dyn Control>, minutes_max: u64) -> Self {
        let (said, wishes) = watch::channel(Wishes::NONE);
        let why = Arc::new(OnceLock::new());
        let late = (minutes_max > 0)
            .then(|| Duration::from_secs(minutes_max.saturating_mul(60)))
            .and_then(|longest| Instant::now().checked_add(longest)?.checked_add(BEHIND));
        let heard = why.clone();
        let task = tokio::spawn(async move {
            tokio::join!(
                follow(control, &said, &heard),
                look_at_the_clock(late, minutes_max, &said, &heard)
            );
        });
        Self {
            wishes,
            why,
            latest: late.and_then(|late| late.checked_add(IN_ORDER_MAX + RESORT)),
            task,
        }
    }

    /// Nobody's wish: for what is done whatever anybody wishes.
    pub(crate) fn never() -> Self {
        let (said, wishes) = watch::channel(Wishes::NONE);
        let task = tokio::spawn(async move { said.closed().await });
        Self {
            wishes,
            why: Arc::default(),
            latest: None,
            task,
        }
    }

    /// What is wished now.
    pub(crate) fn now(&self) -> Wish {
        self.wishes.borrow().stronger()
    }

    /// Why, where it is nobody's wish.
    pub(crate) fn why(&self) -> Option<&str> {
        self.why.get().map(String::as_str)
    }

    /// How long a phase that begins now may take; `None` where nobody said so.
    pub(crate) fn left(&self) -> Option<Duration> {
        let latest = self.latest?;
        Some(latest.saturating_duration_since(Instant::now()))
    }

    /// Waits for another wish than `seen`.
    pub(crate) async fn other_than(&self, seen: Wish) -> Wish {
        let mut wishes = self.wishes.clone();
        match wishes.wait_for(|said| said.stronger() != seen).await {
            Ok(said) => said.stronger(),
            Err(_) => std::future::pending().await,
        }
    }

    pub(crate) fn end(self) {
        self.task.abort();
    }
}

async fn follow(control: Arc<dyn Control>, said: &watch::Sender<Wishes>, why: &OnceLock<String>) {
    loop {
        tokio::time::sleep(EVERY).await;
        let wish = match control.ask(Ask::Beat, Bytes::new()).await {
            Ok(answer) => match answer.told {
                Told::Stop { why: told } => {
                    if let Some(told) = told {
                        why.set(told).ok();
                    }
                    Wish::Stop
                }
                Told::StopNow => Wish::StopNow,
                _ => Wish::GoOn,
            },
            Err(error) if error.may_pass() => continue,
            // The line broke: whoever is at its other end cannot be told any more what happens here.
            Err(ControlError::Lost(_)) => Wish::Stop,
            Err(_) => Wish::StopNow,
        };
        say(said, |wishes| wishes.server = wish);
    }
}

/// What the server would say, were it there.
async fn look_at_the_clock(
    late: Option<Instant>,
    minutes: u64,
    said: &watch::Sender<Wishes>,
    why: &OnceLock<String>,
) {
    let Some(late) = late else { return };
    tokio::time::sleep_until(late).await;
    why.set(format!(
        "it took longer than a job may take: {minutes} minutes"
    ))
    .ok();
    say(said, |wishes| wishes.clock = Wish::Stop);
    tokio::time::sleep(IN_ORDER_MAX).await;
    say(said, |wishes| wishes.clock = Wish::StopNow);
}

fn say(said: &watch::Sender<Wishes>, change: impl FnOnce(&mut Wishes)) {
    said.send_if_modified(|wishes| {
        let before = *wishes;
        change(wishes);
        *wishes != before
    });
}

#[cfg(test)]
mod tests {
    use std::pin::Pin;
    use std::sync::Mutex;

    use super::*;
    use crate::control::Answer;

    /// A server that always says the same.
    struct Says(Mutex<Told>);

    impl Control for Says {
        fn ask(
            &self,
            _: Ask,
            _: Bytes,
        ) -> Pin<Box<dyn Future<Output = Result<Answer, ControlError>> + Send + '_>> {
            let told = self.0.lock().map(|told| told.clone());
            let answer = told.map(Answer::from);
            let answer = answer.map_err(|_| ControlError::Odd("poisoned".to_owned()));
            Box::pin(async move { answer })
        }
    }

    fn server(told: Told) -> Arc<Says> {
        Arc::new(Says(Mutex::new(told)))
    }

    #[tokio::test(start_paused = true)]
    async fn a_job_whose_server_never_asks_it_to_stop_stops_by_its_own_clock() {
        let begun = Instant::now();
        // Timers of a test go by milliseconds.
        let whole = |time: Duration| (time + Duration::from_millis(500)).as_secs();
        let stop = Stop::watch(server(Told::GoOn), 5);
        assert_eq!(stop.other_than(Wish::GoOn).await, Wish::Stop);
        let late = Duration::from_mins(5) + BEHIND;
        assert_eq!(whole(begun.elapsed()), late.as_secs());
        assert!(stop.why().is_some_and(|why| why.contains("5 minutes")));
        // That the server still says otherwise counts for nothing.
        assert_eq!(stop.other_than(Wish::Stop).await, Wish::StopNow);
        assert_eq!(whole(begun.elapsed()), (late + IN_ORDER_MAX).as_secs());
        assert_eq!(stop.left().map(whole), Some(RESORT.as_secs()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_job_that_may_take_as_long_as_it_wants_is_asked_by_the_server_alone() {
        let stop = Stop::watch(server(Told::GoOn), 0);
        let waits = tokio::time::timeout(Duration::from_hours(10), stop.other_than(Wish::GoOn));
        assert!(waits.await.is_err());
        assert_eq!((stop.left(), stop.why()), (None, None));
        let stop = Stop::watch(server(Told::GoOn), u64::MAX);
        assert_eq!((stop.now(), stop.left()), (Wish::GoOn, None));
    }

    #[tokio::test(start_paused = true)]
    async fn what_the_server_says_of_a_job_that_took_too_long_is_kept_for_the_log() {
        let server = server(Told::stop());
        let stop = Stop::watch(server.clone(), 0);
        assert_eq!(stop.other_than(Wish::GoOn).await, Wish::Stop);
        assert_eq!(stop.why(), None, "somebody wished it");
        let why = Some("it took too long".to_owned());
        if let Ok(mut told) = server.0.lock() {
            *told = Told::Stop { why };
        }
        tokio::time::sleep(2 * EVERY).await;
        assert_eq!(
            (stop.now(), stop.why()),
            (Wish::Stop, Some("it took too long"))
        );
    }
}
