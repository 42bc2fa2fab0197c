//! That nothing leaves a system that is being tried.

use mailer::{Backend as _, Context, ErrorKind};

use crate::bench::{Script, address, addresses, everything, mail_to, mail_to_many};
use crate::makers::Makes;

crate::rules!["redirected";
    no_recipient_is_left_but_the_inbox,
    allowed_domains_stay_and_their_subdomains_do_not,
    the_bytes_and_the_sender_stay,
    what_production_would_refuse_staging_refuses,
];

async fn no_recipient_is_left_but_the_inbox(makes: &dyn Makes) {
    let script = Script::new("it", []);
    let layer = makes.redirected(script.clone(), address("inbox@example.net"), &[]);
    layer.deliver(&mail_to_many(20), &Context::new()).await.expect("taken");
    assert_eq!(script.calls()[0].to, addresses(&["inbox@example.net"]));
}

async fn allowed_domains_stay_and_their_subdomains_do_not(makes: &dyn Makes) {
    let script = Script::new("it", []);
    let layer =
        makes.redirected(script.clone(), address("inbox@example.net"), &["Example.ORG", "müller.example"]);
    let readers = [
        "ann@example.com",
        "bob@example.org",
        "eve@sub.example.org",
        "joe@notexample.org",
        "j@müller.example",
    ];
    layer.deliver(&mail_to(&readers), &Context::new()).await.expect("taken");
    let left = addresses(&["inbox@example.net", "bob@example.org", "j@müller.example"]);
    assert_eq!(script.calls()[0].to, left);
}

async fn the_bytes_and_the_sender_stay(makes: &dyn Makes) {
    let script = Script::new("it", []);
    let layer = makes.redirected(script.clone(), address("inbox@example.net"), &[]);
    let mail = mail_to(&["ann@example.com", "hidden@example.com"]);
    let receipt = layer.deliver(&mail, &Context::new()).await.expect("taken");
    let call = script.calls().remove(0);
    assert_eq!((&call.raw, call.from.as_ref()), (mail.raw(), mail.envelope().from()));
    assert_eq!((&receipt.message_id, &*receipt.via), (mail.message_id(), "it"));
}

async fn what_production_would_refuse_staging_refuses(makes: &dyn Makes) {
    let mut can = everything();
    can.max_recipients = Some(2);
    let script = Script::able("it", can);
    let layer = makes.redirected(script.clone(), address("inbox@example.net"), &[]);
    let error = layer.deliver(&mail_to_many(3), &Context::new()).await.expect_err("three are too many");
    assert_eq!((error.kind(), script.count()), (ErrorKind::Unsupported, 0));
}
