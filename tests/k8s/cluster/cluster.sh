#!/usr/bin/env bash
# A real Kubernetes of one node, for tests, on a machine that reaches no registry of images: root, Debian 12, Go.
#   cluster.sh build              its programs (20 minutes the first time)
#   cluster.sh up                 12 s; pods and services are reached from this machine, NodePorts at 10.99.0.2; network
#                                 policies are enforced
#   cluster.sh k ARGUMENTS...     kubectl
#   cluster.sh where              kubectl's path and its KUBECONFIG
#   cluster.sh metrics | keda     the metrics server; KEDA
#   cluster.sh images NAME...     builds them by scripts/images.sh and buildah, on a Debian of debootstrap's; kept
#   cluster.sh load NAME:TAG...   such images in the cluster; says how many bytes each has
#   cluster.sh down               the node stops as if the power failed; its disks stay for the next up
#   cluster.sh nuke               and nothing of it stays but the programs and images
# It lives in a network namespace of its own, and in UNREEL_TEST_CLUSTER or ~/.cache/unreel-cluster.
# shellcheck disable=SC2154 # names of common.sh
set -euo pipefail

for part in common programs pki network node images addons; do
    # shellcheck source=/dev/null
    . "$(dirname "${BASH_SOURCE[0]}")/$part.sh"
done

# Another Kubernetes of this machine would take our pods for its own, and its own for lost.
must_be_alone() {
    alive kubelet || ! pgrep -x 'kubelet|k3s-server|k0s' >/dev/null || die "this machine runs another Kubernetes"
}

up() {
    make_pki
    network_up
    write_settings
    remember_sysctls
    cd "$state"
    start_containerd
    run etcd "$bin/etcd" --data-dir "$state/etcd" --unsafe-no-fsync --log-level error
    pause_image
    start_api_server
    say "the API server is ready"
    start_controllers
    start_node
    basics
    say "the node is ready"
}

down() {
    local name
    for name in policies proxy kubelet scheduler controllers; do
        stop "$name"
    done
    remove_containers
    for name in apiserver etcd containerd; do
        stop "$name"
    done
    remove_shims
    remove_mounts
    network_down
    remove_cgroups
    restore_sysctls
}

verb=${1:-}
shift || true
case $verb in
up | down | nuke) must_be_alone ;;
esac
case $verb in
build) build_programs kubernetes coredns kube_router metrics_server keda ;;
up) up ;;
k) exec "$bin/kubectl" "$@" ;;
where) echo "$bin/kubectl $KUBECONFIG" ;;
metrics) metrics ;;
keda) keda ;;
images) build_images "$@" ;;
load)
    for name; do
        load_image "$name"
    done
    ;;
down) down ;;
nuke)
    down
    rm -rf "$state"
    ;;
*)
    sed -n '2,/^set/s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2
    exit 2
    ;;
esac
