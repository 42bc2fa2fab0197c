# shellcheck shell=bash
# moto, which answers as AWS does, for one run: in a virtual environment of pinned packages, on free ports. SES has one of
# its own, because what it took cannot be looked at once other services hold something. Sourced by ./test.

PYTHON=$ROOT/.tools/python
MOTO_PIDS=()

# Installs again only when the list has changed since the last time.
moto_install() {
    local list=$ROOT/scripts/python/requirements.txt stamp=$PYTHON/installed.txt
    if cmp -s -- "$list" "$stamp"; then
        echo "Already installed in .tools/python."
        return 0
    fi
    rm -rf -- "$PYTHON"
    mkdir -p -- "${PYTHON%/*}"
    python3 -m venv "$PYTHON" || return 1
    "$PYTHON/bin/pip" install --quiet --disable-pip-version-check --no-input --only-binary :all: -r "$list" || return 1
    cp -- "$list" "$stamp"
}

# Tries ports below the range that the system hands out by itself, until one is free.
moto_start() { # DIR NAME_OF_A_VARIABLE
    local dir=$1 port pid attempt
    mkdir -- "$dir"
    for attempt in 1 2 3 4 5 6 7 8; do
        port=$((20000 + (RANDOM + RANDOM * attempt) % 12000))
        # It shall not look for credentials, and nobody's settings shall change what it does.
        env -u AWS_PROFILE AWS_CONFIG_FILE=/dev/null AWS_SHARED_CREDENTIALS_FILE=/dev/null AWS_EC2_METADATA_DISABLED=true \
            "$PYTHON/bin/moto_server" -H 127.0.0.1 -p "$port" >"$dir/server.log" 2>&1 &
        pid=$!
        MOTO_PIDS+=("$pid")
        if moto_listens "$pid" "$dir/server.log"; then
            export "$2=http://127.0.0.1:$port"
            echo "moto answers at ${!2}."
            return 0
        fi
    done
    cat -- "$dir/server.log"
    return 1
}

# Waits until it says that it has the port, for as long as it lives. Somebody else may answer there too.
moto_listens() { # PID LOG
    local patience
    for ((patience = 0; patience < 600; patience++)); do
        kill -0 "$1" 2>/dev/null || return 1
        grep -qs 'Running on' -- "$2" && return 0
        sleep 0.1
    done
    return 1
}

moto_stop() {
    [ "${#MOTO_PIDS[@]}" -gt 0 ] || return 0
    kill "${MOTO_PIDS[@]}" 2>/dev/null || true
    wait "${MOTO_PIDS[@]}" 2>/dev/null || true
    MOTO_PIDS=()
}
