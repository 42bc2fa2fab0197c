//! Values come back as they went in, on every engine alike.

use ::dbconn::{Conn, Dialect, Error, RowSink, each_row, insert_all, on_conn};
use chrono::{NaiveDate, NaiveDateTime};
use diesel::{ExpressionMethods, Insertable, QueryDsl, Queryable, Selectable, SelectableHelper};
use diesel_async::RunQueryDsl;

use super::{Harness, desk::Desk};
use crate::{Case, Checked, cases};

diesel::table! {
    things (id) {
        id -> Text,
        body -> Nullable<Text>,
        at -> Timestamp,
        flag -> Bool,
        small -> Integer,
        big -> BigInt,
        raw -> Nullable<Binary>,
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable, Insertable)]
#[diesel(table_name = things, treat_none_as_default_value = false)]
struct Thing {
    id: String,
    body: Option<String>,
    at: NaiveDateTime,
    flag: bool,
    small: i32,
    big: i64,
    raw: Option<Vec<u8>>,
}

pub(super) fn cases() -> Vec<Case<dyn Harness>> {
    cases![
        "values";
        values_come_back_as_they_went_in,
        an_upsert_gives_the_row_as_it_is_now,
        affected_rows_are_counted,
        many_rows_go_in_and_stream_out,
    ]
}

/// Microseconds, the ends of the integers, four-byte characters, a megabyte, arbitrary bytes, nothing.
async fn values_come_back_as_they_went_in(harness: &dyn Harness) -> Checked {
    let desk = with_things(harness).await?;
    let things = vec![
        Thing {
            body: Some("žluťoučký 🗝️ 'quoted' \\ \u{10FFFF}".into()),
            at: moment(123_456),
            flag: true,
            small: i32::MIN,
            big: i64::MAX,
            raw: Some((0..=255).collect()),
            ..thing(0)
        },
        Thing { body: Some("x".repeat(1 << 20)), at: moment(1), small: i32::MAX, big: i64::MIN, ..thing(1) },
        Thing { body: Some(String::new()), raw: Some(Vec::new()), at: moment(999_999), ..thing(2) },
        thing(3),
    ];
    let rows = things.clone();
    let inserted = desk.pool.write(async move |conn: &mut Conn| insert(conn, &rows).await).await;
    assert_eq!(inserted.expect("they go in"), 4);
    let found = desk.pool.read(async |conn: &mut Conn| all(conn).await).await;
    assert!(found.expect("they come out") == things, "something came back changed");
    Ok(())
}

/// One statement inserts or changes, and returns the row.
async fn an_upsert_gives_the_row_as_it_is_now(harness: &dyn Harness) -> Checked {
    let desk = with_things(harness).await?;
    for big in [1, 2] {
        let row = Thing { big, ..thing(0) };
        let expected = row.clone();
        let upserted = desk.pool.write(async move |conn: &mut Conn| upsert(conn, &row).await).await;
        assert_eq!(upserted.expect("it is there or made"), expected);
    }
    Ok(())
}

/// Updates and deletes say how many rows they matched.
async fn affected_rows_are_counted(harness: &dyn Harness) -> Checked {
    let desk = with_things(harness).await?;
    let rows: Vec<_> = (0..5).map(thing).collect();
    desk.pool.write(async move |conn: &mut Conn| insert(conn, &rows).await).await.expect("they go in");
    let counts = desk
        .pool
        .write(async |conn: &mut Conn| -> Result<_, Error> {
            let below = things::table.filter(things::id.lt("00003"));
            let updated =
                on_conn!(conn, |c| diesel::update(below).set(things::flag.eq(false)).execute(c).await)?;
            let gone = things::table.filter(things::id.ge("00003"));
            let deleted = on_conn!(conn, |c| diesel::delete(gone).execute(c).await)?;
            let none = things::table.find("nothing");
            let missed = on_conn!(conn, |c| diesel::delete(none).execute(c).await)?;
            Ok((updated, deleted, missed))
        })
        .await;
    assert_eq!(counts.expect("the statements succeed"), (3, 2, 0));
    Ok(())
}

/// `insert_all!` inserts every row, and `each_row!` gives each of them once, in order, holding ten at a time.
async fn many_rows_go_in_and_stream_out(harness: &dyn Harness) -> Checked {
    let desk = with_things(harness).await?;
    let rows: Vec<_> = (0..1203).map(thing).collect();
    let expected = rows.clone();
    let inserted = desk.pool.write(async move |conn: &mut Conn| insert(conn, &rows).await).await;
    assert_eq!(inserted.expect("they go in"), 1203);
    let streamed = desk
        .pool
        .snapshot(async |conn: &mut Conn| -> Result<_, Error> {
            let mut tens = Tens::default();
            stream(conn, &mut tens).await?;
            Ok(tens)
        })
        .await
        .expect("they come out");
    assert!(streamed.passed_on == expected, "in order, each once");
    assert_eq!(streamed.flushes, 121);
    assert!(streamed.holding.is_empty());
    Ok(())
}

/// Passes rows on in tens.
#[derive(Debug, Default)]
struct Tens {
    holding: Vec<Thing>,
    passed_on: Vec<Thing>,
    flushes: u32,
}

impl RowSink<Thing> for Tens {
    fn push(&mut self, row: Thing) -> Result<(), Error> {
        assert!(!self.is_full(), "flushed when full");
        self.holding.push(row);
        Ok(())
    }

    fn is_full(&self) -> bool {
        self.holding.len() == 10
    }

    async fn flush(&mut self) -> Result<(), Error> {
        self.flush_blocking()
    }

    fn flush_blocking(&mut self) -> Result<(), Error> {
        self.flushes += 1;
        self.passed_on.append(&mut self.holding);
        Ok(())
    }
}

async fn with_things(harness: &dyn Harness) -> Result<Desk<'_>, crate::Absent> {
    let desk = Desk::new(harness).await?;
    let bytes = match desk.pool.dialect() {
        Dialect::Sqlite => "BLOB",
        Dialect::Postgres => "BYTEA",
    };
    desk.run_sql(&format!(
        "CREATE TABLE things (id TEXT PRIMARY KEY, body TEXT, at TIMESTAMP NOT NULL, flag BOOLEAN NOT NULL, \
         small INTEGER NOT NULL, big BIGINT NOT NULL, raw {bytes})"
    ))
    .await;
    Ok(desk)
}

fn thing(number: u32) -> Thing {
    Thing { id: format!("{number:05}"), body: None, at: moment(0), flag: true, small: 0, big: 0, raw: None }
}

fn moment(micros: u32) -> NaiveDateTime {
    let day = NaiveDate::from_ymd_opt(2026, 2, 28).expect("a day");
    day.and_hms_micro_opt(23, 59, 59, micros).expect("a time")
}

async fn insert(conn: &mut Conn, rows: &[Thing]) -> Result<usize, Error> {
    insert_all!(conn, things::table, rows)
}

async fn all(conn: &mut Conn) -> Result<Vec<Thing>, Error> {
    on_conn!(conn, |c| things::table.select(Thing::as_select()).order(things::id).load(c).await)
}

async fn stream(conn: &mut Conn, sink: &mut Tens) -> Result<(), Error> {
    each_row!(conn, things::table.select(Thing::as_select()).order(things::id), Thing, sink)
}

async fn upsert(conn: &mut Conn, thing: &Thing) -> Result<Thing, Error> {
    on_conn!(conn, |c| diesel::insert_into(things::table)
        .values(thing)
        .on_conflict(things::id)
        .do_update()
        .set(things::big.eq(thing.big))
        .returning(Thing::as_returning())
        .get_result(c)
        .await)
}
