# shellcheck shell=bash disable=SC2154 # names of common.sh
# The node's programs and what they are told: containerd, etcd, the control plane, kubelet, kube-proxy,
# kube-router. Sourced.

socket=$state/containerd.sock

ctr() {
    command ctr -a "$socket" -n k8s.io "$@"
}

containerd_settings() {
    cat <<END
version = 2
root = "$state/containerd"
state = "$state/run"
disabled_plugins = ["io.containerd.internal.v1.opt", "io.containerd.snapshotter.v1.btrfs",
  "io.containerd.snapshotter.v1.zfs", "io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.devmapper"]
[grpc]
  address = "$socket"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "local/pause:1"
  disable_apparmor = true
  # Lowering it takes CAP_SYS_RESOURCE, which root in a container may not have.
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "$state/cni"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
END
}

bridge_settings() {
    cat <<END
{"cniVersion": "0.4.0", "name": "bridge", "plugins": [
  {"type": "bridge", "bridge": "cni0", "isDefaultGateway": true, "ipMasq": false, "hairpinMode": true,
   "ipam": {"type": "host-local", "dataDir": "$state/ipam", "ranges": [[{"subnet": "${pod_net%/16}/24"}]]}},
  {"type": "portmap", "capabilities": {"portMappings": true}}]}
END
}

kubelet_settings() {
    cat <<END
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
cgroupDriver: cgroupfs
failSwapOn: false
containerRuntimeEndpoint: unix://$socket
authentication: {anonymous: {enabled: false}, webhook: {enabled: true}, x509: {clientCAFile: $state/pki/ca.crt}}
authorization: {mode: Webhook}
tlsCertFile: $state/pki/kubelet.crt
tlsPrivateKeyFile: $state/pki/kubelet.key
clusterDNS: [$dns_ip]
clusterDomain: cluster.local
resolvConf: $state/resolv.conf
podLogsDir: $state/podlogs
volumePluginDir: $state/volplugins
evictionHard: {memory.available: 100Mi, nodefs.available: "2%", imagefs.available: "2%"}
imageGCHighThresholdPercent: 100
imageGCLowThresholdPercent: 99
maxPods: 100
END
}

proxy_settings() {
    cat <<END
apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
mode: iptables
clusterCIDR: $pod_net
hostnameOverride: $node
clientConnection: {kubeconfig: $state/pki/proxy.conf}
conntrack: {maxPerCore: 0, tcpEstablishedTimeout: 0s, tcpCloseWaitTimeout: 0s}
END
}

write_settings() {
    containerd_settings >"$state/containerd.toml"
    bridge_settings >"$state/cni/10-bridge.conflist"
    echo "nameserver $host_ip" >"$state/resolv.conf"
    kubelet_settings >"$state/kubelet.yaml"
    # Moved only when it differs: kube-proxy ends when its file is written.
    proxy_settings >"$state/proxy.new"
    cmp -s "$state/proxy.new" "$state/proxy.yaml" || mv "$state/proxy.new" "$state/proxy.yaml"
}

# kubelet sets these for the whole machine; down puts them back.
remember_sysctls() {
    [ -f "$state/sysctl.before" ] && return
    sysctl vm.overcommit_memory kernel.panic kernel.panic_on_oops >"$state/sysctl.new"
    mv "$state/sysctl.new" "$state/sysctl.before"
}

start_api_server() {
    local pki=$state/pki
    # shellcheck disable=SC2054 # commas belong to the values
    local options=(--etcd-servers http://127.0.0.1:2379 --bind-address 0.0.0.0 --advertise-address "$node_ip"
        --secure-port 6443 --allow-privileged=true --client-ca-file "$pki/ca.crt"
        --tls-cert-file "$pki/apiserver.crt" --tls-private-key-file "$pki/apiserver.key"
        --service-cluster-ip-range "$service_net"
        --service-account-issuer https://kubernetes.default.svc.cluster.local
        --service-account-key-file "$pki/accounts.key" --service-account-signing-key-file "$pki/accounts.key"
        --authorization-mode Node,RBAC --enable-admission-plugins NodeRestriction
        --kubelet-client-certificate "$pki/apiserver-kubelet.crt"
        --kubelet-client-key "$pki/apiserver-kubelet.key" --kubelet-preferred-address-types InternalIP
        --requestheader-client-ca-file "$pki/front-ca.crt" --requestheader-allowed-names front-proxy
        --requestheader-username-headers X-Remote-User --requestheader-group-headers X-Remote-Group
        --requestheader-extra-headers-prefix X-Remote-Extra-
        --proxy-client-cert-file "$pki/front.crt" --proxy-client-key-file "$pki/front.key"
        --enable-aggregator-routing=true)
    run apiserver "$bin/kube-apiserver" "${options[@]}"
    until_true 120 kubectl get --raw /readyz || die "the API server is not ready: $state/log/apiserver.log"
}

start_controllers() {
    local pki=$state/pki
    run controllers "$bin/kube-controller-manager" --kubeconfig "$pki/controllers.conf" \
        --authentication-kubeconfig "$pki/controllers.conf" --authorization-kubeconfig "$pki/controllers.conf" \
        --root-ca-file "$pki/ca.crt" --service-account-private-key-file "$pki/accounts.key" \
        --cluster-signing-cert-file "$pki/ca.crt" --cluster-signing-key-file "$pki/ca.key" \
        --allocate-node-cidrs --cluster-cidr "$pod_net" --service-cluster-ip-range "$service_net" \
        --use-service-account-credentials --leader-elect=false
    run scheduler "$bin/kube-scheduler" --kubeconfig "$pki/scheduler.conf" \
        --authentication-kubeconfig "$pki/scheduler.conf" --authorization-kubeconfig "$pki/scheduler.conf" \
        --leader-elect=false
}

start_node() {
    run kubelet "$bin/kubelet" --config "$state/kubelet.yaml" --kubeconfig "$state/pki/kubelet.conf" \
        --root-dir "$state/kubelet" --cert-dir "$state/kubelet/pki" --hostname-override "$node" --node-ip "$node_ip"
    run proxy "$bin/kube-proxy" --config "$state/proxy.yaml"
    until_true 60 kubectl get node "$node" || die "the node does not appear: $state/log/kubelet.log"
    kubectl wait --for=condition=Ready "node/$node" --timeout=120s
    # Of it only the network policies: routes and services are others' here.
    run policies "$bin/kube-router" --kubeconfig "$state/pki/admin.conf" --hostname-override "$node" \
        --run-firewall=true --run-router=false --run-service-proxy=false --enable-cni=false --health-port 0 \
        --service-cluster-ip-range "$service_net"
}

start_containerd() {
    run containerd containerd --config "$state/containerd.toml"
    until_true 30 ctr version || die "containerd does not answer: $state/log/containerd.log"
}

# What runs in pods ends without a word, as when a machine loses its power. Their disks stay.
remove_containers() {
    local found
    alive containerd || return 0
    for found in $(ctr tasks ls -q); do
        ctr tasks kill -s KILL "$found" >/dev/null 2>&1 || true
    done
    sleep 1
    for found in $(ctr tasks ls -q); do
        ctr tasks rm -f "$found" >/dev/null 2>&1 || true
    done
    for found in $(ctr containers ls -q); do
        ctr containers rm "$found" >/dev/null 2>&1 || true
    done
}

# Of a containerd that ended before its containers did.
remove_shims() {
    local pid
    for pid in $(pgrep -f "^/usr/bin/containerd-shim.* -address $socket( |\$)"); do
        kill -9 "$pid" || true
    done
}

# Those that containerd and kubelet made; one may lie on another.
remove_mounts() {
    local mount
    for _ in 1 2 3; do
        awk -v folder="$state/" 'index($2, folder) == 1 { print $2 }' /proc/mounts | sort -r |
            while read -r mount; do
                umount "$mount" 2>/dev/null || umount -l "$mount" 2>/dev/null || true
            done
    done
}

remove_cgroups() {
    local folder
    for folder in /sys/fs/cgroup/kubepods /sys/fs/cgroup/*/kubepods; do
        [ ! -d "$folder" ] || find "$folder" -depth -type d -exec rmdir {} + 2>/dev/null || true
    done
}

restore_sysctls() {
    [ -f "$state/sysctl.before" ] || return 0
    sed 's/ = /=/' "$state/sysctl.before" | xargs sysctl -qw || true
    rm "$state/sysctl.before"
}
