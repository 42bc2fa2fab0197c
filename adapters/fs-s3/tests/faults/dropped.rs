//! Futures that are dropped wherever they wait, as those of a web handler are when its client goes away.

use std::{
    future::Future,
    pin::{Pin, pin},
    task::{Context, Poll},
};

use bytes::Bytes;
use persistent_fs::{Backend, WriteOptions};

use crate::bench::{Bench, PART, key, within};

/// Ends at the latest when it has been polled so often.
struct Polled<F> {
    future: Pin<Box<F>>,
    left: usize,
}

impl<F: Future> Future for Polled<F> {
    type Output = Option<F::Output>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        self.left -= 1;
        match self.future.as_mut().poll(context) {
            Poll::Ready(ended) => Poll::Ready(Some(ended)),
            // Looked at once more, it would have to be woken; so it is given up right here.
            Poll::Pending if self.left == 0 => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    }
}

#[tokio::test]
async fn an_upload_dropped_anywhere_leaves_the_old_or_the_new() {
    let (old, new) = (Bytes::from_static(b"old"), Bytes::from(vec![1; PART + 1]));
    let bench = Bench::with(|config| config.timeout = crate::bench::FOR_EVER).await;
    for polls in 1.. {
        bench.place("a", &old).await;
        let uploading = async {
            let mut upload = bench.store.writer(&key("a"), WriteOptions::default()).await?;
            upload.write(new.clone()).await?;
            upload.finish().await
        };
        let ended = within(pin!(Polled { future: Box::pin(uploading), left: polls })).await;
        if let Some(ended) = ended {
            ended.expect("uploaded");
            assert!(polls > 3, "it was never dropped while it waited");
            break;
        }
        let raw = bench.raw("a");
        assert!(raw.as_ref() == Some(&old) || raw.as_ref() == Some(&new), "torn after {polls} polls");
        bench.assert_recovers().await;
    }
    assert!(bench.raw("a") == Some(new));
}
