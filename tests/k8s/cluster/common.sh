# shellcheck shell=bash disable=SC2034 # the other parts use its names
# Where the cluster keeps its files, its names and addresses, and how its programs are started and stopped. Sourced.

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${UNREEL_TEST_CLUSTER:-${XDG_CACHE_HOME:-$HOME/.cache}/unreel-cluster}
bin=$cache/bin          # built once, kept
state=$cache/c          # this cluster; nuke removes it
namespace=unreel-k8s    # of the network, not of Kubernetes
node=minikube
host_ip=10.99.0.1
node_ip=10.99.0.2
pod_net=10.98.0.0/16
service_net=10.97.0.0/16
api_ip=10.97.0.1
dns_ip=10.97.0.10
export KUBECONFIG=$state/pki/admin.conf
mkdir -p "$bin" "$state"/{pki,cni,log,img}

say() {
    printf '[%3d s] %s\n' "$SECONDS" "$*" >&2
}

die() {
    echo "cluster.sh: $*" >&2
    exit 1
}

kubectl() {
    "$bin/kubectl" --request-timeout=30s "$@"
}

# until_true SECONDS COMMAND...: tries it five times a second.
until_true() {
    local deadline=$((SECONDS + $1))
    shift
    until "$@" >/dev/null 2>&1; do
        [ "$SECONDS" -lt "$deadline" ] || return 1
        sleep 0.2
    done
}

alive() {
    [ -f "$state/$1.pid" ] && kill -0 "$(cat "$state/$1.pid")" 2>/dev/null
}

# run NAME COMMAND...: in the background and in the cluster's network, unless it is running already.
run() {
    local name=$1
    shift
    alive "$name" && return
    setsid nsenter --net="/run/netns/$namespace" "$@" >"$state/log/$name.log" 2>&1 </dev/null &
    echo $! >"$state/$name.pid"
}

stop() {
    local pid
    if alive "$1"; then
        pid=$(cat "$state/$1.pid")
        kill "$pid" || true
        until_true 20 eval "! kill -0 $pid" || kill -9 "$pid" || true
    fi
    rm -f "$state/$1.pid"
}
