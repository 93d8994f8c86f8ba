#!/usr/bin/env bash
# For the checks from outside: one sandbox of the built program on free loopback ports, in a directory of its own.
#
#   sandbox_start [NAME=VALUE ...]   starts it and waits until it is ready; sets SANDBOX_URL, SANDBOX_SIMULATORS (their
#                                    base URL) and SANDBOX_OUTPUT (a file)
#   sandbox_key                      sets SANDBOX_KEY to the API key it printed; it must have been started with
#                                    GUICHET__SANDBOX__ALLOW_REMOTE=true, which makes it want one on loopback too
#   sandbox_stop                     ends it and removes its directory; also done when the script ends in any way

SANDBOX_PID=""
SANDBOX_DIR=""

sandbox_stop() {
    if [[ -n $SANDBOX_PID ]]; then
        kill -TERM "$SANDBOX_PID" 2>/dev/null || true
        for _ in $(seq 50); do
            kill -0 "$SANDBOX_PID" 2>/dev/null || break
            sleep 0.1
        done
        kill -KILL "$SANDBOX_PID" 2>/dev/null || true
        wait "$SANDBOX_PID" 2>/dev/null || true
        SANDBOX_PID=""
    fi
    if [[ -n $SANDBOX_DIR ]]; then
        rm -rf "$SANDBOX_DIR"
        SANDBOX_DIR=""
    fi
}

sandbox_fail() {
    echo "$1" >&2
    tail -n 40 "$SANDBOX_OUTPUT" "$SANDBOX_DIR/stderr" >&2 || true
    exit 1
}

sandbox_start() {
    local program=${GUICHET_SANDBOX_PROGRAM:-${CARGO_TARGET_DIR:-target}/debug/guichet-sandbox} name api ops simulators
    [[ -x $program ]] || { echo "$program is not built: run cargo test --workspace --features faults, or cargo build --workspace" >&2; exit 1; }
    program=$(realpath "$program")
    # Variables of the caller would change what is tested.
    for name in $(compgen -e GUICHET_ || true); do unset "$name"; done
    SANDBOX_DIR=$(mktemp -d)
    SANDBOX_OUTPUT=$SANDBOX_DIR/stdout
    trap sandbox_stop EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM
    # All three are held at the same time, so they differ.
    read -r api ops simulators < <(python3 -c '
import socket
held = [socket.create_server(("127.0.0.1", 0)) for _ in range(3)]
print(*(s.getsockname()[1] for s in held))')
    SANDBOX_URL=http://127.0.0.1:$api
    # shellcheck disable=SC2034 # for the scripts that drive a simulator themselves
    SANDBOX_SIMULATORS=http://127.0.0.1:$simulators
    (
        cd "$SANDBOX_DIR" || exit
        exec env "$@" \
            GUICHET__SERVER__LISTEN="127.0.0.1:$api" \
            GUICHET__SERVER__OPS_LISTEN="127.0.0.1:$ops" \
            GUICHET__SERVER__PUBLIC_URL="$SANDBOX_URL" \
            GUICHET__SANDBOX__SIMULATORS_LISTEN="127.0.0.1:$simulators" \
            "$program" >"$SANDBOX_OUTPUT" 2>"$SANDBOX_DIR/stderr"
    ) &
    SANDBOX_PID=$!
    for _ in $(seq 300); do
        kill -0 "$SANDBOX_PID" 2>/dev/null || sandbox_fail "the sandbox ended before it was ready"
        if curl -fsS -o /dev/null --max-time 2 "http://127.0.0.1:$ops/readyz" 2>/dev/null; then return; fi
        sleep 0.1
    done
    sandbox_fail "the sandbox was not ready within 30 seconds"
}

sandbox_key() {
    SANDBOX_KEY=""
    for _ in $(seq 50); do
        SANDBOX_KEY=$(grep -aoE -m1 'gk_[A-Za-z0-9_-]{43}' "$SANDBOX_OUTPUT" | head -n1 || true)
        if [[ -n $SANDBOX_KEY ]]; then return; fi
        sleep 0.1
    done
    sandbox_fail "the sandbox printed no API key"
}
