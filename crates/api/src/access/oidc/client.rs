//! Requests to the identity provider: few, small, each within seconds, none followed elsewhere.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::http::{HeaderValue, Request, StatusCode, Uri, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// How long one request may take, from looking up the name to the end of the answer. Signing in
/// takes three at most.
const TIMEOUT: Duration = Duration::from_secs(3);

/// The longest answer that is read: keys of a large provider are about 20 KiB.
const MAX_ANSWER_BYTES: usize = 256 * 1024;

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const FORM: HeaderValue = HeaderValue::from_static("application/x-www-form-urlencoded");
const USER_AGENT: HeaderValue = HeaderValue::from_static("headcount");

/// Why the provider gave no answer that could be used. For the log: callers are told less.
#[derive(Debug, thiserror::Error)]
pub(super) enum ClientError {
    #[error("it did not answer within {} s", TIMEOUT.as_secs())]
    TooSlow,
    #[error("it cannot be reached: {0}")]
    Unreachable(#[from] std::io::Error),
    #[error("the connection failed: {0}")]
    Http(#[from] hyper::Error),
    #[error("its answer cannot be read, or is longer than {MAX_ANSWER_BYTES} bytes")]
    Answer,
    #[error("the address {0} cannot be asked")]
    Address(String),
    #[error("it answered with {0}{1}")]
    Refused(StatusCode, String),
    #[error("its answer is not what was asked for: {0}")]
    Content(#[from] serde_json::Error),
}

/// Asks over HTTP, and over HTTPS with the system's authorities.
#[derive(Clone)]
pub(super) struct Client {
    tls: Arc<rustls::ClientConfig>,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Client")
    }
}

/// What is asked.
pub(super) enum Question<'a> {
    Get,
    /// A form, and how we prove who we are.
    Post {
        form: String,
        authorization: Option<&'a HeaderValue>,
    },
}

/// What an endpoint says when it refuses, as OAuth has it.
#[derive(serde::Deserialize)]
struct Refusal {
    error: String,
}

impl Client {
    /// Trusts the authorities that the system trusts.
    pub(super) fn new() -> Result<Self, rustls::Error> {
        let mut roots = rustls::RootCertStore::empty();
        // What cannot be read is left out: the handshake then says whom it does not know.
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self {
            tls: Arc::new(config),
        })
    }

    /// The answer to a question, JSON read into `T`.
    pub(super) async fn ask<T: DeserializeOwned>(
        &self,
        uri: &Uri,
        question: Question<'_>,
    ) -> Result<T, ClientError> {
        let (status, body) = tokio::time::timeout(TIMEOUT, self.exchange(uri, question))
            .await
            .map_err(|_elapsed| ClientError::TooSlow)??;
        if status != StatusCode::OK {
            // OAuth's word for why, such as `invalid_client`; nothing else of the body is repeated.
            let why = serde_json::from_slice::<Refusal>(&body)
                .ok()
                .filter(|refusal| refusal.error.len() <= 64)
                .map(|refusal| format!(": {:?}", refusal.error))
                .unwrap_or_default();
            return Err(ClientError::Refused(status, why));
        }
        Ok(serde_json::from_slice(&body)?)
    }

    async fn exchange(
        &self,
        uri: &Uri,
        question: Question<'_>,
    ) -> Result<(StatusCode, Bytes), ClientError> {
        let unusable = || ClientError::Address(uri.to_string());
        let authority = uri.authority().ok_or_else(unusable)?;
        let host = authority
            .host()
            .trim_start_matches('[')
            .trim_end_matches(']');
        let is_tls = uri.scheme_str() == Some("https");
        let port = authority
            .port_u16()
            .unwrap_or(if is_tls { 443 } else { 80 });
        let request = request(uri, authority.as_str(), question).ok_or_else(unusable)?;
        let stream = TcpStream::connect((host, port)).await?;
        if !is_tls {
            return send(stream, request).await;
        }
        let name = match host.parse::<IpAddr>() {
            Ok(address) => ServerName::from(address),
            Err(_) => ServerName::try_from(host.to_owned()).map_err(|_| unusable())?,
        };
        let connector = TlsConnector::from(Arc::clone(&self.tls));
        send(connector.connect(name, stream).await?, request).await
    }
}

fn request(uri: &Uri, host: &str, question: Question<'_>) -> Option<Request<Full<Bytes>>> {
    let target = uri.path_and_query()?.as_str();
    let (method, form, authorization) = match question {
        Question::Get => ("GET", None, None),
        Question::Post {
            form,
            authorization,
        } => ("POST", Some(form), authorization),
    };
    let mut request = Request::builder()
        .method(method)
        .uri(target)
        .header(header::HOST, host)
        .header(header::ACCEPT, JSON)
        .header(header::USER_AGENT, USER_AGENT);
    if form.is_some() {
        request = request.header(header::CONTENT_TYPE, FORM);
    }
    if let Some(authorization) = authorization {
        request = request.header(header::AUTHORIZATION, authorization);
    }
    let body = Full::new(form.unwrap_or_default().into());
    request.body(body).ok()
}

async fn send(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    request: Request<Full<Bytes>>,
) -> Result<(StatusCode, Bytes), ClientError> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let answer = async {
        let (parts, body) = sender.send_request(request).await?.into_parts();
        let body = Limited::new(body, MAX_ANSWER_BYTES).collect().await;
        let body = body.map_err(|_| ClientError::Answer)?.to_bytes();
        Ok((parts.status, body))
    };
    let mut answer = std::pin::pin!(answer);
    // The connection moves the bytes and may end before the last of them was looked at.
    tokio::select! {
        answer = &mut answer => answer,
        ended = connection => {
            ended?;
            answer.await
        }
    }
}
