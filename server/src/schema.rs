//! The tables, as `server/migrations/` makes them.

diesel::table! {
    users (id) {
        id -> Text,
        email -> Text,
        email_verified -> Bool,
        name -> Nullable<Text>,
        password_hash -> Text,
        password_hint -> Nullable<Text>,
        kdf_type -> Integer,
        kdf_iterations -> Integer,
        kdf_memory -> Nullable<Integer>,
        kdf_parallelism -> Nullable<Integer>,
        user_key -> Text,
        user_key_id -> Nullable<Text>,
        public_key -> Nullable<Text>,
        private_key -> Nullable<Text>,
        security_stamp -> Text,
        culture -> Text,
        avatar_color -> Nullable<Text>,
        created_at -> Timestamp,
        revised_at -> Timestamp,
    }
}

diesel::table! {
    devices (id) {
        id -> Text,
        user_id -> Text,
        identifier -> Text,
        name -> Text,
        #[sql_name = "type"]
        kind -> Integer,
        push_token -> Nullable<Text>,
        refresh_hash -> Nullable<Text>,
        created_at -> Timestamp,
        used_at -> Timestamp,
    }
}

diesel::table! {
    folders (id) {
        id -> Text,
        user_id -> Text,
        name -> Text,
        created_at -> Timestamp,
        revised_at -> Timestamp,
    }
}

diesel::table! {
    ciphers (id) {
        id -> Text,
        user_id -> Text,
        #[sql_name = "type"]
        kind -> Integer,
        name -> Text,
        notes -> Nullable<Text>,
        item_key -> Nullable<Text>,
        content -> Text,
        fields -> Nullable<Text>,
        password_history -> Nullable<Text>,
        reprompt -> Integer,
        created_at -> Timestamp,
        revised_at -> Timestamp,
        deleted_at -> Nullable<Timestamp>,
    }
}

diesel::table! {
    cipher_marks (user_id, cipher_id) {
        user_id -> Text,
        cipher_id -> Text,
        folder_id -> Nullable<Text>,
        favorite -> Bool,
        archived_at -> Nullable<Timestamp>,
    }
}

diesel::table! {
    attachments (id) {
        id -> Text,
        cipher_id -> Text,
        file_name -> Text,
        item_key -> Nullable<Text>,
        size -> BigInt,
        created_at -> Timestamp,
        uploaded_at -> Nullable<Timestamp>,
    }
}

diesel::table! {
    outbox (id) {
        id -> Text,
        state -> Text,
        kind -> Nullable<Text>,
        mail -> Text,
        attempts -> Integer,
        generation -> BigInt,
        due_at -> Timestamp,
        created_at -> Timestamp,
        settled_at -> Nullable<Timestamp>,
        last_error -> Nullable<Text>,
        dedupe_key -> Nullable<Text>,
    }
}

diesel::table! {
    /// Addresses that are not to be written to.
    suppressions (address) {
        address -> Text,
        reason -> Text,
        created_at -> Timestamp,
    }
}

diesel::table! {
    /// What a provider has told about mails; each event once.
    mail_events (id) {
        id -> Text,
        kind -> Text,
        received_at -> Timestamp,
    }
}

diesel::table! {
    /// Files whose row is gone or not yet there; `jobs/` removes them from the store.
    stray_files (path) {
        path -> Text,
        since -> Timestamp,
    }
}

diesel::joinable!(devices -> users (user_id));
diesel::joinable!(attachments -> ciphers (cipher_id));
diesel::allow_tables_to_appear_in_same_query!(users, devices, folders, ciphers, cipher_marks, attachments);
