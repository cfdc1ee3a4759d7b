#!/usr/bin/env bash
# Start a container engine of one's own below a folder, or stop it: start_engine.sh start|stop FOLDER
#
# For machines with root but without a running engine. Nothing outside FOLDER is written: the daemon gets its own
# data, socket and pid file, no bridge and no firewall rule, so the only networks are `none` and `host`. Platforms ask
# for a runtime named `nvidia`: here that name is runc's, so that their calls can be run without a GPU.
# `start` prints the address for DOCKER_HOST; `stop` ends the daemon and removes FOLDER.
set -euo pipefail
action="$1"
mkdir -p "$2"
folder="$(cd "$2" && pwd)"
socket="$folder/docker.sock"

start() {
    if [ "$(id -u)" -ne 0 ]; then
        echo "An engine of one's own needs root." >&2
        return 1
    fi
    if ! command -v dockerd >/dev/null; then
        sh "$(dirname "$0")/install_debian.sh" docker.io
    fi
    # A path of a socket has at most 107 characters.
    if [ "${#socket}" -gt 100 ]; then
        echo "The path of the engine's folder is too long for a socket (${#socket} characters)." >&2
        return 1
    fi
    dockerd --data-root "$folder/data" --exec-root "$folder/exec" -H "unix://$socket" -p "$folder/docker.pid" \
        --iptables=false --ip6tables=false --bridge=none --storage-driver=overlay2 \
        --add-runtime "nvidia=$(command -v runc)" >"$folder/dockerd.log" 2>&1 &
    daemon=$!
    for _ in $(seq 240); do
        kill -0 "$daemon" 2>/dev/null || break
        if DOCKER_HOST="unix://$socket" docker info >/dev/null 2>&1; then
            echo "unix://$socket"
            return 0
        fi
        sleep 0.5
    done
    tail -n 20 "$folder/dockerd.log" >&2
    return 1
}

stop() {
    if [ -s "$folder/docker.pid" ]; then
        pid="$(cat "$folder/docker.pid")"
        kill "$pid" 2>/dev/null || true
        for _ in $(seq 60); do
            kill -0 "$pid" 2>/dev/null || break
            sleep 0.5
        done
    fi
    # What a killed daemon left mounted goes first: removing a mounted folder would remove what it shows.
    while read -r _ mounted _; do
        case "$mounted" in "$folder"/*) umount -l "$mounted" 2>/dev/null || true ;; esac
    done < <(tac /proc/mounts)
    rm -rf --one-file-system "$folder"
}

case "$action" in
start) start ;;
stop) stop ;;
*)
    echo "start_engine.sh start|stop FOLDER" >&2
    exit 2
    ;;
esac
