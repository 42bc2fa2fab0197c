# shellcheck shell=bash
# The official command-line client, with a node that is new enough for it, from the
# committed lock. Sourced by ./test.

CLIENTS=$ROOT/.tools/clients

# Installs again only when the lock has changed since the last time.
clients_install() {
    local lock=$ROOT/scripts/clients/package-lock.json stamp=$CLIENTS/installed.json
    if cmp -s -- "$lock" "$stamp"; then
        echo "Already installed in .tools/clients."
        return 0
    fi
    rm -rf -- "$CLIENTS"
    mkdir -p -- "$CLIENTS"
    cp -- "$ROOT/scripts/clients/package.json" "$lock" "$CLIENTS/"
    # No script of a package runs: the client is one file, and node a plain binary.
    (cd -- "$CLIENTS" && npm ci --ignore-scripts --no-audit --no-fund --no-update-notifier --loglevel=error) || return 1
    clients_node >/dev/null || return 1
    cp -- "$lock" "$stamp"
}

clients_export() {
    BW_NODE=$(clients_node)
    BW_CLI=$CLIENTS/node_modules/@bitwarden/cli/build/bw.js
    export BW_NODE BW_CLI
}

clients_node() {
    local node
    for node in "$CLIENTS"/node_modules/node-linux-*/bin/node; do
        if "$node" --version >/dev/null 2>&1; then
            printf '%s\n' "$node"
            return 0
        fi
    done
    echo "no node for $(uname -m) in scripts/clients/package.json" >&2
    return 1
}
