//! The application with a fixed clock, seeded randomness, and everything but the database in memory.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use axum::Router;
use dbconn::PoolOptions;
use mailer::layers::Suppressed;
use mailer::preview::Preview;
use mailer::{Mailbox, Mailer, Renderer};
use persistent_fs::Files;
use persistent_fs::links::{KeyRing, LinkKey, LinkSigner};
use undercroft::app::{App, AppState, Settings, Signups, Uploads};
use undercroft::clock::Clock;
use undercroft::jobs::{self, Jobs};
use undercroft::mail::events::Hook;
use undercroft::mail::routes::PREVIEW;
use undercroft::mail::suppressions::Suppressions;
use undercroft::password::PasswordHasher;
use undercroft::rng::Rng;
use undercroft::tokens::Tokens;

use super::{Client, database};

/// 2026-01-02T03:04:05.678901Z, when every test begins.
const BEGINNING: u64 = 1_767_323_045_678_901;

/// An application of a test's own.
pub(crate) struct TestApp {
    /// What handlers see.
    pub(crate) state: AppState,
    /// What was sent.
    pub(crate) inbox: mail_memory::Inbox,
    /// The file store itself.
    pub(crate) files: Files,
    router: Router,
    micros: Arc<AtomicU64>,
    statements: Arc<Mutex<Vec<String>>>,
}

/// What a test chooses about its application.
pub(crate) struct Choice {
    /// Whether there is mail.
    pub(crate) mail: bool,
    /// Who may register.
    pub(crate) signups: Signups,
    /// How attachments are uploaded.
    pub(crate) uploads: Uploads,
    /// Where files are kept.
    pub(crate) files: Files,
    /// Whether a page shows the mails.
    pub(crate) mail_preview: bool,
    /// Who reads what the mail provider tells.
    pub(crate) mail_hook: Option<Arc<dyn Hook>>,
}

impl Default for Choice {
    fn default() -> Self {
        let files = Files::new(fs_memory::Memory::new());
        Self {
            mail: true,
            signups: Signups::Open,
            uploads: Uploads::Ticket,
            files,
            mail_preview: false,
            mail_hook: None,
        }
    }
}

impl TestApp {
    /// The usual application.
    pub(crate) async fn new() -> Self {
        Self::with(Choice::default()).await
    }

    /// An application as chosen.
    pub(crate) async fn with(choice: Choice) -> Self {
        let micros = Arc::new(AtomicU64::new(BEGINNING));
        let clock = {
            let micros = micros.clone();
            Clock::from_fn(move || {
                SystemTime::UNIX_EPOCH + Duration::from_micros(micros.load(Ordering::SeqCst))
            })
        };
        let rng = Rng::seeded(7);
        let statements = Arc::new(Mutex::new(Vec::new()));
        let db = {
            let statements = statements.clone();
            let observe = move |sql: &str| statements.lock().unwrap().push(sql.to_owned());
            database::fresh(PoolOptions::default().with_max_size(4).observed_by(observe)).await
        };
        let settings = Settings {
            domain: url::Url::parse("https://vault.example").unwrap(),
            mail_from: Mailbox::parse("Undercroft <noreply@vault.example>").unwrap(),
            signups: choice.signups,
            uploads: choice.uploads,
        };
        let signer = signer(&settings, &clock);
        let files = choice.files;
        let (backend, inbox) = mail_memory::Memory::new();
        let suppressed = Suppressed::new(backend, Suppressions::new(db.clone(), clock.clone()));
        let mailer = choice.mail.then(|| Mailer::new(suppressed, renderer(&clock, &rng)));
        let cheapest = argon2::Params::new(8, 1, 1, None).unwrap();
        let state = Arc::new(App {
            db,
            files: files.clone(),
            links: signer,
            mailer,
            mail_preview: choice.mail_preview.then(|| Preview::new(inbox.clone()).at(PREVIEW)),
            mail_hook: choice.mail_hook,
            tokens: Tokens::new(&[9; 32], settings.base()).unwrap(),
            passwords: PasswordHasher::with_params(cheapest, &rng),
            jobs: Jobs::default(),
            settings,
            clock,
            rng,
        });
        let router = undercroft::http::router(state.clone());
        let app = Self { state, inbox, files, router, micros, statements };
        app.forget_statements();
        app
    }

    /// A client without a session.
    pub(crate) fn anonymous(&self) -> Client {
        Client::new(self.router.clone())
    }

    /// A registered and logged-in user called `name@vault.example`.
    pub(crate) async fn user(&self, name: &str) -> Client {
        let client = self.anonymous();
        client.register(&format!("{name}@vault.example")).await;
        self.login(name).await
    }

    /// Another session of a user, on a device of its own.
    pub(crate) async fn login(&self, name: &str) -> Client {
        let mut client = self.anonymous();
        let answer = client.log_in(&format!("{name}@vault.example"), &format!("{name}'s device")).await;
        client.adopt(&answer);
        client
    }

    /// Lets time pass.
    pub(crate) fn advance(&self, by: Duration) {
        self.micros.fetch_add(u64::try_from(by.as_micros()).unwrap(), Ordering::SeqCst);
    }

    /// Runs the background jobs once.
    pub(crate) async fn run_jobs(&self) {
        jobs::round(&self.state).await.unwrap();
    }

    /// The statements sent since they were last forgotten.
    pub(crate) fn statements(&self) -> Vec<String> {
        self.statements.lock().unwrap().clone()
    }

    /// Begins to count anew.
    pub(crate) fn forget_statements(&self) {
        self.statements.lock().unwrap().clear();
    }
}

fn signer(settings: &Settings, clock: &Clock) -> LinkSigner {
    let base = url::Url::parse(&format!("{}/blob/", settings.base())).unwrap();
    let ring = KeyRing::new(LinkKey::new("1", &[5; 32]).unwrap());
    let clock = clock.clone();
    LinkSigner::new("files", base, ring, persistent_fs::Clock::new(move || clock.system_time())).unwrap()
}

fn renderer(clock: &Clock, rng: &Rng) -> Renderer {
    let (clock, rng) = (clock.clone(), rng.clone());
    let clock = mailer::Clock::new(move || clock.system_time());
    Renderer::new(clock, mailer::Entropy::new(move || rng.bytes())).with_id_domain("vault.example").unwrap()
}
