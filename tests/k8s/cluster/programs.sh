# shellcheck shell=bash disable=SC2154,SC2164 # names of common.sh; cluster.sh sets -e
# Kubernetes, etcd, CoreDNS, kube-router (for network policies), the metrics server and KEDA, built from their Go modules:
# no registry of images and no download page is needed, the module proxy alone. Sourced.

kubernetes=1.34.2
etcd=v3.6.4
coredns=v1.12.4
kube_router=v1.5.1
metrics_server=v0.7.2
keda=v2.18.1
export CGO_ENABLED=0 GOFLAGS="-buildvcs=false -trimpath"

staging=(api apiextensions-apiserver apimachinery apiserver cli-runtime client-go cloud-provider cluster-bootstrap
    code-generator component-base component-helpers controller-manager cri-api cri-client csi-translation-lib
    dynamic-resource-allocation endpointslice externaljwt kms kube-aggregator kube-controller-manager kube-proxy
    kube-scheduler kubectl kubelet metrics mount-utils pod-security-admission sample-apiserver sample-cli-plugin
    sample-controller)
components=(kube-apiserver kube-controller-manager kube-proxy kube-scheduler kubectl kubelet)

# A module of ours that wants theirs as tools: the only way to build commands of a module with replace lines.
kubernetes_module() {
    local name
    printf 'module kubewrap\n\ngo 1.24.0\n\n'
    printf 'require (\n\tgo.etcd.io/etcd/server/v3 %s\n\tk8s.io/kubernetes v%s\n)\n\n' "$etcd" "$kubernetes"
    printf 'replace (\n'
    for name in "${staging[@]}"; do
        printf '\tk8s.io/%s => k8s.io/%s v0.%s\n' "$name" "$name" "${kubernetes#*.}"
    done
    printf ')\n\ntool (\n\tgo.etcd.io/etcd/server/v3\n'
    printf '\tk8s.io/kubernetes/cmd/%s\n' "${components[@]}"
    printf ')\n'
}

build_kubernetes() {
    local version=k8s.io/component-base/version missing=() name
    for name in "${components[@]}"; do
        [ -x "$bin/$name" ] || missing+=("k8s.io/kubernetes/cmd/$name")
    done
    [ ${#missing[@]} -gt 0 ] || [ ! -x "$bin/etcd" ] || return 0
    mkdir -p "$cache/kube"
    cd "$cache/kube"
    if [ ! -f go.sum ]; then
        kubernetes_module >go.mod
        go mod tidy
    fi
    [ -x "$bin/etcd" ] || go build -ldflags="-s -w" -o "$bin/etcd" go.etcd.io/etcd/server/v3
    # One command for all of them: every processor stays busy.
    [ ${#missing[@]} -eq 0 ] || go build -o "$bin/" -ldflags="-s -w -X $version.gitVersion=v$kubernetes \
-X $version.gitMajor=1 -X $version.gitMinor=34 -X $version.gitTreeState=clean -X $version.gitCommit=module \
-X $version.buildDate=1970-01-01T00:00:00Z -X k8s.io/client-go/pkg/version.gitVersion=v$kubernetes" "${missing[@]}"
}

# With the few plugins that a cluster's own names need.
build_coredns() {
    local plugin
    [ ! -x "$bin/coredns" ] || return 0
    mkdir -p "$cache/coredns"
    cd "$cache/coredns"
    {
        printf 'package main\n\nimport (\n\t"github.com/coredns/coredns/coremain"\n'
        for plugin in cache errors health kubernetes ready reload template; do
            printf '\t_ "github.com/coredns/coredns/plugin/%s"\n' "$plugin"
        done
        printf ')\n\nfunc main() { coremain.Run() }\n'
    } >main.go
    printf 'module corednsmini\n\ngo 1.24.0\n\nrequire github.com/coredns/coredns %s\n' "$coredns" >go.mod
    go mod tidy
    go build -ldflags="-s -w" -o "$bin/coredns" .
}

build_metrics_server() {
    [ -x "$bin/metrics-server" ] ||
        GOBIN=$bin go install -ldflags="-s -w" "sigs.k8s.io/metrics-server/cmd/metrics-server@$metrics_server"
}

# A go.mod with replace lines is refused by `go install`: those are built in a copy of their folder, $cache/NAME.
copy_module() {
    [ ! -d "$cache/$1" ] || return 0
    cp -r "$(module_folder "$2")" "$cache/$1.new"
    chmod -R u+w "$cache/$1.new"
    mv "$cache/$1.new" "$cache/$1"
}

build_kube_router() {
    [ ! -x "$bin/kube-router" ] || return 0
    copy_module kube-router "github.com/cloudnativelabs/kube-router@$kube_router"
    cd "$cache/kube-router"
    # This version, the newest that the proxy has, knows IPv4 alone: a peer by its IPv6 addresses, which this cluster has
    # none of, is passed over. Otherwise it stops at such a policy.
    sed -i '/^func .* evalIPBlockPeer(/a\
\tif peer.IPBlock != nil \&\& strings.Contains(peer.IPBlock.CIDR, ":") {\n\t\treturn nil\n\t}' pkg/controllers/netpol/policy.go
    go build -ldflags="-s -w" -o "$bin/kube-router" ./cmd/kube-router
}

build_keda() {
    local name
    [ ! -x "$bin/keda-operator" ] || [ ! -x "$bin/keda-adapter" ] || return 0
    copy_module keda "github.com/kedacore/keda/v2@$keda"
    cd "$cache/keda"
    for name in operator adapter; do
        go build -ldflags="-s -w" -o "$bin/keda-$name" "./cmd/$name"
    done
}

# What came with a module: its manifests, for two of them.
module_folder() {
    go mod download -json "$1" | python3 -c 'import json, sys; print(json.load(sys.stdin)["Dir"])'
}

# Each in a subshell, since it changes folders.
build_programs() {
    local name
    for name; do
        (build_"$name")
    done
}
