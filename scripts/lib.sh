# shellcheck shell=bash
# Steps, their log and the final count. Sourced by ./test, which sets WORK.

passed=0
failed=0
failures=()

die() {
    printf 'test: %s\n' "$*" >&2
    exit 1
}

header() {
    printf '\n==> %s: %s\n' "$1" "${*:2}"
}

footer() { # NAME SECONDS RESULT
    printf '<== %s: %s after %dm%02ds\n' "$1" "$3" $(($2 / 60)) $(($2 % 60))
}

# Runs a step of the set-up, which must work for anything else to make sense.
step() { # NAME COMMAND...
    local name=$1 start=$SECONDS
    shift
    header "$name" "$@"
    "$@" || die "$name failed"
    footer "$name" $((SECONDS - start)) ok
}

# Runs one check, which counts as one.
check() { # NAME COMMAND...
    if timed "$@"; then
        passed=$((passed + 1))
    else
        record_failure "$1"
    fi
}

# Runs a command that prints libtest's closing lines, each of which is counted.
check_tests() { # NAME COMMAND...
    local status=0 before=$failed
    timed "$@" || status=$?
    count_results "$WORK/$1.log"
    # A test that does not compile, or dies, fails without a closing line.
    if [ "$failed" -gt "$before" ]; then
        failures+=("$1")
    elif [ "$status" -ne 0 ]; then
        record_failure "$1"
    fi
}

record_failure() { # NAME
    failed=$((failed + 1))
    failures+=("$1")
}

# Streams a command's output, keeps it in WORK/NAME.log, and answers the command's status.
timed() { # NAME COMMAND...
    local name=$1 start=$SECONDS status=0 result=ok
    shift
    header "$name" "$@"
    "$@" 2>&1 | tee -- "$WORK/$name.log" || status=${PIPESTATUS[0]}
    [ "$status" -eq 0 ] || result="FAILED (status $status)"
    footer "$name" $((SECONDS - start)) "$result"
    return "$status"
}

# Adds up lines such as `test result: ok. 3 passed; 0 failed; 1 ignored; …`.
count_results() { # LOG
    local ok bad skipped
    read -r ok bad skipped < <(awk '
        /^test result: / {
            for (i = 2; i <= NF; i++) {
                if ($i == "passed;") ok += $(i - 1)
                if ($i == "failed;") bad += $(i - 1)
                if ($i == "ignored;") skipped += $(i - 1)
            }
        }
        END { print ok + 0, bad + 0, skipped + 0 }' "$1")
    passed=$((passed + ok))
    failed=$((failed + bad))
    [ "$skipped" -eq 0 ] || printf '%d tests are ignored here; each says why above.\n' "$skipped"
}

summary() {
    printf '\n'
    [ "${#failures[@]}" -eq 0 ] || printf 'Failed: %s\n' "${failures[*]}"
    printf '%d passed, %d failed\n' "$passed" "$failed"
    [ "$failed" -eq 0 ]
}
