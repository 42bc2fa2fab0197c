use http::Request;

use super::*;
use crate::{Address, Email, Mailbox, Renderer};

/// A drawer with one mail, which can be emptied.
#[derive(Clone, Debug, Default)]
struct Drawer(Arc<std::sync::Mutex<Vec<Held>>>);

#[async_trait]
impl Source for Drawer {
    async fn list(&self, limit: usize) -> Result<Vec<Held>, Error> {
        Ok(self.0.lock().unwrap().iter().take(limit).cloned().collect())
    }

    async fn get(&self, id: &str) -> Result<Option<Held>, Error> {
        if id == "broken" {
            return Err(Error::new(crate::ErrorKind::Unavailable, "<disk>"));
        }
        Ok(self.0.lock().unwrap().iter().find(|held| held.id == id).cloned())
    }

    async fn clear(&self) -> Result<(), Error> {
        self.0.lock().unwrap().clear();
        Ok(())
    }
}

const EVIL: &str = "<script>alert('x')</script>\"><img src=x onerror=alert(1)>";

fn evil() -> Drawer {
    let ann: Address = "ann@example.com".parse().unwrap();
    let mail = Email::new(Mailbox::named(EVIL, ann.clone()), Mailbox::named(EVIL, ann))
        .bcc("hidden@example.com".parse::<Address>().unwrap())
        .subject(EVIL)
        .text(format!("{EVIL}\nhttps://example.org/verify?a=1&b=2 ."))
        .html(format!("<p>{EVIL}</p><img src=\"cid:logo\">"))
        .inline("logo", "image/png", "PNG")
        .attach(format!("../{EVIL}.html"), "text/html", EVIL)
        .header("X-Evil", EVIL)
        .render(&Renderer::system())
        .unwrap();
    let held = Held {
        id: EVIL.into(),
        envelope: mail.envelope().clone(),
        kind: Some(EVIL.into()),
        raw: mail.raw().clone(),
    };
    Drawer(Arc::new(std::sync::Mutex::new(vec![held])))
}

async fn get(preview: &Preview, path: &str) -> (u16, http::HeaderMap, String) {
    let (head, ()) = Request::get(path).body(()).unwrap().into_parts();
    read(preview.handle(&head).await)
}

fn read(response: Response<Bytes>) -> (u16, http::HeaderMap, String) {
    let (head, body) = response.into_parts();
    (head.status.as_u16(), head.headers, String::from_utf8(body.to_vec()).unwrap())
}

#[tokio::test]
async fn nothing_a_mail_says_becomes_markup() {
    let preview = Preview::new(evil()).at("/dev/mails/");
    let id = encoded(EVIL).to_string();
    let mail = format!("/dev/mails/mail/{id}");
    for path in [
        "/dev/mails".to_owned(),
        mail.clone(),
        format!("{mail}?view=text"),
        format!("{mail}?view=headers"),
        format!("{mail}?view=source"),
    ] {
        let (status, headers, body) = get(&preview, &path).await;
        assert_eq!(status, 200, "{path}");
        assert!(!body.contains("<script") && !body.contains("<img"), "{path}: {body}");
        let policy = headers["content-security-policy"].to_str().unwrap();
        assert!(policy.starts_with("default-src 'none'") && !policy.contains("script"), "{policy}");
    }
    let (_, _, body) = get(&preview, &mail).await;
    assert!(body.contains("<dt>Hidden copy to</dt><dd>hidden@example.com</dd>"), "{body}");
    let (_, _, body) = get(&preview, &format!("{mail}?view=text")).await;
    assert!(body.contains("href=\"https://example.org/verify?a=1&amp;b=2\""), "{body}");
}

#[tokio::test]
async fn the_html_stands_alone_under_its_own_policy() {
    let preview = Preview::new(evil());
    let (_, headers, body) = get(&preview, &format!("/mail/{}/html", encoded(EVIL))).await;
    let policy = headers["content-security-policy"].to_str().unwrap();
    assert!(policy.starts_with("sandbox") && policy.contains("default-src 'none'"), "{policy}");
    assert!(!policy.contains("allow-scripts") && !policy.contains("allow-same-origin"), "{policy}");
    assert!(body.contains("src=\"data:image/png;base64,UE5H\""), "{body}");
    let (_, _, page) = get(&preview, &format!("/mail/{}", encoded(EVIL))).await;
    assert!(page.contains("<iframe sandbox=\"allow-popups allow-popups-to-escape-sandbox\""), "{page}");
}

#[tokio::test]
async fn attachments_are_saved_and_never_shown() {
    let preview = Preview::new(evil());
    let (_, _, page) = get(&preview, &format!("/mail/{}", encoded(EVIL))).await;
    let (_, rest) = page.split_once("/part/").expect("the attachment is listed");
    let number = rest.split('"').next().unwrap();
    assert!(!rest.contains("/part/"), "the picture is shown and need not be listed");
    let (status, headers, body) = get(&preview, &format!("/mail/{}/part/{number}", encoded(EVIL))).await;
    assert_eq!((status, body.as_str()), (200, EVIL));
    assert_eq!(headers["content-type"], "application/octet-stream");
    assert_eq!(headers["x-content-type-options"], "nosniff");
    let disposition = headers["content-disposition"].to_str().unwrap();
    assert!(disposition.starts_with("attachment; filename=\".._"), "{disposition}");
    assert_eq!(disposition.matches('"').count(), 2, "{disposition}");
    for number in ["0", "99", "x"] {
        assert_eq!(get(&preview, &format!("/mail/{}/part/{number}", encoded(EVIL))).await.0, 404, "{number}");
    }
}

#[tokio::test]
async fn only_the_page_itself_may_clear() {
    let drawer = evil();
    let preview = Preview::new(drawer.clone()).at("/dev/mails");
    let post = |headers: &[(&str, &str)]| {
        let mut request = Request::post("/dev/mails/clear");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    };
    for strange in [
        &[][..],
        &[("host", "vault.example")],
        &[("host", "vault.example"), ("origin", "null")],
        &[("host", "vault.example"), ("origin", "https://evil.example")],
        &[("host", "vault.example"), ("origin", "https://vault.example"), ("sec-fetch-site", "cross-site")],
    ] {
        assert_eq!(preview.handle(&post(strange)).await.status(), 403, "{strange:?}");
        assert_eq!(drawer.0.lock().unwrap().len(), 1);
    }
    let own = post(&[("host", "vault.example"), ("origin", "https://vault.example")]);
    let response = preview.handle(&own).await;
    assert_eq!(
        (response.status().as_u16(), &response.headers()["location"]),
        (303, &"/dev/mails/".parse().unwrap())
    );
    assert_eq!(drawer.0.lock().unwrap().len(), 0);
    assert_eq!(preview.handle(&post(&[("sec-fetch-site", "same-origin")])).await.status(), 303);
    assert!(get(&preview, "/dev/mails/").await.2.contains("No mails yet"));
}

#[tokio::test]
async fn programs_get_the_list_as_json() {
    let (_, headers, body) = get(&Preview::new(evil()), "/mails.json").await;
    assert_eq!(headers["content-type"], "application/json");
    let json: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!(json[0]["subject"], EVIL);
    assert_eq!(json[0]["to"], serde_json::json!(["ann@example.com", "hidden@example.com"]));
    assert!(json[0]["date"].as_str().unwrap().contains('T'));
}

#[tokio::test]
async fn what_is_not_there_says_so() {
    let preview = Preview::new(evil()).at("/dev");
    for (path, status) in [("/dev/nothing", 404), ("/dev/mail/none", 404), ("/dev/mail/broken", 500)] {
        let (answered, _, body) = get(&preview, path).await;
        assert_eq!(answered, status, "{path}");
        assert!(!body.contains("<disk>"), "{body}");
    }
    let (head, ()) = Request::delete("/dev/").body(()).unwrap().into_parts();
    let response = preview.handle(&head).await;
    assert_eq!(
        (response.status().as_u16(), &response.headers()["allow"]),
        (405, &"GET, HEAD".parse().unwrap())
    );
    let unreadable = Held { raw: Bytes::from_static(b"\xFF"), ..evil().0.lock().unwrap()[0].clone() };
    let preview = Preview::new(Drawer(Arc::new(std::sync::Mutex::new(vec![unreadable]))));
    assert_eq!(get(&preview, &format!("/mail/{}", encoded(EVIL))).await.0, 200);
}
