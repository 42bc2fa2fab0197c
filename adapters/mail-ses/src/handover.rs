//! Whether SES can have the whole mail.

use std::{
    mem,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
};

use aws_sdk_sesv2::{
    config::{ConfigBag, Intercept, RuntimeComponents, interceptors::BeforeTransmitInterceptorContextMut},
    error::BoxError,
};
use aws_smithy_types::body::SdkBody;
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

/// How much of a body the connection is given at a time. A connection that has stopped taking bytes is then seen to
/// have left some of them here.
const PIECE: usize = 64 << 10;

/// Becomes true when the connection takes the last byte of a request. Until then SES surely does not have the whole mail,
/// whatever error comes: credentials, names, connecting, TLS, an upload that was cut. After it nobody knows.
///
/// The errors of the SDK would have to be guessed at instead: they tell the same thing in several ways, and do not
/// promise to go on doing so.
#[derive(Clone, Debug, Default)]
pub(crate) struct Handover(Arc<AtomicBool>);

/// A body that notes when its last byte is taken.
struct Watched {
    rest: Bytes,
    handover: Handover,
}

impl Handover {
    /// Whether the last byte was taken.
    pub(crate) fn is_complete(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

impl Intercept for Handover {
    fn name(&self) -> &'static str {
        "Handover"
    }

    /// Called once the request is signed, so the bytes are final.
    fn modify_before_transmit(
        &self,
        context: &mut BeforeTransmitInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let body = mem::replace(context.request_mut().body_mut(), SdkBody::taken());
        let bytes = body.bytes().ok_or("the body of a mail is in memory")?;
        let rest = Bytes::copy_from_slice(bytes);
        *context.request_mut().body_mut() = SdkBody::from_body_1_x(Watched { rest, handover: self.clone() });
        Ok(())
    }
}

impl Body for Watched {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if self.rest.is_empty() {
            self.handover.0.store(true, Ordering::Release);
            return Poll::Ready(None);
        }
        let length = self.rest.len().min(PIECE);
        let piece = self.rest.split_to(length);
        if self.rest.is_empty() {
            self.handover.0.store(true, Ordering::Release);
        }
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.rest.len() as u64)
    }
}
