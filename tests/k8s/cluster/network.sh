# shellcheck shell=bash disable=SC2154 # names of common.sh
# A network namespace is the node: the machine's own addresses and packet filter stay as they are. Sourced.

in_network() {
    nsenter --net="/run/netns/$namespace" "$@"
}

network_up() {
    ip netns list | grep -qw "$namespace" || ip netns add "$namespace"
    ip link show unreel-k8s-h >/dev/null 2>&1 ||
        ip link add unreel-k8s-h type veth peer name unreel-k8s-n netns "$namespace"
    ip addr replace "$host_ip/24" dev unreel-k8s-h
    ip link set unreel-k8s-h up
    in_network ip link set lo up
    in_network ip addr replace "$node_ip/24" dev unreel-k8s-n
    in_network ip link set unreel-k8s-n up
    in_network ip route replace default via "$host_ip"
    in_network sysctl -qw net.ipv4.ip_forward=1 net.bridge.bridge-nf-call-iptables=1
    # A service's address that kube-proxy does not know yet refuses at once. Without this the first packet of a
    # connection would be remembered as it is, and sent nowhere for two minutes.
    in_network iptables -C FORWARD -d "$service_net" -j REJECT 2>/dev/null ||
        in_network iptables -A FORWARD -d "$service_net" -j REJECT
    # Pods and services are reached straight from this machine, too.
    ip route replace "$pod_net" via "$node_ip"
    ip route replace "$service_net" via "$node_ip"
}

network_down() {
    local found
    for found in /run/netns/cni-*; do
        # A pod's that containerd did not remove; other clusters' are not ours.
        if ip -n "$(basename "$found")" -4 -o addr 2>/dev/null | grep -q " ${pod_net%.0.0/16}\."; then
            ip netns del "$(basename "$found")" || true
        fi
    done
    ip route del "$pod_net" via "$node_ip" 2>/dev/null || true
    ip route del "$service_net" via "$node_ip" 2>/dev/null || true
    ip link del unreel-k8s-h 2>/dev/null || true
    ip netns del "$namespace" 2>/dev/null || true
}
