#!/usr/bin/env bash
# Runs the dashboard's browser tests against a demo of their own: free ports, its own data, ended
# by process id. Build the binary and the dashboard first (`make e2e` does).
set -euo pipefail
cd "$(dirname "$0")/.."

# Ready means: LiveKit answers, the database is migrated, simulated calls are there to be found.
readonly READY_SECONDS=90

free_port() {
  # below the ephemeral range, so that no outgoing connection takes it in between
  python3 - <<'PY'
import random
import socket

while True:
    port = random.randrange(12000, 32000)
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            continue
        print(port)
        break
PY
}

password=$(python3 -c 'import secrets; print(secrets.token_urlsafe(12))')
demo=""
data=""

end_demo() {
  if [ -n "$demo" ]; then
    kill "$demo" 2> /dev/null || true
    wait "$demo" 2> /dev/null || true
  fi
  demo=""
  if [ -n "$data" ]; then rm -rf "$data"; fi
  data=""
}

finish() {
  local status=$?
  trap - EXIT
  if [ "$status" != 0 ] && [ -n "$data" ]; then
    echo "---- last lines of the demo ----"
    tail -n 80 "$data/demo.log"
  fi
  end_demo
  exit "$status"
}
trap finish EXIT

# Starts a demo with these options, and waits until it is ready.
start_demo() {
  data=$(mktemp -d)
  http=127.0.0.1:$(free_port)
  ops=127.0.0.1:$(free_port)
  SIDETONE_DATA=$data SIDETONE_HTTP=$http SIDETONE_OPS=$ops SIDETONE_ADMIN_PASSWORD=$password \
    SIDETONE_REGISTRATION=invite \
    target/debug/sidetone demo "$@" > "$data/demo.log" 2>&1 &
  demo=$!
  for ((tries = READY_SECONDS * 5; ; tries--)); do
    if curl --silent --fail --output /dev/null "http://$ops/readyz"; then break; fi
    if ! kill -0 "$demo" 2> /dev/null; then echo "the demo ended at once" >&2; exit 1; fi
    if ((tries == 0)); then echo "the demo was not ready in $READY_SECONDS s" >&2; exit 1; fi
    sleep 0.2
  done
}

specs() {
  (cd dashboard && SIDETONE_URL=http://$http SIDETONE_USER=admin SIDETONE_PASSWORD=$password \
    npm run e2e)
}

# calls in rooms alone: what the specs do to a call needs one that can be spoken in
start_demo --vendor-calls 0
specs
end_demo
start_demo --without-livekit
SIDETONE_WITHOUT_LIVEKIT=1 specs
