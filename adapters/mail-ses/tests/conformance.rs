//! Enrols mail-ses, on a stand-in for SES that checks signatures.

mod harness;

use harness::SesHarness;

conformance_tests::mailer!(SesHarness);
