//! The ways in which a client of SMTP can be wrong, and which cases answer for each.

/// What is wrong with a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flaw {
    /// Nothing.
    None,
    /// A server that does not want us is taken for one that refuses the mail.
    BlamesTheMail,
    /// Every no to a mail is the mail's fault.
    TemporaryIsRefused,
    /// Every no may pass.
    EverythingPasses,
    /// A no to a recipient is a no to the mail.
    BlamesNoRecipient,
    /// No refusal of recipients passes.
    RecipientsNeverPass,
    /// 421 means no more than 4xx.
    KnowsNoFarewell,
    /// 552 means no more than 5xx.
    KnowsNoSize,
    /// Whatever is throttled passes soon.
    KnowsNoQuota,
    /// Of a reply the last line is told.
    TellsTheLastLine,
    /// A reply needs a text.
    WantsText,
    /// Control characters are told.
    KeepsControls,
    /// A reply is UTF-8.
    WantsUtf8,
    /// A reply is short.
    WantsShortLines,
    /// A reply that does not end counts as a lost connection.
    EndlessIsLost,
    /// What is no reply counts as a lost connection.
    NonsenseIsLost,
    /// What is not no is yes.
    AnyCodeIsYes,
    /// Yes to `DATA` is leave to send the mail.
    SendsUnasked,
    /// Whatever goes wrong after the dot, nothing was sent.
    SureAfterTheDot,
    /// Whatever goes wrong before the dot, the mail may have been sent.
    UnsureBeforeTheDot,
    /// A mail without an answer is sent again.
    SendsAgain,
    /// Every server works.
    CheckIsBlind,
    /// A check sends a mail.
    CheckSends,
    /// Refused recipients are not named.
    HidesRefused,
    /// Every refused recipient is refused for good.
    RefusedForGood,
    /// Answers are counted to a hundred.
    CountsToAHundred,
    /// Sends to some, and does not say that it does.
    PartialUndeclared,
    /// The mail is sent even if nobody takes it.
    SendsToNobody,
    /// The mail is sent to some where all or none was asked for.
    SendsToSome,
    /// There is no deadline, and a step takes what it takes.
    WaitsForEver,
    /// What cannot be written at once is not written.
    WritesAtOnce,
    /// An idle connection is as good as it was.
    TrustsIdle,
    /// A reply comes in one piece.
    WantsWholeReplies,
    /// Keywords are in upper case.
    WantsUpperCase,
    /// Every server knows `EHLO`.
    KnowsNoHelo,
    /// Every server knows `BODY`.
    AssumesExtensions,
    /// `SIZE` is not read.
    IgnoresSize,
    /// Dots are sent as they are.
    StuffsNoDots,
    /// `SMTPUTF8` is not read.
    IgnoresUtf8,
    /// `8BITMIME` is not read.
    IgnoresEightBit,
    /// There is no TLS but from the first byte.
    ForgetsStartTls,
    /// Where `STARTTLS` cannot be had it goes on without.
    Opportunistic,
    /// What came before the handshake is read after it.
    KeepsClearBytes,
    /// What was announced before the handshake holds after it.
    RemembersClear,
    /// Every certificate is as good as another.
    TrustsAnybody,
    /// No certificate is trusted but a sound one, whatever was asked for.
    TrustsTheSound,
    /// A handshake that fails is a lost connection.
    HandshakeIsLost,
    /// A connection that ends without a word of TLS is an error.
    WantsCloseNotify,
    /// Nobody logs in.
    ForgetsLogin,
    /// The secret is sent in clear.
    LogsInAnywhere,
    /// `PLAIN` is the only mechanism.
    KnowsPlainOnly,
    /// A name ends at a colon.
    CutsAtColon,
    /// Logs in although it is nobody.
    LogsInAsNobody,
    /// Logs in for each mail.
    LogsInAlways,
    /// Does not say what mechanisms there are.
    NamesNoMechanism,
    /// A refused login may be accepted later.
    LoginMayPass,
    /// A refused login is refused for good.
    LoginNeverPasses,
    /// 530 means no more than 5xx.
    KnowsNot530,
    /// A challenge that ends XOAUTH2 is left without an answer.
    LeavesTheChallenge,
    /// The secret is asked for once.
    NeverAsksAgain,
    /// The secret is asked for until it is accepted.
    AsksForEver,
    /// A secret may hold anything.
    SendsAnySecret,
    /// What the server says about a login is told as it is.
    QuotesTheServer,
    /// Each mail has a connection of its own.
    AlwaysConnects,
    /// As many connections are opened as there are mails.
    KnowsNoLimit,
    /// Mails are not counted.
    CountsNoMails,
    /// Whatever was said on a connection, it is used again.
    KeepsBroken,
    /// Closing waits for nobody.
    ClosesAtOnce,
    /// Closing leaves idle connections open.
    KeepsIdle,
    /// A connection that is given up stays open.
    Leaks,
    /// A provider's id is told for the mail after.
    SwapsIds,
    /// The connection of a dropped call is used again.
    ReturnsDropped,
    /// A dropped call goes on at the side.
    GoesOn,
    /// A dropped call keeps its place.
    KeepsItsPlace,
    /// A dropped check spoils what comes after.
    PoisonedByCheck,
    /// A deadline is looked at once there is a connection.
    ConnectsFirst,
}

/// Which flaw which case must find.
pub(crate) const FINDS: &[(Flaw, &[&str])] = &[
    (
        Flaw::BlamesTheMail,
        &[
            "smtp::errors::a_no_to_the_connection_is_the_transports",
            "smtp::pool::a_server_that_takes_no_more_connections_does_no_harm",
        ],
    ),
    (Flaw::TemporaryIsRefused, &["smtp::errors::a_temporary_no_to_a_mail_is_the_transports"]),
    (Flaw::EverythingPasses, &["smtp::errors::a_permanent_no_to_a_mail_is_the_messages"]),
    (Flaw::BlamesNoRecipient, &["smtp::errors::a_no_to_every_recipient_is_about_them"]),
    (Flaw::RecipientsNeverPass, &["smtp::partial::if_one_may_be_taken_later_the_mail_may"]),
    (Flaw::KnowsNoFarewell, &["smtp::errors::a_server_that_takes_its_leave_is_unavailable"]),
    (
        Flaw::KnowsNoSize,
        &[
            "smtp::errors::a_mail_that_is_too_large_for_the_server_is_called_so",
            "smtp::rude::a_no_in_the_middle_of_the_mail_is_heard",
        ],
    ),
    (Flaw::KnowsNoQuota, &["smtp::errors::throttling_is_told_from_a_quota_that_is_used_up"]),
    (Flaw::TellsTheLastLine, &["smtp::errors::code_and_text_of_a_reply_are_told"]),
    (Flaw::WantsText, &["smtp::errors::a_reply_needs_no_text"]),
    (Flaw::KeepsControls, &["smtp::errors::a_reply_is_told_without_control_characters"]),
    (Flaw::WantsUtf8, &["smtp::errors::a_reply_in_another_encoding_is_a_reply"]),
    (Flaw::WantsShortLines, &["smtp::errors::a_long_line_is_a_reply"]),
    (Flaw::EndlessIsLost, &["smtp::errors::a_reply_without_end_is_nonsense"]),
    (Flaw::NonsenseIsLost, &["smtp::errors::a_greeting_in_another_protocol_is_nonsense"]),
    (Flaw::AnyCodeIsYes, &["smtp::errors::a_code_of_no_known_class_is_nonsense"]),
    (Flaw::SendsUnasked, &["smtp::odd::a_mail_is_not_sent_to_a_server_that_did_not_ask_for_it"]),
    (
        Flaw::SureAfterTheDot,
        &[
            "smtp::errors::nonsense_after_the_dot_leaves_the_outcome_open",
            "smtp::rude::a_connection_lost_after_the_dot_leaves_the_outcome_open",
            "smtp::rude::a_stall_at_any_point_",
        ],
    ),
    (
        Flaw::UnsureBeforeTheDot,
        &[
            "smtp::rude::nobody_at_the_address_is_unavailable",
            "smtp::rude::silence_at_the_address_ends_in_time",
            "smtp::rude::a_connection_closed_",
            "smtp::rude::a_connection_cut_",
            "smtp::rude::a_greeting_that_never_ends_ends_in_time",
            "smtp::odd::commands_that_a_server_drops_cost_no_more_than_time",
            "smtp::tls::a_port_that_wants_tls_at_once_is_not_waited_for",
            "smtp::tls::a_handshake_that_stalls_ends_at_the_deadline",
            "smtp::pool::waiting_for_a_connection_ends_at_the_deadline",
        ],
    ),
    (Flaw::SendsAgain, &["smtp::rude::a_connection_lost_after_the_dot_leaves_the_outcome_open"]),
    (Flaw::CheckIsBlind, &["smtp::errors::a_check_finds_what_a_mail_would_find"]),
    (Flaw::CheckSends, &["smtp::errors::a_check_names_nobody_and_sends_nothing"]),
    (
        Flaw::HidesRefused,
        &[
            "smtp::partial::the_others_get_the_mail_and_the_refused_are_named",
            "smtp::partial::without_pipelining_it_is_the_same",
        ],
    ),
    (Flaw::RefusedForGood, &["smtp::partial::refusals_for_now_are_told_from_those_for_good"]),
    (Flaw::CountsToAHundred, &["smtp::partial::of_a_thousand_recipients_each_has_its_own_answer"]),
    (Flaw::PartialUndeclared, &["smtp::partial::the_others_get_the_mail_and_the_refused_are_named"]),
    (
        Flaw::SendsToNobody,
        &[
            "smtp::partial::if_all_are_refused_no_mail_is_sent",
            "smtp::partial::a_server_that_refuses_all_and_waits_for_the_mail_gets_none",
        ],
    ),
    (Flaw::SendsToSome, &["smtp::partial::all_or_nothing_sends_nothing_unless_all_are_taken"]),
    (Flaw::WaitsForEver, &["smtp::rude::a_stall_at_any_point_ends_at_the_deadline"]),
    (Flaw::WritesAtOnce, &["smtp::rude::a_slow_reader_gets_all_of_the_mail"]),
    (
        Flaw::TrustsIdle,
        &[
            "smtp::rude::a_farewell_on_an_idle_connection_costs_no_mail",
            "smtp::rude::an_idle_connection_that_was_closed_costs_no_mail",
            "smtp::pool::a_connection_that_lay_idle_too_long_is_not_used_again",
            "smtp::pool::a_runtime_that_ended_takes_nothing_with_it",
        ],
    ),
    (Flaw::WantsWholeReplies, &["smtp::odd::answers_that_come_byte_by_byte_are_understood"]),
    (Flaw::WantsUpperCase, &["smtp::odd::keywords_may_be_written_in_any_way"]),
    (Flaw::KnowsNoHelo, &["smtp::odd::a_server_that_knows_helo_only_gets_mail"]),
    (Flaw::AssumesExtensions, &["smtp::odd::a_server_that_announces_nothing_gets_mail"]),
    (Flaw::IgnoresSize, &["smtp::odd::a_mail_larger_than_announced_is_not_sent"]),
    (Flaw::StuffsNoDots, &["smtp::odd::dots_at_every_place_of_a_line_arrive"]),
    (Flaw::IgnoresUtf8, &["smtp::odd::a_local_part_of_another_script_needs_smtputf8"]),
    (Flaw::IgnoresEightBit, &["smtp::odd::eight_bit_bytes_are_announced_or_refused"]),
    (Flaw::ForgetsStartTls, &["smtp::tls::mail_and_login_are_private_by_starttls"]),
    (
        Flaw::Opportunistic,
        &[
            "smtp::tls::a_server_without_starttls_is_told_nothing",
            "smtp::tls::a_server_that_refuses_starttls_is_told_nothing",
        ],
    ),
    (Flaw::KeepsClearBytes, &["smtp::tls::what_came_in_clear_after_the_go_ahead_is_not_trusted"]),
    (Flaw::RemembersClear, &["smtp::tls::what_was_announced_in_clear_is_forgotten"]),
    (
        Flaw::TrustsAnybody,
        &["smtp::tls::a_certificate_", "smtp::tls::an_authority_that_was_not_named_is_refused"],
    ),
    (Flaw::TrustsTheSound, &["smtp::tls::any_certificate_is_taken_by_those_who_say_so"]),
    (
        Flaw::HandshakeIsLost,
        &[
            "smtp::tls::a_port_that_begins_in_clear_is_told_at_once",
            "smtp::tls::a_server_with_an_old_version_of_tls_only_is_refused",
        ],
    ),
    (Flaw::WantsCloseNotify, &["smtp::tls::a_server_that_leaves_without_a_word_of_tls_does_no_harm"]),
    (
        Flaw::ForgetsLogin,
        &["smtp::tls::mail_and_login_are_private_", "smtp::auth::each_mechanism_proves_who_we_are"],
    ),
    (Flaw::LogsInAnywhere, &["smtp::tls::a_login_is_not_sent_in_clear_unless_asked_for"]),
    (Flaw::KnowsPlainOnly, &["smtp::auth::each_mechanism_proves_who_we_are"]),
    (Flaw::CutsAtColon, &["smtp::auth::names_and_passwords_may_hold_anything_that_is_text"]),
    (Flaw::LogsInAsNobody, &["smtp::auth::nobody_is_named_where_nobody_is_set"]),
    (Flaw::LogsInAlways, &["smtp::auth::we_say_who_we_are_once_for_each_connection"]),
    (Flaw::NamesNoMechanism, &["smtp::auth::a_server_that_knows_no_common_mechanism_is_told_apart"]),
    (
        Flaw::LoginMayPass,
        &[
            "smtp::auth::a_password_that_is_wrong_fails_for_good",
            "smtp::auth::a_secret_that_is_refused_twice_fails",
        ],
    ),
    (
        Flaw::LoginNeverPasses,
        &[
            "smtp::auth::a_server_that_cannot_judge_now_may_do_so_later",
            "smtp::auth::a_provider_without_a_secret_may_have_one_later",
        ],
    ),
    (Flaw::KnowsNot530, &["smtp::auth::a_server_that_wants_to_know_who_we_are_is_heard"]),
    (Flaw::LeavesTheChallenge, &["smtp::auth::a_refused_token_ends_its_exchange"]),
    (Flaw::NeverAsksAgain, &["smtp::auth::a_secret_that_was_refused_is_asked_for_once_more"]),
    (Flaw::AsksForEver, &["smtp::auth::a_secret_that_is_refused_twice_fails"]),
    (Flaw::SendsAnySecret, &["smtp::auth::a_secret_that_cannot_be_sent_is_not_sent"]),
    (Flaw::QuotesTheServer, &["smtp::auth::no_error_tells_the_secret"]),
    (
        Flaw::AlwaysConnects,
        &["smtp::pool::mails_one_after_the_other_share_a_connection", "smtp::pool::a_no_costs_no_connection"],
    ),
    (
        Flaw::KnowsNoLimit,
        &[
            "smtp::pool::no_more_connections_are_open_than_allowed",
            "smtp::pool::waiting_for_a_connection_ends_",
        ],
    ),
    (Flaw::CountsNoMails, &["smtp::pool::a_connection_carries_no_more_mails_than_allowed"]),
    (
        Flaw::KeepsBroken,
        &["smtp::pool::nonsense_costs_the_connection", "smtp::pool::failed_calls_leave_no_connection_behind"],
    ),
    (Flaw::ClosesAtOnce, &["smtp::pool::closing_lets_a_running_call_finish"]),
    (Flaw::KeepsIdle, &["smtp::pool::closing_closes_every_connection"]),
    (Flaw::Leaks, &["smtp::pool::a_thousand_connections_leave_nothing_behind"]),
    (Flaw::SwapsIds, &["smtp::pool::among_a_thousand_at_once_none_is_lost_or_swapped"]),
    (
        Flaw::ReturnsDropped,
        &[
            "smtp::cancellation::after_a_call_dropped_in_a_stall_the_next_mail_is_itself",
            "smtp::cancellation::after_a_call_dropped_at_any_wait_the_next_mail_is_itself",
        ],
    ),
    (
        Flaw::GoesOn,
        &[
            "smtp::cancellation::a_call_dropped_in_the_middle_of_a_mail_sent_nothing",
            "smtp::cancellation::a_call_dropped_after_the_dot_sent_at_most_once",
        ],
    ),
    (Flaw::KeepsItsPlace, &["smtp::cancellation::a_dropped_call_gives_its_place_back"]),
    (Flaw::PoisonedByCheck, &["smtp::cancellation::a_dropped_check_disturbs_nobody"]),
    (Flaw::ConnectsFirst, &["smtp::cancellation::a_deadline_that_has_passed_opens_no_connection"]),
];
