#!/usr/bin/env bash
# Proves the container image on a machine without a container engine: builds it on a base of Debian's own packages,
# runs it as its own user, sends a request through it, asks for its health, stops it with SIGTERM; and once more on a
# root file system that nobody can write to.
#
# Needs root, Debian's buildah and debootstrap, and curl. The base and the wheels are kept in .cache/, so that a second
# run takes seconds. The container runs in a network namespace with nothing but loopback: it cannot collide with what
# listens on this machine, nor be reached. Its process namespace ends with this script, and all in it.
set -euo pipefail
cd "$(dirname "$0")/.."

suite=bookworm
suite_python=3.11
cache=$PWD/.cache
base=localhost/onehop-base:$suite
build_base=localhost/onehop-build-base:$suite
image=localhost/onehop:proof

began=${began:-$EPOCHSECONDS}
doing=
step() { doing=$1 && printf '%3d s  %s\n' $((EPOCHSECONDS - began)) "$1"; }
fail() { echo "$*" >&2 && exit 1; }
finish() {
    local status=$?
    if [[ ${root-} ]]; then umount --recursive --lazy "$root" || status=1; fi
    if [[ ${container-} ]]; then buildah rm "$container" >/dev/null || status=1; fi
    if ((status)); then echo "FAILED: $doing" >&2; fi
    exit "$status"
}
trap finish EXIT

# buildah's settings, by its own variables: no daemon, no fuse, no user namespace, and nothing kept outside .cache/.
export CONTAINERS_STORAGE_CONF=$cache/storage.conf BUILDAH_ISOLATION=chroot
use_own_storage() {
    mkdir -p "$cache"
    exec 9>"$cache/lock"  # held by this process and those it starts, so until the last is gone
    flock --nonblock 9 || fail "deploy/prove-image.sh is running already"
    printf '[storage]\ndriver = "vfs"\ngraphroot = "%s"\nrunroot = "%s"\n' \
        "$cache/containers" "$cache/containers-run" >"$CONTAINERS_STORAGE_CONF"
}

# usage: make_base IMAGE PACKAGES
make_base() {
    local root=$cache/base.partial mirror new
    buildah inspect --type image "$1" >/dev/null 2>&1 && return
    # The mirror this machine uses itself; where it is no Debian, debootstrap's default.
    mirror=$(apt-get indextargets --format '$(REPO_URI)' "Codename: $suite" 2>/dev/null | grep -m 1 '^http' || true)
    rm -rf "$root"
    debootstrap --variant=minbase "--include=$2" "$suite" "$root" \
        ${mirror:+"$mirror"} >"$cache/debootstrap.log" 2>&1 || fail "debootstrap: $(tail -n 3 "$cache/debootstrap.log")"
    rm -rf "$root"/var/cache/apt/* "$root"/var/lib/apt/lists/* "$root"/usr/share/{doc,locale,man}/*
    new=$(buildah from scratch)
    buildah copy --quiet "$new" "$root" / >/dev/null
    buildah commit --quiet --rm "$new" "$1" >/dev/null
    rm -rf "$root"
}

# Downloaded here, since this machine's pip knows its way to an index and the build's does not have to.
download_wheels() {
    local wheels=$cache/wheels
    if [[ $wheels/complete -nt pyproject.toml ]]; then return; fi
    make --silent .venv/bin/python
    rm -rf "$wheels" && mkdir "$wheels"
    .venv/bin/python - >"$wheels/requirements.txt" <<'PYTHON'
import tomllib
project = tomllib.load(open("pyproject.toml", "rb"))
extras = project["project"]["optional-dependencies"]
hook = project["tool"]["hatch"]["build"]["targets"]["wheel"]["hooks"]["mypyc"]
print(*project["build-system"]["requires"], *hook["dependencies"], *project["project"]["dependencies"], sep="\n")
print(*extras["auth"], *extras["otlp"], sep="\n")
PYTHON
    .venv/bin/pip download --quiet --disable-pip-version-check --python-version "$suite_python" --only-binary :all: \
        --requirement "$wheels/requirements.txt" --dest "$wheels"
    touch "$wheels/complete"
}

build() {
    buildah rm --all >/dev/null
    buildah rmi --force "$image" >/dev/null 2>&1 || true
    ENGINE=buildah IMAGE=$image deploy/build-image.sh --quiet --network host --build-arg "BASE_IMAGE=$base" --build-arg "BUILD_IMAGE=$build_base" \
        --volume "$cache/wheels:/wheels:ro" --build-arg PIP_NO_INDEX=1 --build-arg PIP_FIND_LINKS=/wheels \
        >"$cache/build.log" 2>&1 || fail "$(tail -n 20 "$cache/build.log")"
}

# One line per word of the image's own configuration: `buildah run` does not apply ENTRYPOINT and CMD by itself.
configured() {
    buildah inspect --type image "$image" | python3 -c '
import json, sys
config = json.load(sys.stdin)["Docker"]["config"]
print(*eval(sys.argv[1], config), sep="\n")' "$1"
}

# A service that answers with the head it was sent.
upstream() {
    python3 -c '
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
class Echo(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        head = (self.requestline + "\n" + str(self.headers)).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(head)))
        self.end_headers()
        self.wfile.write(head)
    def log_message(self, *_): pass
ThreadingHTTPServer(("127.0.0.1", 8000), Echo).serve_forever()'
}

in_container() { buildah run --network host --env ONEHOP_UPSTREAM=http://127.0.0.1:8000 "$container" -- "$@"; }

# As an engine's `--read-only` does, which buildah has not.
in_read_only_container() {
    exec env -i "${environment[@]}" ONEHOP_UPSTREAM=http://127.0.0.1:8000 chroot --userspec "$(configured "[User]")" "$root" "$@"
}

# The first process below $1 that is not buildah itself, which runs from memory: what an engine would call process 1.
first_process() {
    local child
    for child in $(cat /proc/"$1"/task/*/children); do
        case $(readlink "/proc/$child/exe") in
            */buildah | /memfd:buildah*) first_process "$child" ;;
            *) echo "$child" ;;
        esac
    done
}

# Until "$@" succeeds, for at most 20 s and while the container's process lives.
eventually() {
    local attempts=100
    until "$@" >/dev/null 2>&1; do
        kill -0 "$runner" 2>/dev/null || fail "the container has ended: $(cat "$cache/container.log")"
        ((attempts--)) || fail "not within 20 s: $* ($(cat "$cache/container.log"))"
        sleep 0.2
    done
}

run() {
    local seen process written status=0
    ip link set lo up
    mapfile -t words < <(configured '[*Entrypoint, *Cmd]')
    mapfile -t health < <(configured 'Healthcheck["Test"][1:]')
    user=$(configured '[User.partition(":")[0]]')
    ((user > 0)) || fail "the image's user is $user"

    step "start: ${words[*]}"
    container=$(buildah from --pull-never "$image")
    upstream &
    in_container "${words[@]}" >"$cache/container.log" 2>&1 &
    runner=$!
    eventually curl --silent --fail --max-time 5 http://127.0.0.1:8080/
    process=$(first_process "$runner")
    [[ $(stat --format %u "/proc/$process") == "$user" ]] || fail "process $process is not of user $user"

    step "the processes run compiled modules"
    [[ $(in_container onehop --version) == *", compiled" ]] || fail "onehop --version: $(in_container onehop --version)"
    for process in "$process" $(cat /proc/"$process"/task/*/children); do
        grep -q '__mypyc.*\.so' "/proc/$process/maps" || fail "process $process has loaded no compiled module"
    done
    process=$(first_process "$runner")

    step "a request: what the client nominates in Connection ends at the proxy"
    seen=$(curl --silent --show-error --fail --max-time 5 -H 'Connection: close, X-Internal' -H 'X-Internal: swordfish' \
        http://127.0.0.1:8080/some/path?query=1)
    grep -q '^GET /some/path?query=1 HTTP/1.1' <<<"$seen" || fail "not the request that was sent: $seen"
    grep -qi '^via:' <<<"$seen" || fail "no Via: $seen"
    if grep -qiE 'x-internal|swordfish' <<<"$seen"; then fail "the secret went through: $seen"; fi

    step "health: ${health[*]}"
    in_container "${health[@]}"

    step "SIGTERM to process $process, user $user"
    kill -TERM "$process"
    timeout 20 tail --pid="$runner" -f /dev/null || fail "still running 20 s after SIGTERM"
    wait "$runner" || status=$?
    ((status == 0)) || fail "exit status $status: $(cat "$cache/container.log")"

    step "nothing was written"
    written=$(find "$(buildah mount "$container")" -xdev -user "$user")
    [[ -z $written ]] || fail "$written"
}

run_read_only() {
    local environment place refused status=0
    mapfile -t environment < <(configured '[*Env]')
    root=$(buildah mount "$container")
    mount --bind "$root" "$root" && mount -o remount,bind,ro "$root"
    mount --bind /proc "$root/proc"
    mount --bind /dev "$root/dev" && mount -o remount,bind,ro "$root/dev"
    for place in / /tmp /var/tmp /run /dev/shm; do
        refused=$(chroot "$root" sh -c ": >$place/proof" 2>&1) && fail "$place can be written to"
        [[ $refused == *"Read-only file system"* ]] || fail "$place: $refused"
    done

    step "on a read-only root file system: ${words[*]}"
    in_read_only_container "${words[@]}" >"$cache/container.log" 2>&1 &
    runner=$!
    eventually curl --silent --fail --max-time 5 http://127.0.0.1:8080/
    [[ $(stat --format %u "/proc/$runner") == "$user" ]] || fail "process $runner is not of user $user"
    (in_read_only_container "${health[@]}")
    curl --silent --fail --max-time 5 http://127.0.0.1:9901/metrics | grep -q '^onehop_requests_total{.*} 1' || fail "not counted"
    kill -TERM "$runner"
    timeout 20 tail --pid="$runner" -f /dev/null || fail "still running 20 s after SIGTERM"
    wait "$runner" || status=$?
    ((status == 0)) || fail "exit status $status: $(cat "$cache/container.log")"
    umount --recursive --lazy "$root" && root=
}

if [[ ${1-} == run ]]; then
    run
    run_read_only
    buildah rm "$container" >/dev/null && container=
    step "proved: built, runs compiled, serves, is healthy, leaves on SIGTERM with status 0, writes nothing"
    exit
fi

doing="look for what is needed"
[[ $(id -u) == 0 ]] || fail "needs root"
export PATH=$PATH:/usr/sbin:/sbin
for program in buildah debootstrap curl flock ip python3 unshare; do
    command -v "$program" >/dev/null || fail "needs $program: apt-get install buildah debootstrap curl iproute2 python3"
done
use_own_storage
runs=python3,python3-venv,ca-certificates
step "base images: Debian $suite and its Python, without a compiler and with one"
make_base "$base" "$runs"
make_base "$build_base" "$runs,python3-dev,gcc,libc6-dev"
step "wheels" && download_wheels
step "build" && build
began=$began exec unshare --net --pid --fork --kill-child --mount-proc "$0" run
