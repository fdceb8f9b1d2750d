//! Alerts: what happens in calls is looked at through the tenants' rules.
//!
//! Every process looks at what it hears of at once, and at what the database says every few
//! seconds; the database decides which alert is opened. So several processes open each alert once,
//! and what was not heard of is found.

pub(crate) mod engine;
pub(crate) mod preview;

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sidetone_service::Lifecycle;
use sidetone_wire::socket::CallEventType;
use sidetone_wire::{
    AlertKind, AlertRule, AlertSubject, Call, CallId, Command, EndClass, Levels, TenantId,
    Timestamp,
};
use tokio::sync::mpsc;
use tracing::{error, info};
use uuid::Uuid;

use crate::app::App;
use crate::metrics;
use crate::store::{self, NewAlert, Opened, Raised};
use engine::{Engine, Output, Snapshot, Subject};

/// What waits to be looked at: some seconds of a busy system. Beyond it news is dropped and
/// counted; what the database says repairs all but keywords, moods and silence.
const QUEUE: usize = 8192;
/// How often the time is looked at.
const TICK: Duration = Duration::from_secs(1);
/// How often the database is asked what it says.
const SNAPSHOT_TICKS: u32 = 10;
/// How often gateways are asked for levels of calls whose silence matters.
const LEVELS_TICKS: u32 = 20;
/// Active calls and failures read of a tenant at once.
const READ_MAX: u32 = 20_000;
/// How far back failures are read: the longest window.
const WINDOW_MAX: Duration = Duration::from_hours(24);
/// A firing that could not be written is tried again after that.
const AGAIN: Duration = Duration::from_secs(5);
/// Louder than that is somebody; 0.01 is -40 dB below full scale.
const HEARD: f32 = 0.01;

/// What happens.
enum News {
    Call(CallEventType, Box<Call>),
    Said(CallId, String),
    Mood(CallId, f64),
    Sound(CallId, bool),
    Agents(TenantId),
    Rules,
}

/// Where news arrives.
pub(crate) struct Alerts {
    news: mpsc::Sender<News>,
    /// Taken by [`run`].
    incoming: Mutex<Option<mpsc::Receiver<News>>>,
    /// Whether somebody is heard in calls whose silence matters, as far as that is known.
    sounds: Mutex<HashMap<CallId, Option<bool>>>,
}

impl Default for Alerts {
    fn default() -> Self {
        let (news, incoming) = mpsc::channel(QUEUE);
        Self {
            news,
            incoming: Mutex::new(Some(incoming)),
            sounds: Mutex::default(),
        }
    }
}

impl Alerts {
    fn tell(&self, news: News) {
        if self.news.try_send(news).is_err() {
            metrics::alert_news_dropped();
        }
    }

    /// A call began, changed or ended.
    pub(crate) fn call_changed(&self, kind: CallEventType, call: &Call) {
        self.tell(News::Call(kind, Box::new(call.clone())));
    }

    /// Something was said in a call, and will not change any more.
    pub(crate) fn said(&self, call: CallId, text: &str) {
        self.tell(News::Said(call, text.to_owned()));
    }

    /// The customer's mood in a call is that now, from -1 to 1.
    pub(crate) fn mood(&self, call: CallId, score: f64) {
        self.tell(News::Mood(call, score));
    }

    /// A tenant's agents take calls, or no longer.
    pub(crate) fn agents_changed(&self, tenant: TenantId) {
        self.tell(News::Agents(tenant));
    }

    /// A tenant's rules are others now.
    pub(crate) fn rules_changed(&self) {
        self.tell(News::Rules);
    }

    /// A call is that loud.
    pub(crate) fn levels(&self, call: CallId, levels: Levels) {
        let heard = levels.customer >= HEARD || levels.agent >= HEARD;
        let mut sounds = self.sounds.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = sounds.get_mut(&call)
            && known.replace(heard) != Some(heard)
        {
            drop(sounds);
            self.tell(News::Sound(call, heard));
        }
    }

    /// A gateway measures a call, and tells what changes: until it does, nobody is heard.
    fn measured(&self, call: CallId) {
        let mut sounds = self.sounds.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known @ None) = sounds.get_mut(&call) {
            *known = Some(false);
            drop(sounds);
            self.tell(News::Sound(call, false));
        }
    }

    fn listen_to(&self, calls: &[CallId]) {
        let mut sounds = self.sounds.lock().unwrap_or_else(PoisonError::into_inner);
        let calls: HashSet<CallId> = calls.iter().copied().collect();
        sounds.retain(|call, _| calls.contains(call));
        for call in calls {
            sounds.entry(call).or_insert(None);
        }
    }
}

impl App {
    /// Tells a tenant's clients what an alert is now.
    pub(crate) async fn tell_alert(&self, raised: &Raised) {
        self.realtime
            .tell(raised.tenant, "alert", &raised.alert)
            .await;
    }

    /// The same for several.
    pub(crate) async fn tell_alerts(&self, raised: &[Raised]) {
        for one in raised {
            self.tell_alert(one).await;
        }
    }
}

/// What one process looks with.
struct Lookout {
    app: Arc<App>,
    engine: Engine,
    rules: HashMap<Uuid, (TenantId, AlertRule)>,
    /// Tenants whose agents are to be counted again.
    recount: HashSet<TenantId>,
    /// A call is there whose silence matters and that nobody measures yet.
    unheard: bool,
}

/// Looks until the process drains. What is open stays so in the database, for the next one.
pub(crate) async fn run(app: Arc<App>, lifecycle: Lifecycle) -> anyhow::Result<()> {
    let incoming = app
        .alerts
        .incoming
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .take();
    let Some(mut incoming) = incoming else {
        anyhow::bail!("alerts are looked for already");
    };
    let mut tick = tokio::time::interval(TICK);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut lookout = Lookout {
        app,
        engine: Engine::default(),
        rules: HashMap::new(),
        recount: HashSet::new(),
        unheard: false,
    };
    let mut ticks: u32 = 0;
    loop {
        let done = tokio::select! {
            _ = tick.tick() => {
                ticks = ticks.wrapping_add(1);
                lookout.tick(ticks).await
            }
            Some(news) = incoming.recv() => lookout.hear(news).await,
            () = lifecycle.draining() => return Ok(()),
        };
        if let Err(error) = done {
            error!(%error, "alerts could not be looked after; tried again soon");
        }
    }
}

impl Lookout {
    fn now(&self) -> Timestamp {
        self.app.trusted()
    }

    async fn tick(&mut self, ticks: u32) -> store::Result<()> {
        if ticks % SNAPSHOT_TICKS == 1 {
            self.read_rules().await?;
            self.read_all().await?;
        }
        for tenant in std::mem::take(&mut self.recount) {
            let available = self.app.store.tenant(tenant).available_agents().await?;
            let out = self.engine.handle_agents(tenant, available, self.now());
            self.act(out).await?;
        }
        let out = self.engine.handle_tick(self.now());
        self.act(out).await?;
        if std::mem::take(&mut self.unheard) || ticks % LEVELS_TICKS == 1 {
            self.listen();
        }
        self.app
            .tell_alerts(&self.app.store.end_snoozes(self.now()).await?)
            .await;
        Ok(())
    }

    async fn hear(&mut self, news: News) -> store::Result<()> {
        let now = self.now();
        let out = match news {
            News::Call(kind, call) => self.call(kind, &call, now),
            News::Said(call, text) => self.engine.handle_said(call, &text, now),
            News::Mood(call, score) => self.engine.handle_mood(call, score, now),
            News::Sound(call, heard) => self.engine.handle_sound(call, heard, now),
            News::Agents(tenant) => {
                self.count_again(tenant);
                Vec::new()
            }
            News::Rules => {
                self.read_rules().await?;
                return self.read_all().await;
            }
        };
        self.act(out).await
    }

    fn call(&mut self, kind: CallEventType, call: &Call, now: Timestamp) -> Vec<Output> {
        let tenant = call.client_id;
        if kind != CallEventType::Updated {
            self.count_again(tenant);
        }
        if kind == CallEventType::Started && self.engine.watches(tenant, AlertKind::Silence) {
            self.unheard = true;
        }
        if call.ended_at.is_none() {
            return self
                .engine
                .handle_call(tenant, call.id, call.started_at, now);
        }
        // what changes of a call that is over is no news here
        if kind != CallEventType::Ended {
            return Vec::new();
        }
        let failed = call
            .end_reason
            .as_ref()
            .is_some_and(|reason| matches!(reason.class, EndClass::Upstream | EndClass::Ours));
        self.engine.handle_end(tenant, call.id, failed, now)
    }

    fn count_again(&mut self, tenant: TenantId) {
        if self.engine.watches(tenant, AlertKind::NoAgentAvailable) {
            self.recount.insert(tenant);
        }
    }

    /// Asks the gateways for levels of calls whose silence matters.
    fn listen(&self) {
        let calls = self.engine.listened_to();
        self.app.alerts.listen_to(&calls);
        for call in calls {
            let app = self.app.clone();
            tokio::spawn(async move {
                let asked = app.fleet.command(call, Command::WatchLevels { call }).await;
                if asked.is_ok() {
                    app.alerts.measured(call);
                }
            });
        }
    }

    /// Reads the rules, and what is open of them.
    async fn read_rules(&mut self) -> store::Result<()> {
        let mut of_tenants: HashMap<TenantId, Vec<AlertRule>> = HashMap::new();
        self.rules.clear();
        for (tenant, rule) in self.app.store.enabled_rules().await? {
            self.rules.insert(rule.id, (tenant, rule.clone()));
            of_tenants.entry(tenant).or_default().push(rule);
        }
        for tenant in self.engine.tenants() {
            of_tenants.entry(tenant).or_default();
        }
        for (tenant, rules) in of_tenants {
            self.engine.handle_rules(tenant, &rules);
        }
        let standing = self.app.store.open_alerts().await?;
        let standing = standing.into_iter().filter_map(|open| {
            let subject = match open.subject {
                AlertSubject::Tenant => Subject::Tenant,
                AlertSubject::Call => Subject::Call(CallId(open.subject_id)),
                AlertSubject::Subscription => return None,
            };
            Some((open.tenant, open.rule, subject))
        });
        self.engine.handle_standing(&standing.collect());
        self.listen();
        Ok(())
    }

    /// Reads what the database says of every tenant that has rules.
    async fn read_all(&mut self) -> store::Result<()> {
        for id in self.engine.tenants() {
            let tenant = self.app.store.tenant(id);
            let now = self.now();
            let window = WINDOW_MAX.as_millis() as i64;
            let since = Timestamp::from_unix_ms(now.unix_ms() - window);
            let mut snapshot = Snapshot {
                active: tenant.active_since(READ_MAX).await?,
                ..Snapshot::default()
            };
            if self.engine.watches(id, AlertKind::FailedCalls) {
                snapshot.failed = tenant.failed_since(since, READ_MAX).await?;
            }
            if self.engine.watches(id, AlertKind::NoAgentAvailable) {
                snapshot.available = Some(tenant.available_agents().await?);
            }
            let out = self.engine.handle_snapshot(id, &snapshot, now);
            self.act(out).await?;
        }
        Ok(())
    }

    /// Opens and clears in the database, and tells.
    async fn act(&mut self, out: Vec<Output>) -> store::Result<()> {
        for output in out {
            match output {
                Output::Fire {
                    tenant,
                    rule,
                    subject,
                    value,
                    word,
                } => self.fire(tenant, rule, subject, value, word).await?,
                Output::Clear {
                    tenant,
                    rule,
                    subject,
                } => {
                    let (kind, id) = columns(subject, tenant);
                    let tenant = self.app.store.tenant(tenant);
                    let cleared = tenant.clear_alert(rule, kind, id, self.now()).await?;
                    if let Some(raised) = cleared {
                        info!(alert = %raised.alert.id, "an alert cleared");
                        self.app.tell_alert(&raised).await;
                    }
                }
            }
        }
        Ok(())
    }

    async fn fire(
        &mut self,
        tenant: TenantId,
        id: Uuid,
        subject: Subject,
        value: f64,
        word: Option<String>,
    ) -> store::Result<()> {
        let Some((_, rule)) = self.rules.get(&id) else {
            return Ok(());
        };
        let (kind, subject_id) = columns(subject, tenant);
        let new = NewAlert {
            rule: Some(id),
            name: rule.name.clone(),
            kind: Some(rule.condition.kind),
            severity: rule.severity,
            subject: kind,
            subject_id,
            value: Some(value),
            message: message(rule, value, word.as_deref()),
            cooldown_seconds: rule.condition.cooldown_seconds,
        };
        let now = self.now();
        let opened = self.app.store.tenant(tenant).open_alert(&new, now).await;
        let until = match opened {
            Ok(Opened::Raised(raised)) => {
                info!(alert = %raised.alert.id, rule = %id, "an alert fired");
                metrics::alert_fired(rule.condition.kind);
                self.app.tell_alert(&raised).await;
                return Ok(());
            }
            Ok(Opened::Standing | Opened::NoRule) => return Ok(()),
            Ok(Opened::NotBefore(until)) => until,
            Err(error) => {
                error!(%error, "an alert could not be opened; tried again soon");
                Timestamp::from_unix_ms(now.unix_ms() + AGAIN.as_millis() as i64)
            }
        };
        self.engine.handle_refused(tenant, id, subject, until);
        Ok(())
    }
}

/// A subject as alerts have it.
fn columns(subject: Subject, tenant: TenantId) -> (AlertSubject, Uuid) {
    match subject {
        Subject::Tenant => (AlertSubject::Tenant, tenant.0),
        Subject::Call(call) => (AlertSubject::Call, call.0),
    }
}

/// What an alert says. Nothing of what was said in a call but the rule's own word.
fn message(rule: &AlertRule, value: f64, word: Option<&str>) -> String {
    let whole = value.floor();
    match rule.condition.kind {
        AlertKind::ConcurrentCalls => format!("{whole} calls at once."),
        AlertKind::LongCall => format!("A call has gone on for {whole} seconds."),
        AlertKind::FailedCalls => {
            let window = engine::window_seconds(&rule.condition);
            format!("{whole} calls failed within {window} seconds.")
        }
        AlertKind::NoAgentAvailable => format!("{whole} agents are available."),
        AlertKind::NegativeSentiment => format!("A customer's sentiment is {value:.2}."),
        AlertKind::Keyword => format!("“{}” was said in a call.", word.unwrap_or_default()),
        AlertKind::Silence => format!("Nobody was heard in a call for {whole} seconds."),
    }
}
