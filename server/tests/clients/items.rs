//! Vault items as the client takes and gives them, and an export file full of them.

use std::collections::BTreeMap;

use serde_json::{Value, json};

/// One item of each type that the client creates on any server.
pub(crate) fn of_each_type() -> Vec<Value> {
    vec![login(), note(), card(), identity(), ssh_key()]
}

/// One item of each type that the client creates only where the server sets the flag `pm-32009-new-item-types`.
/// It imports and shows them everywhere.
pub(crate) fn of_each_newer_type() -> Vec<Value> {
    vec![bank_account(), drivers_license(), passport()]
}

pub(crate) fn login() -> Value {
    let login = json!({
        "uris": [{ "match": null, "uri": "https://example.com/login" }, { "match": 3, "uri": "https://exact.example.com" }],
        "username": "ada",
        "password": "päss \"wörd\" \u{1f511}",
        "totp": "JBSWY3DPEHPK3PXP",
        "fido2Credentials": [],
    });
    let mut item = item(1, "Login", "login", &login);
    item["favorite"] = json!(true);
    item["fields"] = json!([
        { "name": "visible", "value": "text", "type": 0, "linkedId": null },
        { "name": "hidden", "value": "secret", "type": 1, "linkedId": null },
        { "name": "checked", "value": "true", "type": 2, "linkedId": null },
        { "name": "linked", "value": null, "type": 3, "linkedId": 100 },
    ]);
    item
}

pub(crate) fn note() -> Value {
    item(2, "Note", "secureNote", &json!({ "type": 0 }))
}

fn card() -> Value {
    let card = json!({
        "cardholderName": "Ada Lovelace", "brand": "Visa", "number": "4242424242424242",
        "expMonth": "4", "expYear": "2031", "code": "123",
    });
    item(3, "Card", "card", &card)
}

fn identity() -> Value {
    let identity = json!({
        "title": "Ms", "firstName": "Ada", "middleName": "King", "lastName": "Lovelace", "address1": "12 St James's Square",
        "address2": "Second floor", "address3": "Rear", "city": "London", "state": "Middlesex", "postalCode": "SW1Y 4JH",
        "country": "GB", "company": "Analytical Engines", "email": "ada@example.com", "phone": "+44 20 7946 0000",
        "ssn": "000-12-3456", "username": "ada", "passportNumber": "GB0000001", "licenseNumber": "D-1815",
    });
    item(4, "Identity", "identity", &identity)
}

/// The client does not look into the key, so these are words.
fn ssh_key() -> Value {
    let key = json!({
        "privateKey": "the private half\nof a key\n", "publicKey": "ssh-ed25519 the-public-half ada", "keyFingerprint": "SHA256:of-both",
    });
    item(5, "SSH key", "sshKey", &key)
}

fn bank_account() -> Value {
    let account = json!({
        "bankName": "Hoare's", "nameOnAccount": "Ada Lovelace", "accountType": "checking", "accountNumber": "000123456789",
        "routingNumber": "000000000", "branchNumber": "000", "pin": "1234", "swiftCode": "HOAREGB1", "iban": "GB00HOAR12345600000001",
        "bankContactPhone": "+44 20 7946 0001",
    });
    item(6, "Bank account", "bankAccount", &account)
}

fn drivers_license() -> Value {
    let license = json!({
        "firstName": "Ada", "middleName": "King", "lastName": "Lovelace", "dateOfBirth": "1990-12-10", "licenseNumber": "D-1815",
        "issuingCountry": "GB", "issuingState": "London", "issueDate": "2020-06-01", "expirationDate": "2030-06-01",
        "issuingAuthority": "DVLA", "licenseClass": "B",
    });
    item(7, "Driver's licence", "driversLicense", &license)
}

fn passport() -> Value {
    let passport = json!({
        "surname": "Lovelace", "givenName": "Ada", "dateOfBirth": "1990-12-10", "sex": "F", "birthPlace": "London",
        "nationality": "GBR", "issuingCountry": "GB", "passportNumber": "GB0000001", "passportType": "P",
        "nationalIdentificationNumber": "000-12-3456", "issuingAuthority": "HMPO", "issueDate": "2020-06-01",
        "expirationDate": "2030-06-01",
    });
    item(8, "Passport", "passport", &passport)
}

fn item(kind: u8, name: &str, part: &str, content: &Value) -> Value {
    json!({
        "folderId": null, "type": kind, "name": name,
        "notes": format!("Notes about the {name},\non two lines."), "favorite": false, "fields": [], "reprompt": 0,
        "passwordHistory": [], part: content,
    })
}

/// An unencrypted export in the client's own format: items of each type by turns, one in three in a folder.
pub(crate) fn export_of(count: usize) -> Value {
    const FOLDERS: usize = 12;
    let folder_id = |n: usize| format!("00000000-0000-4000-8000-{n:012}");
    let folders: Vec<_> =
        (0..FOLDERS).map(|n| json!({ "id": folder_id(n), "name": format!("Folder {n}") })).collect();
    let kinds = [of_each_type(), of_each_newer_type()].concat();
    let items: Vec<_> = (0..count)
        .map(|n| {
            let mut item = kinds[n % kinds.len()].clone();
            item["id"] = json!(format!("00000000-0000-4000-9000-{n:012}"));
            item["name"] = json!(format!("Item {n}"));
            if n % 3 == 0 {
                item["folderId"] = json!(folder_id(n % FOLDERS));
            }
            item
        })
        .collect();
    json!({ "encrypted": false, "folders": folders, "items": items })
}

/// The items of an export by their name, without what a server gives out anew: ids become the folders' names.
pub(crate) fn by_name(export: &Value) -> BTreeMap<String, Value> {
    let list = |part: &str| export[part].as_array().cloned().unwrap_or_default();
    let folders: BTreeMap<_, _> = list("folders")
        .into_iter()
        .map(|folder| (folder["id"].to_string(), folder["name"].clone()))
        .collect();
    let items = list("items").into_iter().map(|mut item| {
        item["folder"] = folders.get(&item["folderId"].to_string()).cloned().unwrap_or_default();
        for part in ["id", "folderId"] {
            item.as_object_mut().expect("an item is an object").remove(part);
        }
        (item["name"].as_str().unwrap_or_default().to_owned(), item)
    });
    items.collect()
}
