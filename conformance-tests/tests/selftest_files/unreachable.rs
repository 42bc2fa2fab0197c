//! The backend that cannot be reached.

use async_trait::async_trait;
use persistent_fs::{
    Backend, Capabilities, Download, Error, ErrorKind, Key, Meta, MetaStream, Prefix, ReadOptions, Result,
    Upload, WriteOptions,
};

/// What a backend looks like that nothing can be done with.
#[derive(Debug)]
pub(crate) struct Unreachable {
    /// Whether its listings fail for ever instead of once.
    pub(crate) goes_on: bool,
}

fn unreachable<T>() -> Result<T> {
    Err(Error::new(ErrorKind::Unavailable, "nobody is there"))
}

#[async_trait]
impl Backend for Unreachable {
    fn capabilities(&self) -> Capabilities {
        Capabilities::NONE
    }

    async fn head(&self, _: &Key) -> Result<Meta> {
        unreachable()
    }

    async fn read(&self, _: &Key, _: ReadOptions) -> Result<Download> {
        unreachable()
    }

    async fn writer(&self, _: &Key, _: WriteOptions) -> Result<Box<dyn Upload>> {
        unreachable()
    }

    async fn delete(&self, _: &Key) -> Result<()> {
        unreachable()
    }

    fn list(&self, _: &Prefix, _: Option<&Key>) -> MetaStream {
        let failures = if self.goes_on { usize::MAX } else { 1 };
        Box::pin(futures_util::stream::iter(std::iter::repeat_with(unreachable).take(failures)))
    }
}
