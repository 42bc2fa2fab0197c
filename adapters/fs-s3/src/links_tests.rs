use super::*;

/// The example that Amazon publishes for signatures in a query.
#[test]
fn the_published_example_has_the_published_signature() {
    let bucket = Url::parse("https://examplebucket.s3.amazonaws.com").expect("a URL");
    let keys = AwsCredential {
        key_id: "AKIAIOSFODNN7EXAMPLE".to_owned(),
        secret_key: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY".to_owned(),
        token: None,
    };
    let signed =
        Signed { method: "GET", bucket: &bucket, name: "test.txt", query: Vec::new(), headers: Vec::new() };
    let midnight = DateTime::parse_from_rfc3339("2013-05-24T00:00:00Z").expect("a time").into();
    let url = signed.url(&keys, "us-east-1", midnight, 86_400);
    let signature = "aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404";
    assert!(url.as_str().ends_with(&format!("&X-Amz-Signature={signature}")), "{url}");
}

#[test]
fn texts_that_would_leave_their_header_are_refused() {
    for text in ["a\r\nb: c", "a\u{0}", &"x".repeat(1025)] {
        let named = LinkRequest::Get {
            expires_in: Duration::from_mins(1),
            file_name: Some(text.to_owned()),
            content_type: None,
            inline: false,
        };
        let typed = LinkRequest::Get {
            expires_in: Duration::from_mins(1),
            file_name: None,
            content_type: Some(text.to_owned()),
            inline: false,
        };
        for request in [named, typed] {
            assert_eq!(check_texts(&request).expect_err("refused").kind(), ErrorKind::InvalidOption);
        }
    }
}
