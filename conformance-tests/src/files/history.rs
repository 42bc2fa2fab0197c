//! Histories of calls that overlapped, and whether they could have happened one after another.

use std::{
    collections::HashSet,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use persistent_fs::{Backend, ETag, ErrorKind, Key, Meta, ReadOptions, Result, WriteOptions};

use super::{bench::collect, tools::Dice};

/// An object's version is known by its size, since every write has a size of its own. `None` is no object.
type Version = Option<u64>;

/// What a call did to an object, or saw of it, as far as its answer says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Deed {
    Wrote(u64),
    Created(u64),
    FoundPresent,
    Swapped { from: u64, to: u64 },
    FoundOtherThan(u64),
    Removed,
    Saw(Version),
}

/// A call, from the moment it began to the moment it answered.
#[derive(Debug, Clone)]
pub(super) struct Event {
    begun: u64,
    ended: u64,
    deed: Deed,
}

/// Counts moments, so that it is known which calls overlapped.
#[derive(Debug, Clone, Default)]
pub(super) struct Clock(Arc<AtomicU64>);

impl Clock {
    fn tick(&self) -> u64 {
        self.0.fetch_add(1, Ordering::SeqCst)
    }
}

/// Does this many random things to the objects of these keys, and says what came of each, by the number of its key.
pub(super) async fn act(
    files: Arc<dyn Backend>,
    keys: Vec<Key>,
    clock: Clock,
    mut dice: Dice,
    calls: u64,
    task: u64,
) -> Vec<(usize, Event)> {
    let (mut events, mut known) = (Vec::new(), vec![None; keys.len()]);
    for call in 0..calls {
        let nth = dice.below(keys.len());
        let size = 1 + task * calls + call;
        let choice = dice.below(10);
        let begun = clock.tick();
        let (deed, seen) = act_once(&*files, &keys[nth], size, choice, known[nth].as_ref()).await;
        let ended = clock.tick();
        known[nth] = seen.or_else(|| known[nth].take());
        events.push((nth, Event { begun, ended, deed }));
    }
    events
}

/// The size and the version of an object, to swap it by.
type Known = (u64, ETag);

async fn act_once(
    files: &dyn Backend,
    key: &Key,
    size: u64,
    choice: usize,
    known: Option<&Known>,
) -> (Deed, Option<Known>) {
    let can = files.capabilities();
    match (choice, known) {
        (0 | 1, _) if can.create => match write(files, key, size, WriteOptions::create()).await {
            Ok(meta) => (Deed::Created(size), version(&meta)),
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::AlreadyExists, "{error:?}");
                (Deed::FoundPresent, None)
            }
        },
        (2 | 3, Some((from, etag))) if can.compare_and_swap => {
            match write(files, key, size, WriteOptions::matching(etag.clone())).await {
                Ok(meta) => (Deed::Swapped { from: *from, to: size }, version(&meta)),
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::Precondition, "{error:?}");
                    (Deed::FoundOtherThan(*from), None)
                }
            }
        }
        (4, _) => {
            files.delete(key).await.expect("deleted");
            (Deed::Removed, None)
        }
        (5 | 6, _) => {
            let meta = write(files, key, size, WriteOptions::default()).await.expect("written");
            (Deed::Wrote(size), version(&meta))
        }
        (7, _) => saw(files.head(key).await),
        _ => match files.read(key, ReadOptions::default()).await {
            Ok(download) => {
                let body = collect(download.body).await.expect("a body");
                assert!(body == contents(download.meta.size), "a body of another version");
                saw(Ok(download.meta))
            }
            Err(error) => saw(Err(error)),
        },
    }
}

/// Every other write is an upload, so that both ways meet.
async fn write(files: &dyn Backend, key: &Key, size: u64, options: WriteOptions) -> Result<Meta> {
    let (body, options) = (contents(size), options.atomic());
    if size.is_multiple_of(2) {
        return files.put(key, body.into(), options).await;
    }
    let mut upload = files.writer(key, options).await?;
    upload.write(body.into()).await?;
    upload.finish().await
}

fn contents(size: u64) -> Vec<u8> {
    let length = usize::try_from(size).expect("small");
    vec![u8::try_from(size % 251).expect("small"); length]
}

fn version(meta: &Meta) -> Option<Known> {
    Some((meta.size, meta.etag.clone()?))
}

fn saw(answer: Result<Meta>) -> (Deed, Option<Known>) {
    match answer {
        Ok(meta) => (Deed::Saw(Some(meta.size)), version(&meta)),
        Err(error) => {
            assert!(error.is_not_found(), "{error:?}");
            (Deed::Saw(None), None)
        }
    }
}

/// Whether there is an order of these calls, each between its beginning and its end, that explains all answers. There
/// is no object at first.
pub(super) fn is_explained(events: &[Event]) -> bool {
    assert!(events.len() <= 128, "more calls than there are bits to note them");
    explain(events, 0, None, &mut HashSet::new())
}

/// `done` are the calls that have had their turn, a bit for each. What has led nowhere once is not tried again.
fn explain(events: &[Event], done: u128, now: Version, tried: &mut HashSet<(u128, Version)>) -> bool {
    let left = || events.iter().enumerate().filter(|(nth, _)| done & (1 << nth) == 0);
    let Some(first_end) = left().map(|(_, event)| event.ended).min() else { return true };
    if !tried.insert((done, now)) {
        return false;
    }
    // Whoever began after another had ended cannot come before it.
    let mut next = left().filter(|(_, event)| event.begun < first_end);
    next.any(|(nth, event)| {
        after(event.deed, now).is_some_and(|then| explain(events, done | (1 << nth), then, tried))
    })
}

/// What is there after this deed, if what was there before allows its answer.
fn after(deed: Deed, now: Version) -> Option<Version> {
    match deed {
        Deed::Wrote(size) => Some(Some(size)),
        Deed::Created(size) if now.is_none() => Some(Some(size)),
        Deed::Swapped { from, to } if now == Some(from) => Some(Some(to)),
        Deed::FoundPresent if now.is_some() => Some(now),
        Deed::FoundOtherThan(size) if now != Some(size) => Some(now),
        Deed::Removed => Some(None),
        Deed::Saw(seen) if seen == now => Some(now),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(begun: u64, ended: u64, deed: Deed) -> Event {
        Event { begun, ended, deed }
    }

    #[test]
    fn calls_that_overlap_may_come_in_any_order() {
        let write = event(0, 3, Deed::Wrote(1));
        for seen in [None, Some(1)] {
            assert!(is_explained(&[write.clone(), event(1, 2, Deed::Saw(seen))]));
        }
        assert!(!is_explained(&[write, event(1, 2, Deed::Saw(Some(7)))]));
    }

    #[test]
    fn calls_that_do_not_overlap_come_in_their_order() {
        let write = event(0, 1, Deed::Wrote(1));
        assert!(is_explained(&[write.clone(), event(2, 3, Deed::Saw(Some(1)))]));
        assert!(!is_explained(&[write, event(2, 3, Deed::Saw(None))]));
    }

    #[test]
    fn two_creators_cannot_both_have_won() {
        assert!(is_explained(&[event(0, 2, Deed::Created(1)), event(1, 3, Deed::FoundPresent)]));
        assert!(!is_explained(&[event(0, 2, Deed::Created(1)), event(1, 3, Deed::Created(2))]));
    }
}
