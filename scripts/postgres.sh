# shellcheck shell=bash
# A Postgres of its own for one run: TLS, passwords, a free port, no durability.
# Sourced by ./test.

POSTGRES_DATA=''

postgres_start() { # DIR
    local dir=$1
    POSTGRES_BIN=$(postgres_bin)
    POSTGRES_PASSWORD=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
    POSTGRES_CA=$dir/ca.pem
    mkdir -- "$dir"
    printf '%s' "$POSTGRES_PASSWORD" >"$dir/password"
    loopback_certificates "$dir" >"$dir/openssl.log" 2>&1 || {
        cat -- "$dir/openssl.log"
        return 1
    }
    postgres_drop_root "$dir" || return 1

    as_postgres "$POSTGRES_BIN/initdb" -D "$dir/data" -U undercroft -A scram-sha-256 --pwfile "$dir/password" \
        --no-sync -E UTF8 --locale=C >"$dir/initdb.log" 2>&1 || {
        cat -- "$dir/initdb.log"
        return 1
    }
    # Without a server yet, so without a client program either.
    echo 'CREATE DATABASE undercroft' |
        as_postgres "$POSTGRES_BIN/postgres" --single -D "$dir/data" -c fsync=off postgres >"$dir/create.log" 2>&1 || {
        cat -- "$dir/create.log"
        return 1
    }
    postgres_listen "$dir"
}

# Tries ports below the range that the system hands out by itself, until one is free.
postgres_listen() { # DIR
    local dir=$1 attempt
    cat >>"$dir/data/postgresql.conf" <<END
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
ssl = on
ssl_cert_file = '$dir/server.pem'
ssl_key_file = '$dir/server.key'
max_connections = 200
fsync = off
synchronous_commit = off
full_page_writes = off
END
    POSTGRES_DATA=$dir/data
    for attempt in 1 2 3 4 5 6 7 8; do
        POSTGRES_PORT=$((20000 + (RANDOM + RANDOM * attempt) % 12000))
        if as_postgres "$POSTGRES_BIN/pg_ctl" -D "$dir/data" -l "$dir/server.log" -w -s -o "-p $POSTGRES_PORT" start; then
            echo "Postgres $(<"$dir/data/PG_VERSION") listens on 127.0.0.1:$POSTGRES_PORT."
            return 0
        fi
    done
    cat -- "$dir/server.log"
    return 1
}

postgres_export() {
    export TEST_POSTGRES_URL="postgres://undercroft:$POSTGRES_PASSWORD@127.0.0.1:$POSTGRES_PORT/undercroft"
    export TEST_POSTGRES_CA=$POSTGRES_CA
}

postgres_stop() {
    [ -n "$POSTGRES_DATA" ] && [ -e "$POSTGRES_DATA/postmaster.pid" ] || return 0
    as_postgres "$POSTGRES_BIN/pg_ctl" -D "$POSTGRES_DATA" -m immediate -w -s stop || true
}

# The server refuses to run as root: give the folder to somebody else, and act as them.
postgres_drop_root() { # DIR
    POSTGRES_RUN_AS=''
    [ "$(id -u)" -eq 0 ] || return 0
    POSTGRES_RUN_AS=postgres
    id postgres >/dev/null 2>&1 || POSTGRES_RUN_AS=nobody
    chmod 711 -- "$WORK"
    chown -R -- "$POSTGRES_RUN_AS" "$1"
    # Root's own files may not be enough: every folder on the way must let that user in.
    as_postgres test -w "$1" || {
        echo "$POSTGRES_RUN_AS cannot enter $1; set TMPDIR to a folder that everybody can enter"
        return 1
    }
}

as_postgres() { # COMMAND...
    if [ -z "$POSTGRES_RUN_AS" ]; then
        "$@"
    else
        # The folder the script was called from may be closed to that user.
        (cd / && setpriv --reuid="$POSTGRES_RUN_AS" --regid="$(id -g "$POSTGRES_RUN_AS")" --clear-groups -- "$@")
    fi
}
