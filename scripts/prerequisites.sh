# shellcheck shell=bash
# What must be on the machine, and how it gets there. Sourced by ./test.

# The oldest Postgres the tests are written for.
POSTGRES_MINIMUM=15

require_rust() {
    local wanted have
    wanted=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' "$ROOT/Cargo.toml")
    command -v cargo >/dev/null || die "cargo is missing: install Rust $wanted or newer (https://rustup.rs)"
    have=$(rustc --version | awk '{ print $2 }')
    at_least "$wanted" "$have" || die "rustc is $have, and $wanted is the oldest that will do: rustup update"
    cargo fmt --version >/dev/null 2>&1 || die "rustfmt is missing: rustup component add rustfmt"
    cargo clippy --version >/dev/null 2>&1 || die "clippy is missing: rustup component add clippy"
}

at_least() { # WANTED HAVE
    [ "$(printf '%s\n' "$1" "${2%%-*}" | sort -V | head -n 1)" = "$1" ]
}

# Installs the Debian packages that are missing, after asking once.
require_packages() { # ASSUME_YES WITH_CLIENTS
    local packages
    mapfile -t packages < <(missing_packages "$2")
    [ "${#packages[@]}" -gt 0 ] || return 0
    printf 'Missing, and needed by the tests: %s\n' "${packages[*]}"

    local -a as_root=()
    if [ "$(id -u)" -ne 0 ]; then
        as_root=(sudo -n)
    fi
    if ! command -v apt-get >/dev/null || ! "${as_root[@]}" apt-get --version >/dev/null 2>&1; then
        die "cannot install packages here; as root, run: apt-get install ${packages[*]}"
    fi
    [ "$1" = true ] || confirm "Install them with apt-get?" || die "nothing was installed"
    install_packages "${packages[@]}"

    mapfile -t packages < <(missing_packages "$2")
    [ "${#packages[@]}" -eq 0 ] ||
        die "still missing or too old after the installation (Postgres must be $POSTGRES_MINIMUM or newer): ${packages[*]}"
}

# One package a line, for each thing that cannot be found.
missing_packages() { # WITH_CLIENTS
    command -v cc >/dev/null || printf 'gcc\nlibc6-dev\n'
    postgres_bin >/dev/null || echo postgresql
    # For the certificates of the throw-away database only; nothing links to it.
    command -v openssl >/dev/null || echo openssl
    # To see in which order files reach the disk.
    command -v strace >/dev/null || echo strace
    # An S3 server that is not ours, and a client that can sign the request for its bucket.
    command -v radosgw >/dev/null || echo radosgw
    command -v ceph-mon >/dev/null || echo ceph-mon
    command -v ceph-osd >/dev/null || echo ceph-osd
    command -v ceph >/dev/null || echo ceph-common
    command -v curl >/dev/null || echo curl
    # A mail server that is not ours, and who knows its passwords.
    if can_be_root; then
        command -v postfix >/dev/null || echo postfix
        command -v dovecot >/dev/null || echo dovecot-core
    fi
    # Shows the page with the mails as a person would see it.
    command -v chromium >/dev/null || echo chromium
    # A virtual environment needs pip, which Debian keeps apart from Python.
    python3 -c 'import ensurepip, venv' 2>/dev/null || echo python3-venv
    # The client brings its own node; npm needs the one of the system, of any age.
    [ "$1" != true ] || command -v npm >/dev/null || echo npm
}

install_packages() { # PACKAGE...
    # A fresh machine has no package lists; one without a network may still have them.
    "${as_root[@]}" apt-get update -q || true
    # Otherwise it would set up a mail server for the whole machine.
    echo 'postfix postfix/main_mailer_type select No configuration' | "${as_root[@]}" debconf-set-selections || true
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends "$@" ||
        die "apt-get could not install: $*"
}

can_be_root() {
    [ "$(id -u)" -eq 0 ] || sudo -n true 2>/dev/null
}

confirm() { # QUESTION
    local answer
    [ -t 0 ] || die "there is nobody to ask; run ./test --yes to install without a question"
    read -r -p "$1 [y/N] " answer
    [[ $answer == [yY]* ]]
}

# The folder of the newest Postgres server that is new enough.
postgres_bin() {
    local dir best='' best_version=0 version
    for dir in /usr/lib/postgresql/*/bin "$(pg_config --bindir 2>/dev/null || true)"; do
        # The client packages make such a folder too, without a server in it.
        if ! [ -x "$dir/initdb" ] || ! [ -x "$dir/pg_ctl" ] || ! [ -x "$dir/postgres" ]; then continue; fi
        version=$("$dir/postgres" --version | sed 's/^[^0-9]*\([0-9]*\).*/\1/')
        if [ "$version" -ge "$POSTGRES_MINIMUM" ] && [ "$version" -gt "$best_version" ]; then
            best=$dir best_version=$version
        fi
    done
    [ -n "$best" ] && printf '%s\n' "$best"
}
