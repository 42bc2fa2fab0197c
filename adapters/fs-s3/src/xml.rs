//! The few documents of S3 that are read and written here.

use bytes::Bytes;
use quick_xml::{de, events::Event, reader::Reader};
use serde::Deserialize;

use crate::error::is_plain;

/// What an error document says, as far as it is kept.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// The code, or nothing where there was none or it was no code.
    pub(crate) code: String,
    /// The region that the bucket is said to be in.
    pub(crate) region: String,
}

/// A page of objects. Each kind of page has to say whether it is the last one: whatever does not is no page of S3's.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ObjectPage {
    #[serde(default)]
    pub(crate) contents: Vec<ListedObject>,
    pub(crate) next_continuation_token: Option<String>,
    pub(crate) is_truncated: bool,
    pub(crate) encoding_type: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ListedObject {
    pub(crate) key: String,
    pub(crate) size: u64,
    pub(crate) last_modified: chrono::DateTime<chrono::Utc>,
    #[serde(rename = "ETag")]
    pub(crate) etag: Option<String>,
}

/// A page of uploads that have not ended.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct UploadPage {
    #[serde(rename = "Upload", default)]
    pub(crate) uploads: Vec<ListedUpload>,
    pub(crate) next_key_marker: Option<String>,
    pub(crate) next_upload_id_marker: Option<String>,
    pub(crate) is_truncated: bool,
    pub(crate) encoding_type: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ListedUpload {
    pub(crate) key: String,
    pub(crate) upload_id: String,
    pub(crate) initiated: chrono::DateTime<chrono::Utc>,
}

/// The parts of one upload.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct PartPage {
    #[serde(rename = "Part", default)]
    pub(crate) parts: Vec<ListedPart>,
    pub(crate) next_part_number_marker: Option<String>,
    pub(crate) is_truncated: bool,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ListedPart {
    pub(crate) size: u64,
}

/// What begins an upload.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Begun {
    pub(crate) upload_id: String,
}

/// What ends an upload or a copy well.
#[derive(Debug, Deserialize)]
pub(crate) struct Published {
    #[serde(rename = "ETag", default)]
    pub(crate) etag: String,
    /// Of a copy.
    #[serde(rename = "LastModified")]
    pub(crate) last_modified: Option<chrono::DateTime<chrono::Utc>>,
}

/// Reads a document, or says that it is none.
pub(crate) fn read<T: for<'de> Deserialize<'de>>(document: &Bytes) -> Result<T, de::DeError> {
    de::from_reader(document.as_ref())
}

/// The first refusal in a document: an error document, or an answer that holds the errors of single objects.
pub(crate) fn refusal(document: &[u8]) -> Option<Refusal> {
    let mut reader = Reader::from_reader(document);
    let mut found: Option<Refusal> = None;
    let mut within = Vec::new();
    loop {
        match reader.read_event().ok()? {
            Event::Start(tag) => {
                within = tag.local_name().as_ref().to_vec();
                if within == b"Error" && found.is_none() {
                    found = Some(Refusal::default());
                }
            }
            Event::End(tag) if tag.local_name().as_ref() == b"Error" && found.is_some() => return found,
            Event::End(_) => within.clear(),
            Event::Text(text) => {
                if let (Some(refusal), Ok(text)) = (&mut found, str::from_utf8(&text))
                    && is_plain(text)
                {
                    match within.as_slice() {
                        b"Code" => text.clone_into(&mut refusal.code),
                        b"Region" => text.clone_into(&mut refusal.region),
                        _ => {}
                    }
                }
            }
            Event::Eof => return found,
            _ => {}
        }
    }
}

/// The document that ends an upload. The tags are the server's own, escaped nevertheless.
pub(crate) fn completion(etags: &[String]) -> String {
    let parts = etags.iter().zip(1_u32..).map(|(etag, number)| {
        let etag = quick_xml::escape::escape(etag.as_str());
        format!("<Part><ETag>{etag}</ETag><PartNumber>{number}</PartNumber></Part>")
    });
    format!("<CompleteMultipartUpload>{}</CompleteMultipartUpload>", parts.collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_and_region_of_an_error_are_read_and_nothing_else() {
        let document = b"<?xml version=\"1.0\"?><Error><Code>AuthorizationHeaderMalformed</Code>\
            <Message>secret</Message><Region>eu-west-1</Region></Error>";
        let expected =
            Refusal { code: "AuthorizationHeaderMalformed".to_owned(), region: "eu-west-1".to_owned() };
        assert_eq!(refusal(document), Some(expected));
    }

    #[test]
    fn an_error_among_results_is_found() {
        let document = b"<DeleteResult><Deleted><Key>a</Key></Deleted>\
            <Error><Key>b</Key><Code>AccessDenied</Code></Error></DeleteResult>";
        assert_eq!(refusal(document).expect("an error").code, "AccessDenied");
    }

    #[test]
    fn a_good_answer_holds_no_refusal() {
        for document in
            ["", "<CompleteMultipartUploadResult><ETag>\"a\"</ETag></CompleteMultipartUploadResult>"]
        {
            assert_eq!(refusal(document.as_bytes()), None);
        }
    }

    #[test]
    fn what_is_no_code_is_not_taken_for_one() {
        let told = refusal(b"<Error><Code>a b\nc</Code></Error>").expect("an error");
        assert_eq!(told.code, "");
    }

    #[test]
    fn parts_are_numbered_from_one_and_escaped() {
        let document = completion(&["\"a\"".to_owned(), "<&".to_owned()]);
        assert!(document.contains("<ETag>&quot;a&quot;</ETag><PartNumber>1</PartNumber>"), "{document}");
        assert!(document.contains("<ETag>&lt;&amp;</ETag><PartNumber>2</PartNumber>"), "{document}");
    }
}
