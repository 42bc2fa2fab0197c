# shellcheck shell=bash
# An S3 server of its own for one run: Ceph's gateway before one monitor and one store in memory.
# Sourced by ./test.

RADOSGW_PIDS=()

radosgw_start() { # DIR
    local dir=$1
    mkdir -p -- "$dir/mon" "$dir/osd" "$dir/run"
    RADOSGW_CONF=$dir/ceph.conf
    RADOSGW_ACCESS_KEY=$(radosgw_secret 10)
    RADOSGW_SECRET_KEY=$(radosgw_secret 20)
    RADOSGW_BUCKET=undercroft
    radosgw_configure "$dir"
    if ! { radosgw_monitor "$dir" && radosgw_store "$dir" && radosgw_gateway "$dir" && radosgw_bucket; } >"$dir/start.log" 2>&1; then
        tail -n 40 -- "$dir/start.log" "$dir"/run/*.log
        return 1
    fi
    echo "Ceph $(radosgw --version | awk '{ print $3 }') answers S3 at $RADOSGW_ENDPOINT."
}

radosgw_export() {
    export TEST_S3_ENDPOINT=$RADOSGW_ENDPOINT
    export TEST_S3_BUCKET=$RADOSGW_BUCKET
    export TEST_S3_ACCESS_KEY=$RADOSGW_ACCESS_KEY
    export TEST_S3_SECRET_KEY=$RADOSGW_SECRET_KEY
}

# Nothing in it is worth an orderly end.
radosgw_stop() {
    [ "${#RADOSGW_PIDS[@]}" -gt 0 ] || return 0
    kill -KILL "${RADOSGW_PIDS[@]}" 2>/dev/null || true
    wait "${RADOSGW_PIDS[@]}" 2>/dev/null || true
    RADOSGW_PIDS=()
}

radosgw_configure() { # DIR
    local dir=$1
    RADOSGW_FSID=$(</proc/sys/kernel/random/uuid)
    RADOSGW_MONITOR=v2:127.0.0.1:$(radosgw_free_port)
    RADOSGW_ENDPOINT=http://127.0.0.1:$(radosgw_free_port)
    # Without cephx the gateway waits for ever for its first answer.
    cat >"$RADOSGW_CONF" <<END
[global]
fsid = $RADOSGW_FSID
mon host = $RADOSGW_MONITOR
mon initial members = a
public addr = 127.0.0.1
cluster addr = 127.0.0.1
auth cluster required = cephx
auth service required = cephx
auth client required = cephx
run dir = $dir/run
log file = $dir/run/\$name.log
admin socket = $dir/run/\$name.\$pid.asok
pid file = $dir/run/\$name.pid
keyring = $dir/keyring
mon data = $dir/mon
mon allow pool size one = true
# It needs next to none, however full the disk is otherwise.
mon data avail warn = 1
mon data avail crit = 0
osd data = $dir/osd
osd objectstore = memstore
memstore device bytes = 4294967296
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 4
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
rgw frontends = beast endpoint=${RADOSGW_ENDPOINT#http://}
rgw dns name = 127.0.0.1
END
}

radosgw_monitor() { # DIR
    local dir=$1
    ceph-authtool --create-keyring "$dir/keyring" --gen-key -n mon. --cap mon 'allow *'
    ceph-authtool "$dir/keyring" --gen-key -n client.admin --cap mon 'allow *' --cap osd 'allow *' --cap mgr 'allow *'
    monmaptool --create --addv a "[$RADOSGW_MONITOR]" --fsid "$RADOSGW_FSID" "$dir/monmap"
    ceph-mon -c "$RADOSGW_CONF" -i a --mkfs --monmap "$dir/monmap" --keyring "$dir/keyring" || return 1
    radosgw_run ceph-mon -i a
}

radosgw_store() { # DIR
    local dir=$1 uuid secret
    uuid=$(</proc/sys/kernel/random/uuid)
    secret=$(ceph-authtool --gen-print-key)
    echo "{\"cephx_secret\":\"$secret\"}" | timeout 60 ceph -c "$RADOSGW_CONF" osd new "$uuid" -i - || return 1
    printf '[osd.0]\nkey = %s\n' "$secret" >"$dir/osd/keyring"
    ceph-osd -c "$RADOSGW_CONF" -i 0 --keyring "$dir/osd/keyring" --mkfs --osd-uuid "$uuid" || return 1
    radosgw_run ceph-osd -i 0 --keyring "$dir/osd/keyring"
}

radosgw_gateway() { # DIR
    radosgw_run radosgw -n client.admin
    timeout 60 radosgw-admin -c "$RADOSGW_CONF" user create --uid test --display-name test \
        --access-key "$RADOSGW_ACCESS_KEY" --secret-key "$RADOSGW_SECRET_KEY"
}

# The gateway listens once it has made its pools.
radosgw_bucket() {
    curl --silent --show-error --fail --noproxy '*' --retry 120 --retry-delay 1 --retry-connrefused --max-time 60 \
        --aws-sigv4 aws:amz:us-east-1:s3 --user "$RADOSGW_ACCESS_KEY:$RADOSGW_SECRET_KEY" \
        --header 'x-amz-content-sha256: UNSIGNED-PAYLOAD' --request PUT "$RADOSGW_ENDPOINT/$RADOSGW_BUCKET"
}

# Starts a daemon as a child of this script, whose end it is to stop.
radosgw_run() { # PROGRAM ARGUMENT...
    local program=$1
    shift
    "$program" -f -c "$RADOSGW_CONF" "$@" &
    RADOSGW_PIDS+=($!)
}

# A port below the range that the system hands out by itself, on which nobody listens.
radosgw_free_port() {
    local port
    while port=$((20000 + RANDOM % 12000)) && (: <"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do :; done
    echo "$port"
}

radosgw_secret() { # BYTES
    od -An -N"$1" -tx1 /dev/urandom | tr -d ' \n'
}
