//! The page of `mailer::preview` in a real browser: a hostile mail is shown, its picture is there, and its scripts are
//! dead.
//!
//! Chromium is asked for by name; where it is not installed the case is skipped, unless `TEST_REQUIRE` names `chromium`.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{ExitCode, Stdio};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use conformance_tests::{Absent, Checked, cases, run_all, trials};
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use mail_memory::Memory;
use mailer::preview::Preview;
use mailer::{Address, Email, Mailbox, Mailer, Renderer};
use tokio::net::TcpListener;
use tokio::process::Command;

fn main() -> ExitCode {
    let chromium = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];
    let chromium = chromium.iter().map(PathBuf::from).find(|path| path.exists());
    #[expect(clippy::disallowed_methods, reason = "the settings of these tests")]
    let [required, pictures] = ["TEST_REQUIRE", "TEST_SCREENSHOTS"].map(std::env::var);
    let required = required.is_ok_and(|named| named.split(',').any(|name| name.trim() == "chromium"));
    assert!(chromium.is_some() || !required, "TEST_REQUIRE names chromium, and it is not installed");
    let browser = Arc::new(Browser { chromium, pictures: pictures.ok().map(PathBuf::from) });
    let cases = cases!["preview";
        a_picture_is_shown_and_scripts_are_dead,
        by_itself_the_same_html_runs_its_scripts,
        every_page_is_drawn,
    ];
    run_all(env!("CARGO_PKG_NAME"), trials("", &browser, cases))
}

/// How pages are opened.
struct Browser {
    chromium: Option<PathBuf>,
    /// Where `TEST_SCREENSHOTS` says that pictures are kept, for people to look at.
    pictures: Option<PathBuf>,
}

/// A red square of 8 by 8.
const PICTURE: &[u8] = include_bytes!("red.png");

/// The colour of the picture, and of nothing else on the page.
const RED: [u8; 3] = [0xE5, 0x12, 0x34];

/// What a script that runs would ask the server for.
const BEACON: &str = "beacon";

/// Where the HTML is without the page around it.
const RAW: &str = "raw";

/// HTML as an attacker would send it: each way to run a script asks for the beacon.
fn hostile_html(server: SocketAddr) -> String {
    let beacon = format!("http://{server}/{BEACON}");
    format!(
        "<h1>Welcome to the vault</h1><p>Confirm your address: \
         <a href=\"https://vault.example.org/verify?code=123456\">verify</a></p>\
         <p><img src=\"cid:logo\" width=\"160\" height=\"160\" alt=\"logo\"></p>\
         <script>new Image().src = '{beacon}?script'; document.title = 'ran';</script>\
         <script src=\"{beacon}?source\"></script>\
         <img src=\"{beacon}?picture\" onerror=\"new Image().src = '{beacon}?onerror'\">\
         <svg onload=\"fetch('{beacon}?svg')\"></svg>\
         <style>body {{ background: url({beacon}?style) }}</style>\
         <link rel=\"stylesheet\" href=\"{beacon}?link\">\
         <meta http-equiv=\"refresh\" content=\"0;url={beacon}?refresh\">\
         <iframe src=\"{beacon}?frame\"></iframe>\
         <form action=\"{beacon}?form\"><button autofocus onfocus=\"this.form.submit()\">x</button></form>"
    )
}

/// A server with the page and a hostile mail in it. It writes down what is asked for.
struct Site {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Site {
    async fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback is there");
        let address = listener.local_addr().expect("it is bound");
        let (memory, inbox) = Memory::new();
        send_mails(Mailer::new(memory, Renderer::system()), address).await;
        let (preview, asked) = (Preview::new(inbox).at("/dev/mails"), Arc::default());
        let site = Self { address, asked: Arc::clone(&asked) };
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (preview, asked) = (preview.clone(), Arc::clone(&asked));
                tokio::spawn(async move {
                    let answer = service_fn(|request| answer(&preview, &asked, request));
                    let connection = hyper::server::conn::http1::Builder::new();
                    drop(connection.serve_connection(TokioIo::new(stream), answer).await);
                });
            }
        });
        site
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().expect("nobody panics").clone()
    }
}

async fn answer(
    preview: &Preview,
    asked: &Mutex<Vec<String>>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, _) = request.into_parts();
    asked.lock().expect("nobody panics").push(head.uri.to_string());
    if head.uri.path().ends_with(RAW) {
        let authority = head.headers["host"].to_str().expect("the browser names the host");
        let html = hostile_html(authority.parse().expect("the host is an address"));
        let response = Response::builder().header("content-type", "text/html");
        return Ok(response.body(Full::from(html)).expect("it is a response"));
    }
    Ok(preview.handle(&head).await.map(Full::new))
}

async fn send_mails(mailer: Mailer, server: SocketAddr) {
    let address = |text: &str| text.parse::<Address>().expect("an address");
    let vault = || Mailbox::named("Vault", address("vault@example.org"));
    let hostile = Email::new(vault(), Mailbox::named("Ann Lee", address("ann@example.com")))
        .bcc(address("archive@example.org"))
        .subject("Verify your address <script>alert(1)</script>")
        .text(
            "Welcome to the vault.\n\nConfirm your address:\nhttps://vault.example.org/verify?code=123456\n",
        )
        .html(hostile_html(server))
        .inline("logo", "image/png", PICTURE)
        .attach("Terms & <b>conditions</b>.pdf", "application/pdf", vec![0; 40_000])
        .kind("verify_email");
    let code = Email::new(vault(), address("bob@example.com"))
        .subject("Your sign-in code")
        .text("Your code is 123456. It is good for ten minutes.\n")
        .kind("code");
    let notice = Email::new(vault(), address("carol@example.com")).html("<p>Somebody signed in.</p>");
    for mail in [notice, code, hostile] {
        mailer.send(&mail).await.expect("memory takes it");
    }
}

/// The frame shows the picture's colour, and the server is asked for nothing that only a script, or a page that loads
/// from elsewhere, would ask for.
async fn a_picture_is_shown_and_scripts_are_dead(browser: &Browser) -> Checked {
    let site = Site::open().await;
    let page = format!("http://{}/dev/mails/mail/3", site.address);
    for (name, url) in [("mail", page.clone()), ("document", format!("{page}/html"))] {
        let shown = browser.screenshot(&url, name, "900,1100").await?;
        assert!(shown > 10_000, "the picture is 160 by 160, and {shown} of its points are seen at {url}");
        assert!(!browser.document(&url).await?.contains("<title>ran</title>"));
    }
    let asked = site.asked();
    assert!(asked.iter().any(|path| path.ends_with("/html")), "the frame was loaded: {asked:?}");
    let beacons: Vec<_> = asked.iter().filter(|path| path.contains(BEACON)).collect();
    assert!(beacons.is_empty(), "{beacons:?}");
    Ok(())
}

/// So the case above can fail: nothing but the page keeps this HTML quiet.
async fn by_itself_the_same_html_runs_its_scripts(browser: &Browser) -> Checked {
    let site = Site::open().await;
    browser.document(&format!("http://{}/{RAW}", site.address)).await?;
    let asked = site.asked();
    for way in ["script", "source", "picture", "style", "link"] {
        assert!(asked.contains(&format!("/{BEACON}?{way}")), "{way}: {asked:?}");
    }
    Ok(())
}

/// Each has its style and its text. Where pictures are kept, a person may look at them.
async fn every_page_is_drawn(browser: &Browser) -> Checked {
    let site = Site::open().await;
    for (name, path, says) in [
        ("list", "/", "Your sign-in code"),
        ("text", "/mail/3?view=text", "https://vault.example.org/verify?code=123456"),
        ("headers", "/mail/3?view=headers", "Message-ID"),
        ("source", "/mail/3?view=source", "Content-Transfer-Encoding"),
        ("missing", "/mail/99", "This mail is not there"),
    ] {
        let url = format!("http://{}/dev/mails{path}", site.address);
        assert!(browser.document(&url).await?.contains(says), "{name}");
        browser.screenshot(&url, name, "900,700").await?;
        browser.screenshot(&url, &format!("{name}-narrow"), "500,700").await?;
    }
    assert!(site.asked().iter().any(|path| path.ends_with("style.css")));
    Ok(())
}

impl Browser {
    /// The document as it is after loading.
    async fn document(&self, url: &str) -> Result<String, Absent> {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut command = self.command(folder.path())?;
        let output = command.args(["--dump-dom", url]).output().await.expect("the browser runs");
        assert!(output.status.success(), "the browser ended with {}", output.status);
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Draws a page, and counts the points that have the picture's colour.
    async fn screenshot(&self, url: &str, name: &str, size: &str) -> Result<usize, Absent> {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let file = self.pictures.as_deref().unwrap_or(folder.path()).join(format!("{name}.png"));
        let mut command = self.command(folder.path())?;
        command.arg(format!("--screenshot={}", file.display())).arg(format!("--window-size={size}")).arg(url);
        let output = command.output().await.expect("the browser runs");
        assert!(output.status.success(), "the browser ended with {}", output.status);
        let drawn = std::fs::File::open(&file).expect("the page was drawn");
        let mut reader = png::Decoder::new(std::io::BufReader::new(drawn)).read_info().expect("it is a PNG");
        let mut points = vec![0; reader.output_buffer_size().expect("a page fits memory")];
        let frame = reader.next_frame(&mut points).expect("it is whole");
        let width = frame.color_type.samples();
        Ok(points.chunks_exact(width).filter(|point| point[..3] == RED).count())
    }

    /// Without its sandbox, which needs rights that a container does not give, and without calling home.
    fn command(&self, profile: &Path) -> Result<Command, Absent> {
        let chromium = self.chromium.as_ref().ok_or_else(|| Absent::because("chromium is not installed"))?;
        let mut command = Command::new(chromium);
        command.args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]);
        command.args(["--disable-background-networking", "--disable-component-update", "--disable-sync"]);
        command.args(["--hide-scrollbars", "--force-color-profile=srgb"]);
        command.arg(format!("--user-data-dir={}", profile.join("profile").display()));
        command.stdin(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
        Ok(command)
    }
}
