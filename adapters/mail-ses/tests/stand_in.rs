//! The stand-in for SES takes what is signed and nothing else: a request of the AWS SDK, played back as it was and with each
//! of its parts altered.

use std::time::Duration;

use conformance_tests::ses_server::{Keys, SesServer};
use mail_ses::{Credentials, Options, Ses, SharedCredentialsProvider};
use mailer::{Address, Backend as _, Context, Email, Renderer};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

/// The request that the SDK makes for a small mail with these keys.
async fn recorded(keys: &Keys, region: &str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port of loopback");
    let credentials = Credentials::new(&keys.id, &keys.secret, keys.session_token.clone(), None, "test");
    let mut options = Options::new(region, SharedCredentialsProvider::new(credentials));
    options.endpoint = Some(format!("http://{}", listener.local_addr().expect("it is bound")));
    let ses = Ses::open(options).expect("the options are sound");
    let address = |text: &str| text.parse::<Address>().expect("an address");
    let email = Email::new(address("vault@example.org"), address("ann@example.com")).text("hello");
    let mail = email.render(&Renderer::system()).expect("it can be rendered");
    let record = async {
        let (mut connection, _) = listener.accept().await.expect("somebody calls");
        let mut request = Vec::new();
        while !is_whole(&request) {
            assert_ne!(connection.read_buf(&mut request).await.expect("the call goes on"), 0);
        }
        String::from_utf8(request).expect("the request is text")
    };
    let cx = Context::new();
    let (request, _) = tokio::join!(record, ses.deliver(&mail, &cx));
    request
}

fn is_whole(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request).to_lowercase();
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    length.and_then(|length| length.parse().ok()).is_some_and(|length: usize| body.len() >= length)
}

/// The status that a request is answered with, and what kind of error it is.
async fn play(server: &SesServer, request: &str) -> (u16, Option<String>) {
    let host = server.endpoint().replace("http://", "");
    let mut connection = TcpStream::connect(host).await.expect("the server listens");
    let request = request.replacen("\r\n", "\r\nconnection: close\r\n", 1);
    connection.write_all(request.as_bytes()).await.expect("the server listens");
    let mut answer = String::new();
    connection.read_to_string(&mut answer).await.expect("the server answers");
    let status = answer.get(9..12).and_then(|status| status.parse().ok()).expect("a status");
    let kind = answer.lines().find_map(|line| line.strip_prefix("x-amzn-errortype: "));
    (status, kind.map(str::to_owned))
}

#[tokio::test]
async fn what_is_signed_is_taken_and_what_was_altered_is_not() {
    let server = SesServer::start("eu-west-1").await.expect("a port of loopback");
    let keys = server.issue_temporary_keys();
    let request = recorded(&keys, "eu-west-1").await;
    assert_eq!(play(&server, &request).await, (200, None));

    let date = request.lines().find(|line| line.starts_with("x-amz-date: ")).expect("it is dated").to_owned();
    let token = format!("x-amz-security-token: {}\r\n", keys.session_token.clone().expect("it is temporary"));
    for (from, to, kind) in [
        ("ann@example.com", "eve@example.com", "InvalidSignatureException"),
        ("host: 127", "host: 128", "InvalidSignatureException"),
        ("/v2/email/outbound-emails", "/v2/email/outbound-email", "InvalidSignatureException"),
        (&date, "x-amz-date: 20260101T000000Z", "InvalidSignatureException"),
        ("/eu-west-1/ses/", "/eu-west-2/ses/", "InvalidSignatureException"),
        (";x-amz-date", "", "InvalidSignatureException"),
        ("Signature=", "Signature=0", "InvalidSignatureException"),
        (&token, "", "UnrecognizedClientException"),
        (&keys.id, "AKIDOTHER", "UnrecognizedClientException"),
        ("authorization: ", "x-authorization: ", "MissingAuthenticationTokenException"),
    ] {
        let altered = request.replace(from, to);
        assert_ne!(altered, request, "there is no {from} in {request}");
        assert_eq!(play(&server, &altered).await, (403, Some(kind.to_owned())), "{from}");
    }
    assert_eq!(server.deliveries().len(), 1);
}

#[tokio::test]
async fn a_signature_is_good_for_its_time_its_region_and_keys_that_live() {
    let server = SesServer::start("eu-west-1").await.expect("a port of loopback");
    let keys = server.issue_keys();
    let elsewhere = recorded(&keys, "us-west-2").await;
    assert_eq!(play(&server, &elsewhere).await.0, 403, "another region");

    let request = recorded(&keys, "eu-west-1").await;
    server.set_ahead(Duration::from_mins(10));
    let late = (403, Some("InvalidSignatureException".to_owned()));
    assert_eq!(play(&server, &request).await, late, "ten minutes later");
    server.set_ahead(Duration::ZERO);
    assert_eq!(play(&server, &request).await, (200, None));
    server.expire_keys(&keys);
    assert_eq!(play(&server, &request).await, (403, Some("ExpiredTokenException".to_owned())));
}
