//! The HTTP client below everything: one pool of connections, and every refusal of the server as an error of ours.

use std::{
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode, header};
use object_store::{
    ClientOptions,
    client::{HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpService},
};
use persistent_fs::{Error, ErrorKind, Result, Retry};
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, pem::PemObject},
};
use tokio::runtime::{Handle, Id};

use crate::{
    config::Config,
    credentials::Expiry,
    error::{Asked, broken, hidden_refusal, refusal},
};

/// Servers close connections that nobody uses after some twenty seconds. Ours go first: a create that meets a
/// connection being closed ends without an answer, and is not sent again.
const IDLE: Duration = Duration::from_secs(15);
const CONNECT: Duration = Duration::from_secs(5);

/// This many runtimes keep their connections at once; a program has one or two.
const RUNTIMES: usize = 8;

/// Makes the clients that `object_store` uses: for the bucket, and for whoever hands out credentials.
#[derive(Debug, Clone)]
pub(crate) struct Connector(Arc<Exchange>);

/// Sends requests. Connections belong to the runtime that made them and break when it ends, so a store that is used
/// from several has several pools.
#[derive(Debug)]
struct Exchange {
    tls: ClientConfig,
    timeout: Duration,
    pools: Mutex<Vec<(Id, reqwest::Client)>>,
    /// The host and port that speak S3. Answers of others, such as a metadata service, mean something else.
    authority: String,
    expiry: Arc<Expiry>,
}

impl Connector {
    /// Reads the file of roots, if one is configured; makes no connection.
    pub(crate) fn new(config: &Config) -> Result<Self> {
        let tls = tls(config.ca_file.as_deref())?;
        let authority = config.bucket_url()?.authority().to_owned();
        let (pools, expiry) = (Mutex::default(), Arc::default());
        Ok(Self(Arc::new(Exchange { tls, timeout: config.timeout, pools, authority, expiry })))
    }

    pub(crate) fn client(&self) -> HttpClient {
        HttpClient::new(self.clone())
    }

    /// When the keys die that were fetched through these clients.
    pub(crate) fn expiry(&self) -> Arc<Expiry> {
        Arc::clone(&self.0.expiry)
    }
}

impl Exchange {
    /// The client of the runtime that this is called in.
    fn client(&self) -> Result<reqwest::Client> {
        let runtime = Handle::current().id();
        let mut pools = self.pools.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, client)) = pools.iter().find(|(id, _)| *id == runtime) {
            return Ok(client.clone());
        }
        let client = self.new_client()?;
        // The oldest goes; whoever is in the midst of a request with it keeps it to the end.
        if pools.len() == RUNTIMES {
            pools.remove(0);
        }
        pools.push((runtime, client.clone()));
        Ok(client)
    }

    fn new_client(&self) -> Result<reqwest::Client> {
        reqwest::Client::builder()
            .tls_backend_preconfigured(self.tls.clone())
            .http1_only()
            // A proxy in the environment would be read behind the caller's back.
            .no_proxy()
            // A redirect names another region; following it would send the signature of this one.
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(CONNECT.min(self.timeout))
            .read_timeout(self.timeout)
            .pool_idle_timeout(IDLE)
            .build()
            .map_err(|_| Error::new(ErrorKind::Config, "the HTTP client cannot be set up"))
    }
}

impl HttpConnector for Connector {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(self.client())
    }
}

#[async_trait]
impl HttpService for Connector {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let client = self.0.client().map_err(carried)?;
        if request.uri().authority().is_none_or(|authority| authority.as_str() != self.0.authority) {
            let (parts, body) = client.call(request).await?.into_parts();
            let body = body.bytes().await?;
            self.0.expiry.note(&body);
            return Ok(HttpResponse::from_parts(parts, body.into()));
        }
        let asked = Asked::of(&request);
        let response = client.call(request).await.map_err(|error| carried(broken(&asked, &error)))?;
        if !response.status().is_success() {
            let (parts, body) = response.into_parts();
            let body = if asked.method == Method::HEAD { Ok(Bytes::new()) } else { body.bytes().await };
            let body = match body {
                Ok(body) => body,
                // Only the body tells whether it is the object that is missing, the upload or the bucket.
                Err(error) if parts.status == StatusCode::NOT_FOUND => {
                    return Err(carried(broken(&asked, &error)));
                }
                // An answer that breaks off still has its status.
                Err(_) => Bytes::new(),
            };
            return Err(carried(refusal(&asked, parts.status, &parts.headers, &body)));
        }
        if !asked.may_hide_refusal {
            return Ok(response);
        }
        // These answers may begin before the work is done, and then tell in their body that it failed.
        let (parts, body) = response.into_parts();
        let body = body.bytes().await.map_err(|error| carried(broken(&asked, &error)))?;
        match hidden_refusal(&asked, &body) {
            Some(error) => Err(carried(error)),
            None => Ok(HttpResponse::from_parts(parts, body.into())),
        }
    }
}

/// An error of ours on its way through `object_store`, which repeats what may be repeated: reads.
fn carried(error: Error) -> HttpError {
    let kind =
        if error.retry() == Retry::Never { HttpErrorKind::Unknown } else { HttpErrorKind::Interrupted };
    HttpError::new(kind, error)
}

/// The value of a header, if it is text.
pub(crate) fn header_text(headers: &HeaderMap, name: impl header::AsHeaderName) -> Option<&str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// The roots of the web, and those in the file.
fn tls(ca_file: Option<&Path>) -> Result<ClientConfig> {
    let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    if let Some(file) = ca_file {
        let unusable = |detail: &str| Error::new(ErrorKind::Config, format!("`ca_file` {detail}"));
        let certificates = CertificateDer::pem_file_iter(file).map_err(|_| unusable("cannot be read"))?;
        let mut found = 0;
        for certificate in certificates {
            let certificate = certificate.map_err(|_| unusable("is not in PEM"))?;
            roots.add(certificate).map_err(|_| unusable("holds what is no root certificate"))?;
            found += 1;
        }
        if found == 0 {
            return Err(unusable("holds no certificate"));
        }
    }
    // The provider is named here, so that nothing depends on which one the process has installed.
    ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map(|builder| builder.with_root_certificates(roots).with_no_client_auth())
        .map_err(|_| Error::new(ErrorKind::Config, "TLS cannot be set up"))
}
