//! Who elsewhere is told what happened to runs: over all houses, each receiver by itself.
//!
//! Houses are looked into when they changed, now and then, and when something is to be
//! tried again; one that closed meanwhile is opened for that. A look finds what there is
//! to tell out of the ledger, so a bell that nobody heard loses nothing.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use statehouse_model::{HouseCode, Name, NotificationId, UserId};
use tokio::task::{Id, JoinSet};
use tokio::time::{MissedTickBehavior, interval};

use super::Core;
use crate::ctx::Ctx;
use crate::error::{Error, Result};
use crate::house::House;
use crate::notification::turn::{self, Found, Letter};
use crate::notification::{self, Deliver, NotificationView, Trier, Wish};
use crate::org;
use crate::workspace::Workspace;

/// How often open houses are looked into when nobody says that they changed.
const ROUND_EVERY: Duration = Duration::from_secs(5);
/// Messages that are on their way at once, and those of one house.
const SENDING_MAX: usize = 64;
const SENDING_OF_HOUSE_MAX: usize = 8;
/// How long a receiver or a house rests where nothing could be told because something here failed.
const REST_US: i64 = 60 * 1_000_000;

/// What is on its way, and what is to be looked at.
#[derive(Default)]
struct Post {
    sending: JoinSet<Result<bool>>,
    to: HashMap<Id, (HouseCode, NotificationId)>,
    /// Houses to look into, each once.
    queue: VecDeque<HouseCode>,
    /// Houses that are to be looked into again, and when.
    owed: HashMap<HouseCode, i64>,
    /// Receivers that rest, and until when.
    resting: HashMap<NotificationId, i64>,
}

impl Post {
    fn look_into(&mut self, code: HouseCode) {
        if !self.queue.contains(&code) {
            self.queue.push_back(code);
        }
    }

    /// Something here failed: the house is looked into again, and not at once.
    fn rest(&mut self, code: HouseCode, now: i64) {
        self.owed.insert(code, now.saturating_add(REST_US));
    }

    /// Whether one more message of a house may be sent now.
    fn has_room(&self, code: HouseCode) -> bool {
        let of_house = self.to.values().filter(|(of, _)| *of == code).count();
        self.to.len() < SENDING_MAX && of_house < SENDING_OF_HOUSE_MAX
    }

    fn is_on_its_way(&self, id: &NotificationId) -> bool {
        self.to.values().any(|(_, to)| to == id)
    }

    /// A message ended: there may be more for its receiver, and room for others.
    fn ended(&mut self, task: Id, ended: Option<Result<bool>>, now: i64) {
        let Some((code, id)) = self.to.remove(&task) else {
            return;
        };
        match ended {
            Some(Ok(_)) => {}
            Some(Err(error)) => {
                tracing::warn!(house = %code, notification = %id, %error, "somebody was not told of a run");
                self.resting.insert(id, now.saturating_add(REST_US));
            }
            None => {
                tracing::error!(house = %code, notification = %id, "telling of a run ended in a fault");
                self.resting.insert(id, now.saturating_add(REST_US));
            }
        }
        self.look_into(code);
    }
}

impl Core {
    /// What sends notifications.
    fn deliver(&self) -> Result<&dyn Deliver> {
        self.options.deliver.as_deref().ok_or_else(|| {
            Error::unavailable("this process sends no notifications")
                .hint("ask the server that serves")
        })
    }

    /// What tries receivers.
    fn trier(&self) -> Result<Trier<'_>> {
        Ok(Trier {
            deliver: self.deliver()?,
            trials: &self.looked.trials,
        })
    }

    /// Says where notifications of a workspace's runs are sent.
    pub async fn create_notification(
        &self,
        ctx: &Ctx,
        workspace: &Workspace,
        wish: Wish,
    ) -> Result<NotificationView> {
        notification::create(ctx, self.trier()?, workspace, wish).await
    }

    /// Says it otherwise.
    pub async fn update_notification(
        &self,
        ctx: &Ctx,
        id: &NotificationId,
        wish: Wish,
    ) -> Result<NotificationView> {
        notification::update(ctx, self.trier()?, id, wish).await
    }

    /// Sees whether somebody takes what is sent.
    pub async fn verify_notification(
        &self,
        ctx: &Ctx,
        id: &NotificationId,
    ) -> Result<NotificationView> {
        notification::verify(ctx, self.trier()?, id).await
    }

    /// Tells receivers elsewhere what happened to runs. Ends with the wait of the caller
    /// alone; what is on its way then is told again later.
    pub async fn tell_receivers(self: &Arc<Self>) {
        let mut post = Post::default();
        let mut all_known = self.look_for_receivers(&mut post).await;
        let mut round = interval(ROUND_EVERY);
        round.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            self.tell(&mut post).await;
            tokio::select! {
                Some(ended) = post.sending.join_next_with_id() => {
                    let now = (self.options.clock)();
                    match ended {
                        Ok((task, ended)) => post.ended(task, Some(ended), now),
                        Err(error) => post.ended(error.id(), None, now),
                    }
                }
                codes = self.told.heard() => {
                    for code in codes {
                        post.look_into(code);
                    }
                }
                _ = round.tick() => {
                    if !all_known {
                        all_known = self.look_for_receivers(&mut post).await;
                    }
                    self.look_round(&mut post);
                }
            }
        }
    }

    /// What is looked into though nobody said that it changed.
    fn look_round(&self, post: &mut Post) {
        let now = (self.options.clock)();
        post.resting.retain(|_, until| *until > now);
        for house in self.houses.all() {
            post.look_into(house.code());
        }
        let due = post.owed.iter().filter(|(_, at)| **at <= now);
        let due: Vec<HouseCode> = due.map(|(code, _)| *code).collect();
        for code in due {
            post.look_into(code);
        }
    }

    /// Opens one organization after the other, so that what a stop kept from being told is
    /// told. Those where there is nothing are closed again, and those that do not open are
    /// tried again. Says whether it is known which there are.
    async fn look_for_receivers(&self, post: &mut Post) -> bool {
        let organizations = match self.directory_all().await {
            Ok(organizations) => organizations,
            Err(error) => {
                tracing::warn!(%error, "who was not told before is looked for later");
                return false;
            }
        };
        for organization in organizations {
            if organization.status != org::ACTIVE {
                continue;
            }
            let code = organization.code;
            let found = match self.house(code).await {
                Ok(house) => self.to_tell(&house).await,
                Err(error) => Err(error),
            };
            match found {
                Ok(found) if found.is_empty() => self.houses.close_unused(code).await,
                Ok(_) => {
                    post.owed.insert(code, 0);
                    post.look_into(code);
                }
                Err(error) => {
                    tracing::warn!(house = %code, %error, "looking for who was not told before");
                    post.rest(code, (self.options.clock)());
                }
            }
        }
        true
    }

    /// Goes through the houses that are to be looked into, and sends what there is.
    async fn tell(self: &Arc<Self>, post: &mut Post) {
        let now = (self.options.clock)();
        for _ in 0..post.queue.len() {
            let Some(code) = post.queue.pop_front() else {
                return;
            };
            let Some(house) = self.to_look_into(post, code, now).await else {
                continue;
            };
            let found = match self.to_tell(&house).await {
                Ok(found) => found,
                Err(error) => {
                    tracing::warn!(house = %code, %error, "looking whom to tell");
                    post.rest(code, now);
                    continue;
                }
            };
            let at = if found.due.is_empty() {
                found.next_at
            } else {
                Some(now)
            };
            match at {
                Some(at) => post.owed.insert(code, at),
                None => post.owed.remove(&code),
            };
            for id in found.due {
                if post.is_on_its_way(&id) || post.resting.contains_key(&id) {
                    continue;
                }
                if !post.has_room(code) {
                    post.look_into(code);
                    break;
                }
                let (core, of) = (self.clone(), id.clone());
                let task = post
                    .sending
                    .spawn(async move { core.tell_one(code, &of).await });
                post.to.insert(task.id(), (code, id));
            }
        }
    }

    /// A house: as it is open, or opened where somebody is to be told something again.
    async fn to_look_into(&self, post: &mut Post, code: HouseCode, now: i64) -> Option<Arc<House>> {
        let open = self
            .houses
            .all()
            .into_iter()
            .find(|house| house.code() == code);
        if open.is_some() || post.owed.get(&code).is_none_or(|at| *at > now) {
            return open;
        }
        match self.house(code).await {
            Ok(house) => Some(house),
            Err(error) => {
                tracing::warn!(house = %code, %error, "somebody in it is to be told something");
                post.rest(code, now);
                None
            }
        }
    }

    /// Who is to be told something, in one house.
    pub(crate) async fn to_tell(&self, house: &Arc<House>) -> Result<Found> {
        let found = turn::look(house, &self.looked).await?;
        for (id, error) in &found.altered {
            tracing::error!(house = %house.code(), notification = id, %error, "nobody is told of runs");
        }
        Ok(found)
    }

    /// Tells one receiver the next thing, and writes down what came of it. Says whether
    /// there was one. While it waits for the answer it holds no house: as many are open as
    /// messages may be on their way.
    pub(crate) async fn tell_one(&self, code: HouseCode, id: &NotificationId) -> Result<bool> {
        let deliver = self.deliver()?;
        let house = self.house(code).await?;
        let letter = turn::letter(&house, id, &self.looked).await?;
        drop(house);
        let Some(letter) = letter else {
            return Ok(false);
        };
        let organization = self.coded(self.site.seen().await, code).await?;
        let organization = organization.ok_or_else(|| Error::not_found("organization"))?;
        let called = self.called(&letter).await?;
        let (name, now) = (organization.name.as_str(), (self.options.clock)());
        let message = letter.message(deliver.address(), name, &called, now);
        let answer = deliver.send(&message).await;
        let house = self.house(code).await?;
        turn::record(&house, &letter, answer).await?;
        Ok(true)
    }

    /// What the actors of a letter are called: people by their names.
    async fn called(&self, letter: &Letter) -> Result<Vec<String>> {
        let actors = letter.actors();
        let users: Vec<UserId> = actors.iter().filter_map(|id| id.parse().ok()).collect();
        let names = self.names_of(users).await?;
        let name = |actor: &&str| {
            let name = actor.parse().ok().and_then(|id: UserId| names.get(&id));
            name.map_or_else(|| (*actor).to_owned(), Name::to_string)
        };
        Ok(actors.iter().map(name).collect())
    }
}
