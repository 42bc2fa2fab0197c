//! How the flawed store writes and deletes.

use std::sync::atomic::Ordering;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::TryStreamExt;
use persistent_fs::{
    Backend, ByteRange, Error, ErrorKind, Key, Meta, Prefix, ReadOptions, Result, Upload, WriteMode,
    WriteOptions,
};
use tokio::task::yield_now;

use crate::{
    flaw::Flaw,
    flawed::{Flawed, hold},
};

const HUGE: usize = 8 << 20;

pub(crate) async fn put(
    store: &Flawed,
    key: &Key,
    mut body: Bytes,
    mut options: WriteOptions,
) -> Result<Meta> {
    store.look_first(key, &options).await?;
    let memory = &store.memory;
    match store.flaw {
        Flaw::DropPoisons => return store.busily(memory.put(key, body, options)).await,
        Flaw::DropLeaks => {
            hold(&store.notes.litter).push(key.to_string());
            yield_now().await;
            let written = memory.put(key, body, options).await;
            hold(&store.notes.litter).retain(|name| *name != key.as_str());
            return written;
        }
        Flaw::LosersLeak => return store.leak_if_lost(memory.put(key, body, options).await),
        Flaw::PrefixDeleteBlocksWriters if store.notes.busy.load(Ordering::SeqCst) => {
            return Err(Error::new(ErrorKind::Unavailable, "a prefix is being deleted"));
        }
        Flaw::ReplaceIsDeleteAndPut if options.mode == WriteMode::Replace => {
            memory.delete(key).await?;
            yield_now().await;
        }
        Flaw::ReplaceKeepsTheTail => {
            if let Ok(old) = memory.read(key, ReadOptions::range(ByteRange::From(body.len() as u64))).await {
                let tail = old.body.try_collect::<Vec<_>>().await?.concat();
                body = [&body[..], &tail].concat().into();
            }
        }
        Flaw::TypeIsSimplified => {
            options.content_type =
                options.content_type.and_then(|text| text.split(';').next().map(str::to_owned));
        }
        _ => {}
    }
    memory.put(key, body, options).await
}

pub(crate) async fn copy(store: &Flawed, from: &Key, to: &Key, mut options: WriteOptions) -> Result<Meta> {
    let memory = &store.memory;
    match store.flaw {
        Flaw::CopyFollowsReplaces if from != to => {
            let half = memory.head(from).await?.size / 2;
            let mut body = Vec::new();
            for range in [ByteRange::Span(0, half), ByteRange::From(half)] {
                let Ok(part) = memory.read(from, ReadOptions::range(range)).await else { continue };
                body.extend(part.body.try_collect::<Vec<_>>().await?.concat());
                yield_now().await;
            }
            return memory.put(to, body.into(), options).await;
        }
        Flaw::CopyIgnoresSums => (options.size, options.sha256) = (None, None),
        Flaw::CopyInTwoSteps => {
            memory.put(to, "half".into(), WriteOptions::default()).await?;
            yield_now().await;
        }
        _ => {}
    }
    let copied = memory.copy(from, to, options).await;
    if store.has(Flaw::LosersLeak) { store.leak_if_lost(copied) } else { copied }
}

pub(crate) async fn delete_prefix(store: &Flawed, prefix: &Prefix) -> Result<u64> {
    let memory = &store.memory;
    let two_steps = match store.flaw {
        Flaw::PrefixDeleteBlocksWriters => {
            return store
                .busily(async {
                    for _ in 0..20 {
                        yield_now().await;
                    }
                    memory.delete_prefix(prefix).await
                })
                .await;
        }
        Flaw::PrefixDeleteFailsOnRaces | Flaw::PrefixDeleteStopsAfterAPage => false,
        Flaw::PrefixDeleteInTwoSteps => true,
        _ => return memory.delete_prefix(prefix).await,
    };
    let mut all = memory.list(prefix, None).try_collect::<Vec<_>>().await?;
    if store.has(Flaw::PrefixDeleteStopsAfterAPage) {
        all.truncate(1000);
    }
    for meta in &all {
        if two_steps {
            memory.put(&meta.key, Bytes::new(), WriteOptions::default()).await?;
        }
        yield_now().await;
        memory.head(&meta.key).await?;
        memory.delete(&meta.key).await?;
    }
    Ok(all.len() as u64)
}

pub(crate) async fn writer(store: &Flawed, key: &Key, options: WriteOptions) -> Result<Box<dyn Upload>> {
    let inner = store.memory.writer(key, options.clone()).await?;
    let begun = store.notes.count.fetch_add(1, Ordering::SeqCst);
    if store.has(Flaw::DropPoisons) && store.notes.busy.swap(true, Ordering::SeqCst) {
        return Err(Error::new(ErrorKind::Unavailable, "somebody is at work"));
    }
    let (store, key) = (store.clone(), key.clone());
    Ok(Box::new(FlawedUpload { store, key, options, begun, inner, queued: Vec::new() }))
}

#[derive(Debug)]
struct FlawedUpload {
    store: Flawed,
    key: Key,
    options: WriteOptions,
    begun: u64,
    inner: Box<dyn Upload>,
    queued: Vec<Bytes>,
}

impl FlawedUpload {
    fn over(&self) {
        match self.store.flaw {
            Flaw::DescriptorsLeak => drop(self.store.notes.count.fetch_sub(1, Ordering::SeqCst)),
            Flaw::DropPoisons => self.store.notes.busy.store(false, Ordering::SeqCst),
            _ => {}
        }
    }
}

#[async_trait]
impl Upload for FlawedUpload {
    async fn write(&mut self, mut piece: Bytes) -> Result<()> {
        match self.store.flaw {
            Flaw::HugePiecesAreCut => piece.truncate(HUGE),
            Flaw::OddPiecesAreCut if piece.len() % 16 == 15 => piece.truncate(piece.len() - 1),
            Flaw::WriterQueuesPieces => self.queued.push(piece.clone()),
            _ => {}
        }
        let written = self.inner.write(piece).await;
        self.store.answer(written)
    }

    async fn finish(self: Box<Self>) -> Result<Meta> {
        self.over();
        let this = *self;
        this.store.look_first(&this.key, &this.options).await?;
        if this.store.has(Flaw::LastBegunWins) {
            let later =
                hold(&this.store.notes.finished).get(&this.key).is_some_and(|begun| *begun > this.begun);
            if later {
                return this.store.memory.head(&this.key).await;
            }
            hold(&this.store.notes.finished).insert(this.key.clone(), this.begun);
        }
        let finished = this.inner.finish().await;
        let finished =
            if this.store.has(Flaw::LosersLeak) { this.store.leak_if_lost(finished) } else { finished };
        this.store.answer(finished.map(|meta| this.store.describe(meta)))
    }

    async fn abort(self: Box<Self>) -> Result<()> {
        self.over();
        if self.store.has(Flaw::AbortPublishes) {
            return self.inner.finish().await.map(drop);
        }
        self.inner.abort().await
    }
}
