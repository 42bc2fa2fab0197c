# shellcheck shell=bash
# A mail server of its own for one run: Postfix with TLS, and Dovecot, which knows the passwords. Every mail ends as a
# file in a folder named after who logged in, so that tests do not see each other's. Sourced by ./test.
#
# Postfix must be started by root, because each of its programs runs as somebody else.

POSTFIX_DIR=''

postfix_start() { # DIR
    local attempt port
    POSTFIX_DIR=$1
    POSTFIX_AS_ROOT=()
    [ "$(id -u)" -eq 0 ] || POSTFIX_AS_ROOT=(sudo -n)
    POSTFIX_PASSWORD=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
    mkdir -p -- "$POSTFIX_DIR"/{etc,queue,data,dovecot,mails}
    loopback_certificates "$POSTFIX_DIR" >"$POSTFIX_DIR/openssl.log" 2>&1 || {
        cat -- "$POSTFIX_DIR/openssl.log"
        return 1
    }
    # Whoever writes the mails must reach the folder, also below a temporary folder of one's own.
    chmod 711 -- "$WORK"
    chmod 755 -- "$POSTFIX_DIR"
    postfix_capture
    "${POSTFIX_AS_ROOT[@]}" chown postfix -- "$POSTFIX_DIR/data"
    "${POSTFIX_AS_ROOT[@]}" chown nobody -- "$POSTFIX_DIR/mails"

    # Ports below the range that the system hands out by itself, until two are free.
    for attempt in 1 2 3 4 5 6 7 8; do
        port=$((20000 + (RANDOM + RANDOM * attempt) % 12000))
        if dovecot_start $((port + 1)); then
            if postfix_listen "$port"; then
                echo "Postfix listens on 127.0.0.1:$port."
                POSTFIX_PORT=$port
                return 0
            fi
            dovecot_stop
        fi
    done
    cat -- "$POSTFIX_DIR"/*.log
    return 1
}

# Anybody may log in with the password of this run, under a name of their choice.
dovecot_start() { # PORT
    local dir=$POSTFIX_DIR/dovecot
    cat >"$dir/dovecot.conf" <<END
base_dir = $dir/run
state_dir = $dir/state
log_path = $POSTFIX_DIR/dovecot.log
protocols =
ssl = no
auth_mechanisms = plain login
passdb {
  driver = static
  args = password=$POSTFIX_PASSWORD
}
service auth {
  inet_listener {
    address = 127.0.0.1
    port = $1
  }
}
END
    "${POSTFIX_AS_ROOT[@]}" dovecot -c "$dir/dovecot.conf" >"$POSTFIX_DIR/dovecot-start.log" 2>&1
}

dovecot_stop() {
    "${POSTFIX_AS_ROOT[@]}" doveadm -c "$POSTFIX_DIR/dovecot/dovecot.conf" stop >/dev/null 2>&1 || true
}

postfix_listen() { # PORT, and the one after it for passwords
    local patience
    cat >"$POSTFIX_DIR/etc/main.cf" <<END
compatibility_level = 3.6
queue_directory = $POSTFIX_DIR/queue
data_directory = $POSTFIX_DIR/data
maillog_file_prefixes = $POSTFIX_DIR
maillog_file = $POSTFIX_DIR/postfix.log
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
myhostname = localhost
mydestination =
# Nothing in a mail is changed but for what is written at its top.
local_header_rewrite_clients =
smtputf8_enable = yes
message_size_limit = 41943040
mailbox_size_limit = 0
smtpd_tls_cert_file = $POSTFIX_DIR/server.pem
smtpd_tls_key_file = $POSTFIX_DIR/server.key
smtpd_tls_security_level = may
smtpd_tls_auth_only = yes
smtpd_sasl_auth_enable = yes
smtpd_sasl_type = dovecot
smtpd_sasl_path = inet:127.0.0.1:$(($1 + 1))
smtpd_relay_restrictions = permit_sasl_authenticated, reject
smtpd_recipient_restrictions = permit_sasl_authenticated, reject
smtpd_client_connection_count_limit = 0
smtpd_peername_lookup = no
# Addresses that begin with a minus sign are addresses too.
allow_min_user = yes
# Every mail goes to one place, with all its recipients, at once.
default_transport = capture:all
capture_destination_recipient_limit = 5000
END
    cat >"$POSTFIX_DIR/etc/master.cf" <<END
127.0.0.1:$1 inet n - n - 100 smtpd
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
proxymap unix - - n - - proxymap
error unix - - n - - error
anvil unix - - n - 1 anvil
postlog unix-dgram n - n - 1 postlogd
capture unix - n n - 20 pipe flags=q null_sender= user=nobody argv=$POSTFIX_DIR/capture $POSTFIX_DIR/mails \${sasl_username} \${sender} \${recipient}
END
    "${POSTFIX_AS_ROOT[@]}" postfix -c "$POSTFIX_DIR/etc" start >"$POSTFIX_DIR/start.log" 2>&1 || return 1
    for ((patience = 0; patience < 300; patience++)); do
        (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null && return 0
        sleep 0.1
    done
    postfix_halt
    return 1
}

# The program that gets the mails writes a file for each: the sender, the recipients, an empty line, the mail as Postfix
# hands it over.
postfix_capture() {
    cat >"$POSTFIX_DIR/capture" <<'END'
#!/bin/sh
# FOLDER USER SENDER RECIPIENT...
set -e
umask 022
folder=$1/$2
shift 2
mkdir -p "$folder"
{
    printf '%s\n' "$@"
    echo
    cat
} >"$folder/$$.new"
mv "$folder/$$.new" "$folder/$(date +%s%N).$$"
END
    chmod 755 -- "$POSTFIX_DIR/capture"
}

postfix_export() {
    export TEST_SMTP_ADDRESS=127.0.0.1:$POSTFIX_PORT TEST_SMTP_PASSWORD=$POSTFIX_PASSWORD
    export TEST_SMTP_CA=$POSTFIX_DIR/ca.pem TEST_SMTP_FOLDER=$POSTFIX_DIR
}

postfix_halt() {
    "${POSTFIX_AS_ROOT[@]}" postfix -c "$POSTFIX_DIR/etc" stop >/dev/null 2>&1 || true
}

postfix_stop() {
    [ -n "$POSTFIX_DIR" ] || return 0
    postfix_halt
    dovecot_stop
    # Others have written into it.
    "${POSTFIX_AS_ROOT[@]}" rm -rf -- "$POSTFIX_DIR"
    POSTFIX_DIR=''
}
