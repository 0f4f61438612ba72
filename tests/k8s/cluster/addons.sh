# shellcheck shell=bash disable=SC2154 # names of common.sh
# What a cluster has besides: names, disks, the metrics server, KEDA. Sourced.

# Folders, which outlive the node's restarts. As local volumes, since those are given to a pod's fsGroup.
volumes() {
    local number
    for number in $(seq 8); do
        mkdir -p "$state/pv/$number"
        cat <<END
---
apiVersion: v1
kind: PersistentVolume
metadata: {name: pv$number}
spec:
  capacity: {storage: 20Gi}
  accessModes: [ReadWriteOnce, ReadWriteMany]
  storageClassName: standard
  persistentVolumeReclaimPolicy: Retain
  local: {path: $state/pv/$number}
  nodeAffinity:
    required:
      nodeSelectorTerms: [{matchExpressions: [{key: kubernetes.io/hostname, operator: In, values: [$node]}]}]
END
    done
}

basics() {
    program_image local/coredns:1 "$bin/coredns"
    {
        sed "s/DNS_IP/$dns_ip/" "$here/basics.yaml"
        volumes
    } >"$state/basics.yaml"
    kubectl apply --server-side -f "$state/basics.yaml" >/dev/null
    kubectl -n kube-system rollout status deployment/coredns --timeout=120s
}

# Both manifests are made for a slower start.
ready_at_once='{op: replace, path: /spec/template/spec/containers/0/readinessProbe/initialDelaySeconds, value: 1}'

# `kubectl top`, and what scales by CPU.
metrics() {
    local folder=$state/metrics-server
    build_programs metrics_server
    program_image local/metrics-server:1 "$bin/metrics-server"
    rm -rf "$folder"
    mkdir "$folder"
    cp -r --no-preserve=mode "$(module_folder "sigs.k8s.io/metrics-server@$metrics_server")/manifests/base" "$folder/base"
    sed -i 's#image: .*#image: local/metrics-server:1#' "$folder/base/deployment.yaml"
    cat >"$folder/kustomization.yaml" <<END
resources: [base]
patches:
- target: {kind: Deployment}
  patch: |
    - {op: add, path: /spec/template/spec/containers/0/args/-, value: --kubelet-insecure-tls}
    - $ready_at_once
END
    kubectl apply --server-side -k "$folder" >/dev/null
    kubectl -n kube-system rollout status deployment/metrics-server --timeout=120s
}

# Scaling by the length of a queue.
keda() {
    local folder=$state/keda name
    build_programs keda
    program_image local/keda:1 "$bin/keda-operator" keda 1000 # its manifest calls it so
    program_image local/keda-adapter:1 "$bin/keda-adapter" keda-adapter 1000
    rm -rf "$folder"
    mkdir "$folder"
    cp -r --no-preserve=mode "$(module_folder "github.com/kedacore/keda/v2@$keda")/config" "$folder/config"
    sed -i 's#image: .*#image: local/keda:1#' "$folder/config/manager/manager.yaml"
    sed -i 's#image: .*#image: local/keda-adapter:1#' "$folder/config/metrics-server/deployment.yaml"
    cat >"$folder/kustomization.yaml" <<END
resources: [config/minimal]
patches:
- target: {kind: Deployment}
  patch: |
    - {op: replace, path: /spec/template/spec/containers/0/imagePullPolicy, value: Never}
    - $ready_at_once
END
    kubectl apply --server-side -k "$folder" >/dev/null
    for name in keda-operator keda-metrics-apiserver; do
        kubectl -n keda rollout status "deployment/$name" --timeout=180s
    done
}
