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
boot_id=$(cat /proc/sys/kernel/random/boot_id)
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

# started PID: when that was, in ticks since this machine's start; a number that is used again has another.
started() {
    sed 's/.*) //' "/proc/$1/stat" 2>/dev/null | cut -d ' ' -f 20
}

# A program's file has its process id, when it was started, and in which life of the machine.
alive() {
    local pid when boot
    read -r pid when boot 2>/dev/null <"$state/$1.pid" && [ "$boot" = "$boot_id" ] && [ "$(started "$pid")" = "$when" ]
}

# run NAME COMMAND...: in the background and in the cluster's network, unless it is running already.
run() {
    local name=$1
    shift
    alive "$name" && return
    setsid nsenter --net="/run/netns/$namespace" "$@" >"$state/log/$name.log" 2>&1 </dev/null &
    echo "$! $(started $!) $boot_id" >"$state/$name.pid"
}

stop() {
    local pid
    if alive "$1"; then
        read -r pid _ <"$state/$1.pid"
        kill "$pid" || true
        until_true 20 eval "! alive $1" || kill -9 "$pid" || true
    fi
    rm -f "$state/$1.pid"
}
