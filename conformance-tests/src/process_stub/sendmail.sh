#!/bin/sh
# A mail program for tests. It writes down how it was called and then does what the file `play` beside it says.
here=${0%/*}
given=$(env)
PATH=/usr/bin:/bin
run=$here/run.$$
mkdir "$run"
printf '%s\n' "$given" > "$run/environment"
for argument; do printf '%s\0' "$argument"; done > "$run/arguments"

# Reads the mail to its end; from then on it counts as taken.
take() {
    cat > "$run/part" && mv "$run/part" "$run/input"
}

. "$here/play"
