//! What SES takes, and what it makes of it.

use std::collections::{BTreeMap, BTreeSet};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use mail_parser::{Address as Mailboxes, MessageParser};
use serde_json::{Value, json};

use super::{Delivery, State, calls::Refusal, token};

/// How much base64 SES takes.
const MAX_BASE64: usize = 40 << 20;

/// How many recipients SES takes.
const MAX_RECIPIENTS: usize = 50;

/// `SendEmail` with a raw mail.
pub(super) fn send(state: &mut State, region: &str, body: &[u8]) -> Result<Value, Refusal> {
    let request: Value = serde_json::from_slice(body).map_err(|_| bad("Could not parse request body"))?;
    if !state.account.sending {
        return Err(no("SendingPausedException", "Email sending is paused."));
    }
    let set = text(&request, "ConfigurationSetName");
    if let Some(set) = set.as_deref().filter(|set| !state.sets.contains(*set)) {
        return Err(Refusal {
            status: 404,
            code: "NotFoundException".to_owned(),
            message: format!("Configuration set <{set}> does not exist."),
        });
    }
    let tags = tags(&request)?;
    let raw = raw(&request)?;
    let named = text(&request, "FromEmailAddress");
    let author = MessageParser::default().parse(&raw).and_then(|mail| Some(addresses(mail.from()?)));
    let from = named.clone().or_else(|| author?.into_iter().next());
    let from = from.ok_or_else(|| bad("Missing required header 'From'."))?;
    let (to, has_destination) = recipients(&request, &raw)?;
    verified(state, region, &from, &to)?;

    let (left, right) = (token(), token());
    let id = format!("{left}-{}-{}-000000", &right[..8], &right[8..]);
    let host = if region == "us-east-1" { "email" } else { region };
    let raw = replace(&raw, &format!("{id}@{host}.amazonses.com"), named.as_deref()).into();
    let feedback = text(&request, "FeedbackForwardingEmailAddress");
    let delivery =
        Delivery { from, to, has_destination, raw, id: id.clone(), configuration_set: set, feedback, tags };
    state.deliveries.push(delivery);
    Ok(json!({ "MessageId": id }))
}

fn raw(request: &Value) -> Result<Vec<u8>, Refusal> {
    let data = request.pointer("/Content/Raw/Data").and_then(Value::as_str);
    let data = data.ok_or_else(|| bad("Only raw content is taken here."))?;
    if data.len() > MAX_BASE64 {
        return Err(bad("Message length is more than 41943040 bytes long."));
    }
    let raw = STANDARD.decode(data).map_err(|_| bad("The content is not base64."))?;
    if raw.split(|&b| b == b'\n').any(|line| line.len() > 1000) {
        return Err(bad("A line is longer than 1000 characters."));
    }
    Ok(raw)
}

/// Those of the destination; without one, those that the headers name.
fn recipients(request: &Value, raw: &[u8]) -> Result<(Vec<String>, bool), Refusal> {
    let destination = request.get("Destination");
    let to: Vec<String> = match destination {
        Some(destination) => ["ToAddresses", "CcAddresses", "BccAddresses"]
            .iter()
            .filter_map(|field| destination.get(field)?.as_array())
            .flatten()
            .filter_map(|address| Some(address.as_str()?.to_owned()))
            .collect(),
        None => MessageParser::default().parse(raw).map_or_else(Vec::new, |mail| {
            [mail.to(), mail.cc(), mail.bcc()].into_iter().flatten().flat_map(addresses).collect()
        }),
    };
    if to.is_empty() {
        return Err(bad("Missing final '@domain'"));
    }
    if to.len() > MAX_RECIPIENTS {
        return Err(bad("Recipient count exceeds 50."));
    }
    // One address that is not sound refuses the whole mail.
    let is_sound = |address: &String| {
        let parts = address.rsplit_once('@');
        address.is_ascii()
            && parts.is_some_and(|(local, domain)| !local.is_empty() && domain.contains('.'))
            && !address.contains([' ', ',', '<', '>', '"'])
    };
    if !to.iter().all(is_sound) {
        return Err(bad("Illegal address"));
    }
    Ok((to, destination.is_some()))
}

/// SES sends for addresses and domains that somebody has proved to own; in the sandbox, to those alone.
fn verified(state: &State, region: &str, from: &str, to: &[String]) -> Result<(), Refusal> {
    let is_verified = |address: &str| {
        let domain = address.rsplit_once('@').map_or("", |(_, domain)| domain);
        state.identities.contains(address) || state.identities.contains(domain)
    };
    let recipients = to.iter().filter(|_| !state.account.production).map(String::as_str);
    let failed: Vec<&str> =
        std::iter::once(from).chain(recipients).filter(|address| !is_verified(address)).collect();
    if failed.is_empty() {
        return Ok(());
    }
    let message = format!(
        "Email address is not verified. The following identities failed the check in region {}: {}",
        region.to_uppercase(),
        failed.join(", ")
    );
    Err(no("MessageRejected", &message))
}

fn tags(request: &Value) -> Result<BTreeMap<String, String>, Refusal> {
    let allowed = |text: &str| {
        (1..=256).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
    };
    let mut names = BTreeSet::new();
    let given = request.get("EmailTags").and_then(Value::as_array).cloned().unwrap_or_default();
    let read = |tag: &Value| {
        let (name, value) = (text(tag, "Name")?, text(tag, "Value")?);
        (allowed(&name) && allowed(&value) && names.insert(name.clone())).then_some((name, value))
    };
    given.iter().map(read).collect::<Option<_>>().ok_or_else(|| bad("Invalid tag"))
}

/// The mail with SES's own `Message-ID` and `Date`, and with the sender that the request named.
fn replace(raw: &[u8], id: &str, from: Option<&str>) -> Vec<u8> {
    let end = raw.windows(4).position(|at| at == b"\r\n\r\n").map_or(raw.len(), |at| at + 2);
    let mut kept = format!("Message-ID: <{id}>\r\nDate: Thu, 01 Jan 2026 00:00:00 +0000\r\n").into_bytes();
    let mut replaced = false;
    for line in raw[..end].split_inclusive(|&b| b == b'\n') {
        if !line.starts_with(b" ") && !line.starts_with(b"\t") {
            let lower = line.to_ascii_lowercase();
            replaced = lower.starts_with(b"message-id:") || lower.starts_with(b"date:");
            if let Some(from) = from.filter(|_| lower.starts_with(b"from:")) {
                kept.extend_from_slice(format!("From: {from}\r\n").as_bytes());
                replaced = true;
            }
        }
        if !replaced {
            kept.extend_from_slice(line);
        }
    }
    kept.extend_from_slice(&raw[end..]);
    kept
}

fn addresses(mailboxes: &Mailboxes<'_>) -> Vec<String> {
    mailboxes.iter().filter_map(|mailbox| Some(mailbox.address()?.to_owned())).collect()
}

fn text(of: &Value, field: &str) -> Option<String> {
    of.get(field)?.as_str().map(str::to_owned)
}

fn bad(message: &str) -> Refusal {
    no("BadRequestException", message)
}

fn no(code: &str, message: &str) -> Refusal {
    Refusal { status: 400, code: code.to_owned(), message: message.to_owned() }
}
