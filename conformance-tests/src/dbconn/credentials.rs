//! As whom connections are opened, and until when.

use std::{sync::Arc, time::Duration};

use ::dbconn::{
    Ask, Backend, Conn, Credentials, Error, ErrorKind, Generation, Pool, PoolOptions, Secret, Verdict,
    on_conn,
};
use diesel::sql_types::Text;
use diesel_async::RunQueryDsl;

use super::{
    Harness,
    desk::{Desk, Hands, SERVER, Twisted, body, count},
};
use crate::{Case, Checked, cases};

pub(super) fn cases() -> Vec<Case<dyn Harness>> {
    cases![
        "credentials";
        they_are_asked_for_once_per_new_connection,
        expired_ones_are_never_sent,
        an_error_of_the_source_reaches_the_caller,
        a_hanging_source_is_cut_by_the_connect_timeout,
        no_debug_or_error_shows_a_password,
        kept_ones_are_renewed_ahead_of_their_end,
        callers_at_once_share_one_renewal,
        kept_ones_serve_while_a_renewal_fails_and_no_longer,
        refused_ones_are_not_kept,
    ]
}

pub(super) fn user_cases() -> Vec<Case<dyn Harness>> {
    cases![
        "credentials" needs SERVER;
        user_and_password_arrive_unchanged,
        a_refused_login_is_renewed_once_and_then_given_up,
        a_rotated_password_is_noticed_by_new_connections_only,
    ]
}

/// The pool asks once for each new connection and never for one it uses again.
async fn they_are_asked_for_once_per_new_connection(harness: &dyn Harness) -> Checked {
    let setting = harness.open().await?;
    let counting = Arc::new(Twisted::counting(&setting.backend));
    let pool = harness.pool(Arc::clone(&counting) as _, PoolOptions::default()).expect("a pool opens");
    assert_eq!(counting.asked(), 0, "opening a pool opens no connection");
    for _ in 0..5 {
        let one = body(|conn| Box::pin(async move { conn.batch_execute("SELECT 1").await.map(|()| 1) }));
        harness.read(&pool, one).await.expect("a read");
    }
    assert_eq!(counting.asked(), 1, "one connection, used five times");
    Ok(())
}

/// The pool refuses to send credentials whose `not_after` has passed.
async fn expired_ones_are_never_sent(harness: &dyn Harness) -> Checked {
    let setting = harness.open().await?;
    let hands = Hands::new();
    let end = hands.now();
    let stale = Twisted::new(&setting.backend, move |_, credentials| {
        Ok(Credentials { not_after: Some(end), ..credentials })
    });
    let options = PoolOptions { clock: hands.clock(), ..PoolOptions::default() };
    let pool = harness.pool(Arc::new(stale), options).expect("a pool opens");
    let error = pool.check().await.expect_err("they end now");
    assert_eq!(*error.kind(), ErrorKind::Denied);
    assert_eq!(pool.status().open, 0);
    Ok(())
}

/// Errors reach whoever waits for the connection, as they are.
async fn an_error_of_the_source_reaches_the_caller(harness: &dyn Harness) -> Checked {
    let setting = harness.open().await?;
    let failing = Twisted::new(&setting.backend, |before, credentials| match before {
        0 => Err(Error::new(ErrorKind::Limit, "credentials", "the vault is sealed")),
        _ => Ok(credentials),
    });
    let pool = harness.pool(Arc::new(failing), PoolOptions::default()).expect("a pool opens");
    let error = pool.check().await.expect_err("the source failed");
    assert_eq!((error.kind(), error.operation()), (&ErrorKind::Limit, "credentials"));
    pool.check().await.expect("and then it works again");
    Ok(())
}

/// The call is cut when the pool's connect timeout ends.
async fn a_hanging_source_is_cut_by_the_connect_timeout(harness: &dyn Harness) -> Checked {
    #[derive(Debug)]
    struct Hanging(Arc<dyn Backend>);

    #[async_trait::async_trait]
    impl Backend for Hanging {
        fn target(&self) -> &::dbconn::Target {
            self.0.target()
        }

        async fn credentials(&self, _: &Ask<'_>) -> Result<Credentials, Error> {
            std::future::pending().await
        }
    }

    let setting = harness.open().await?;
    let options = PoolOptions { connect_timeout: Duration::from_millis(50), ..PoolOptions::default() };
    let pool = harness.pool(Arc::new(Hanging(setting.backend)), options).expect("a pool opens");
    let error = pool.check().await.expect_err("the source hangs");
    assert_eq!(*error.kind(), ErrorKind::Timeout);
    Ok(())
}

/// Neither the text of an error nor any `Debug` contains a password.
async fn no_debug_or_error_shows_a_password(harness: &dyn Harness) -> Checked {
    const CANARY: &str = "canary-4f1d";
    let setting = harness.open().await?;
    let twisted = Twisted::new(&setting.backend, |_, credentials| {
        Ok(Credentials { password: Secret::new(CANARY), ..credentials })
    });
    let backend = harness.rotating(Arc::new(twisted), Duration::ZERO);
    let pool = harness.pool(Arc::clone(&backend), PoolOptions::default()).expect("a pool opens");
    let mut texts = vec![format!("{:?}", setting.backend)];
    if let Err(error) = pool.check().await {
        texts.push(format!("{error} {error:?}"));
    }
    let own = setting.backend.credentials(&Ask::new(setting.backend.target(), Hands::new().now())).await;
    let own = own.expect("the backend gives credentials").password;
    texts.push(format!("{pool:?} {backend:?} {:?} {own:?}", setting.backend.target()));
    for text in texts {
        assert!(!text.contains(CANARY), "{text}");
        let own = String::from_utf8_lossy(own.expose());
        assert!(own.is_empty() || !text.contains(&*own), "{text}");
    }
    Ok(())
}

/// They are renewed from `ahead` before their end, and kept until then.
async fn kept_ones_are_renewed_ahead_of_their_end(harness: &dyn Harness) -> Checked {
    let (source, kept, hands) = rotation(harness, |_| Ok(())).await?;
    let first = ask(&kept, &hands).await.expect("credentials");
    hands.forward(Duration::from_secs(89));
    assert_eq!(ask(&kept, &hands).await.expect("credentials"), first);
    assert_eq!(source.asked(), 1);
    hands.forward(Duration::from_secs(2));
    let second = ask(&kept, &hands).await.expect("credentials");
    assert!(second.generation > first.generation, "renewed ten seconds ahead of the end");
    assert_eq!(source.asked(), 2);
    Ok(())
}

/// One renewal runs at a time, and everybody else who needs it waits for its result.
async fn callers_at_once_share_one_renewal(harness: &dyn Harness) -> Checked {
    let (source, kept, hands) = rotation(harness, |_| Ok(())).await?;
    // In one task, so that each has begun before the first has an answer.
    let asking = (0..32).map(|_| ask(&kept, &hands));
    for asked in futures_util::future::join_all(asking).await {
        assert_eq!(asked.expect("credentials").generation, Generation(1));
    }
    assert_eq!(source.asked(), 1);
    Ok(())
}

/// If a renewal fails while the kept credentials are still valid, those are used; afterwards the error is.
async fn kept_ones_serve_while_a_renewal_fails_and_no_longer(harness: &dyn Harness) -> Checked {
    let (_, kept, hands) = rotation(harness, |before| match before {
        0 => Ok(()),
        _ => Err(Error::new(ErrorKind::Unavailable, "credentials", "the vault is away")),
    })
    .await?;
    let first = ask(&kept, &hands).await.expect("credentials");
    hands.forward(Duration::from_secs(95));
    assert_eq!(ask(&kept, &hands).await.expect("still valid for five seconds"), first);
    hands.forward(Duration::from_secs(5));
    let error = ask(&kept, &hands).await.expect_err("they have ended");
    assert_eq!(*error.kind(), ErrorKind::Unavailable);
    Ok(())
}

/// If the server refuses the kept credentials they are fetched anew at once, whatever their end.
async fn refused_ones_are_not_kept(harness: &dyn Harness) -> Checked {
    let (source, kept, hands) = rotation(harness, |_| Ok(())).await?;
    let first = ask(&kept, &hands).await.expect("credentials");
    let refusal = ::dbconn::Refusal::new("28P01", "refused", None);
    assert_eq!(kept.refused(&first, &refusal).await, Verdict::Renew);
    assert_eq!(ask(&kept, &hands).await.expect("credentials").generation, Generation(2));
    // Another caller was refused with the first ones too, and must not throw away the second.
    assert_eq!(kept.refused(&first, &refusal).await, Verdict::Renew);
    assert_eq!(ask(&kept, &hands).await.expect("credentials").generation, Generation(2));
    assert_eq!(source.asked(), 2);
    Ok(())
}

/// User name and password reach the server byte for byte.
async fn user_and_password_arrive_unchanged(harness: &dyn Harness) -> Checked {
    let desk = Desk::new(harness).await?;
    let passwords = ["a%20b", "@:/?#[]&=+", "'\"\\", "ünïcode 🗝", &"long".repeat(1024)];
    for (number, password) in passwords.into_iter().enumerate() {
        let role = Role::new(&desk, number, password).await;
        let pool = role.pool(&desk, password);
        let user: Result<String, Error> = pool.read(async |conn: &mut Conn| current_user(conn).await).await;
        drop(pool);
        role.drop(&desk).await;
        assert_eq!(user.expect("the login is accepted"), role.name);
    }
    Ok(())
}

/// A `Verdict::Renew` is honoured once per connection, and the error says `Denied`.
async fn a_refused_login_is_renewed_once_and_then_given_up(harness: &dyn Harness) -> Checked {
    let setting = harness.open().await?;
    let mut twisted = Twisted::new(&setting.backend, |_, credentials| {
        Ok(Credentials { password: Secret::new("certainly wrong"), ..credentials })
    });
    twisted.verdict = Verdict::Renew;
    let twisted = Arc::new(twisted);
    let pool = harness.pool(Arc::clone(&twisted) as _, PoolOptions::default()).expect("a pool opens");
    let error = pool.check().await.expect_err("the password is wrong");
    assert_eq!(*error.kind(), ErrorKind::Denied);
    assert_eq!((twisted.asked(), count(&twisted.refused)), (2, 2));
    Ok(())
}

/// Open sessions go on, and a new one that is refused with the old password gets the new one at once.
async fn a_rotated_password_is_noticed_by_new_connections_only(harness: &dyn Harness) -> Checked {
    let desk = Desk::new(harness).await?;
    let role = Role::new(&desk, 9, "first").await;
    let name = role.name.clone();
    let source = Arc::new(Twisted::new(&desk.setting.backend, move |before, _| {
        let password = if before == 0 { "first" } else { "second" };
        Ok(Credentials::new(&name, Secret::new(password)))
    }));
    let rotating = harness.rotating(Arc::clone(&source) as _, Duration::ZERO);
    let pool = harness.pool(rotating, PoolOptions::default().with_max_size(2)).expect("a pool opens");
    pool.check().await.expect("the first password holds");
    desk.run_sql(&format!("ALTER ROLE {} PASSWORD 'second'", role.name)).await;
    pool.check().await.expect("the open session goes on");
    assert_eq!(source.asked(), 1);

    let inner = pool.clone();
    let both = pool.read(async move |_: &mut Conn| -> Result<(), Error> { inner.check().await }).await;
    both.expect("the second connection is opened with the second password");
    assert_eq!(source.asked(), 2);
    drop(pool);
    role.drop(&desk).await;
    Ok(())
}

/// A source whose credentials last 100 seconds and are numbered from 1, kept and renewed ten seconds ahead.
async fn rotation(
    harness: &dyn Harness,
    fails: impl Fn(u32) -> Result<(), Error> + Send + Sync + 'static,
) -> Result<(Arc<Twisted>, Arc<dyn Backend>, Hands), crate::Absent> {
    let setting = harness.open().await?;
    let hands = Hands::new();
    let now = hands.clone();
    let source = Arc::new(Twisted::new(&setting.backend, move |before, mut credentials| {
        fails(before)?;
        credentials.not_after = Some(now.now() + Duration::from_secs(100));
        credentials.generation = Generation(u64::from(before) + 1);
        Ok(credentials)
    }));
    let kept = harness.rotating(Arc::clone(&source) as _, Duration::from_secs(10));
    Ok((source, kept, hands))
}

async fn ask(backend: &Arc<dyn Backend>, hands: &Hands) -> Result<Credentials, Error> {
    backend.credentials(&Ask::new(backend.target(), hands.now())).await
}

async fn current_user(conn: &mut Conn) -> Result<String, Error> {
    on_conn!(conn, |c| diesel::select(diesel::dsl::sql::<Text>("current_user::text")).get_result(c).await)
}

/// A database role made for a case. Roles belong to the whole server, hence the name of the database in theirs.
struct Role {
    name: String,
}

impl Role {
    async fn new(desk: &Desk<'_>, number: usize, password: &str) -> Self {
        let ::dbconn::Endpoint::Postgres(server) = &desk.pool.target().endpoint else {
            panic!("only servers have roles");
        };
        let name = format!("{}_role{number}", server.database);
        let quoted = password.replace('\'', "''");
        desk.run_sql(&format!("CREATE ROLE {name} LOGIN PASSWORD '{quoted}'")).await;
        Self { name }
    }

    fn pool(&self, desk: &Desk<'_>, password: &str) -> Pool {
        let credentials = Credentials::new(&self.name, Secret::new(password));
        let backend = Twisted::new(&desk.setting.backend, move |_, _| Ok(credentials.clone()));
        desk.harness.pool(Arc::new(backend), PoolOptions::default()).expect("a pool opens")
    }

    async fn drop(&self, desk: &Desk<'_>) {
        desk.run_sql(&format!("DROP ROLE {}", self.name)).await;
    }
}
