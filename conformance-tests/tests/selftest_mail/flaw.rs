//! The ways in which a backend can be wrong, and which cases answer for each.

/// What is wrong with a backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flaw {
    /// Nothing.
    None,
    /// Lines end in LF.
    MutatesBytes,
    /// A line break more at the end.
    AddsALineBreak,
    /// Dots at the beginning of lines are taken for stuffing.
    UnstuffsDots,
    /// What follows a line with only a dot is lost.
    EndsAtADot,
    /// Bytes over 127 lose their highest bit.
    SevenBits,
    /// Recipients that stand in no header are dropped.
    DropsHidden,
    /// Recipients are read from the headers.
    ReadsHeaders,
    /// Hidden recipients get a header.
    LeaksHidden,
    SortsRecipients,
    RepeatsARecipient,
    LowersCase,
    /// The envelope sender is always the author.
    AuthorAlways,
    /// As before, and a sender of one's own is not declared.
    AuthorSilently,
    /// A mail is there that nobody sent.
    Haunted,
    SendsTwice,
    SplitsRecipients,
    /// A mail that was seen before is dropped.
    DropsRepeated,
    NamesAnotherId,
    CountsOneAttempt,
    /// Each receipt is the one of the mail before.
    SwapsReceipts,
    InventsProviderId,
    /// An id that was not declared.
    GivesUnclaimedId,
    ChangesItsMind,
    IgnoresLimits,
    ClaimsUtf8,
    IgnoresDeadline,
    CheckSends,
    TakesAfterClosing,
    /// Being unusable, it says that nobody knows what happened.
    UnusableIsUnsure,
    /// Being unusable, it says what the mail said.
    QuotesTheMail,
    /// The answer to a dropped call is given to the next.
    AnswersForTheDropped,
    /// After a dropped call nothing works.
    KeepsFailing,
    /// After a dropped check nothing works.
    PoisonedByCheck,
    /// Dropping sends a second copy.
    SendsDroppedTwice,
    ShowsHalf,
    /// What runs while closing is answered with `Ok` and lost.
    LosesOnClose,
    /// Its `Debug` has the bytes.
    ShowsMails,
}

/// Which flaw which case must find. `content::` alone stands for the whole group.
pub(crate) const FINDS: &[(Flaw, &[&str])] = &[
    (
        Flaw::MutatesBytes,
        &[
            "content::",
            "limits::international_domains_need_no_support",
            "injection::odd_header_values_stay_values",
            "injection::boundaries_in_the_text_divide_nothing",
            "injection::random_names_and_subjects_read_the_same_again",
        ],
    ),
    (Flaw::AddsALineBreak, &["content::no_line_break_is_added_or_lost_at_the_end"]),
    (Flaw::UnstuffsDots, &["content::lines_that_begin_with_a_dot"]),
    (Flaw::EndsAtADot, &["content::lines_that_begin_with_a_dot", "injection::a_body_cannot_end_the_mail"]),
    (Flaw::SevenBits, &["content::eight_bit_bytes_in_a_finished_mail"]),
    (
        Flaw::DropsHidden,
        &["envelope::readers_of_to_cc_and_bcc_all_get_it", "envelope::hidden_copies_are_in_no_header"],
    ),
    (
        Flaw::ReadsHeaders,
        &["envelope::recipients_may_differ_from_the_headers", "injection::odd_addresses_arrive_as_they_are"],
    ),
    (Flaw::LeaksHidden, &["envelope::hidden_copies_are_in_no_header"]),
    (Flaw::SortsRecipients, &["envelope::recipients_keep_their_order"]),
    (Flaw::RepeatsARecipient, &["envelope::a_recipient_named_twice_gets_one"]),
    (Flaw::LowersCase, &["envelope::the_case_of_a_local_part_is_kept"]),
    (Flaw::AuthorAlways, &["envelope::a_sender_other_than_the_author", "envelope::the_null_sender"]),
    (Flaw::AuthorSilently, &["envelope::a_sender_other_than_the_author", "envelope::the_null_sender"]),
    (
        Flaw::Haunted,
        &[
            "envelope::no_recipient_is_no_envelope",
            "injection::line_breaks_and_controls_are_refused_in_every_field",
            "injection::what_is_no_address_is_refused",
            "injection::headers_of_our_own_cannot_be_set_twice",
            "injection::a_finished_mail_with_bare_line_breaks_is_refused",
        ],
    ),
    (Flaw::SendsTwice, &["content::text_only", "receipt::one_mail_for_many_recipients_arrives_once"]),
    (Flaw::SplitsRecipients, &["receipt::one_mail_for_many_recipients_arrives_once"]),
    (Flaw::DropsRepeated, &["receipt::the_same_mail_handed_over_twice_arrives_twice_unchanged"]),
    (Flaw::NamesAnotherId, &["receipt::it_names_the_message_id_that_arrives"]),
    (Flaw::CountsOneAttempt, &["receipt::it_tells_who_took_the_mail_and_at_which_attempt"]),
    (
        Flaw::SwapsReceipts,
        &[
            "receipt::many_at_once_are_neither_lost_nor_swapped",
            "receipt::a_thousand_at_once_are_neither_lost_nor_swapped",
        ],
    ),
    (Flaw::InventsProviderId, &["receipt::the_provider_id_is_that_of_the_mail"]),
    (Flaw::GivesUnclaimedId, &["receipt::the_provider_id_is_that_of_the_mail"]),
    (Flaw::ChangesItsMind, &["limits::capabilities_do_not_change"]),
    (
        Flaw::IgnoresLimits,
        &[
            "limits::one_recipient_more_than_declared_is_refused",
            "limits::one_byte_more_than_declared_is_refused",
        ],
    ),
    (
        Flaw::ClaimsUtf8,
        &[
            "limits::local_parts_of_every_script",
            "limits::one_local_part_of_another_script_counts_for_the_whole_mail",
        ],
    ),
    (Flaw::IgnoresDeadline, &["limits::nothing_is_sent_after_the_deadline"]),
    (Flaw::CheckSends, &["limits::checking_sends_nothing"]),
    (Flaw::TakesAfterClosing, &["limits::after_closing_every_call_is_refused"]),
    (Flaw::UnusableIsUnsure, &["limits::an_unusable_backend_surely_sent_nothing"]),
    (Flaw::QuotesTheMail, &["limits::an_unusable_backend_surely_sent_nothing"]),
    (Flaw::AnswersForTheDropped, &["cancellation::after_a_dropped_call_the_next_gets_its_own_answer"]),
    (Flaw::KeepsFailing, &["cancellation::after_a_dropped_call_the_next_gets_its_own_answer"]),
    (Flaw::PoisonedByCheck, &["cancellation::dropped_check_and_close_poison_nothing"]),
    (Flaw::SendsDroppedTwice, &["cancellation::a_dropped_call_sends_at_most_once"]),
    (Flaw::ShowsHalf, &["cancellation::what_can_be_seen_is_whole"]),
    (Flaw::ShowsMails, &["limits::what_it_shows_of_itself_tells_nothing_of_the_mails"]),
    (Flaw::LosesOnClose, &["cancellation::closing_while_sending_loses_nothing"]),
];
