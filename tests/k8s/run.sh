#!/usr/bin/env bash
# run.sh [FILE...]: the tests on a real cluster, all or those of the named files.
# Without KUBECONFIG on one of this machine's own, made and removed by this (root, Go 1.24 and Debian's packages; half an
# hour before the tests the first time, two minutes later). Where that cannot be it says so and exits with 75.
# With KUBECONFIG on that one, in the namespace unreel, which must not exist and is removed at the end; then
#   UNREEL_TEST_K8S_FOLDER   is what is applied (k8s/overlays/minikube), its images being where the cluster finds them
#   UNREEL_TEST_K8S_URL      is the gateway's address, unless it is its NodePort on the first node
#   UNREEL_TEST_K8S_NEXT_TAG is the tag of a second version of gateway and converter, for the canary
# UNREEL_TEST_K8S_KEEP=1 leaves the cluster as the tests left it, and goes on with one that is there.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

results=$PWD/build/k8s
script=$PWD/tests/k8s/cluster/cluster.sh
tag=$(sed -n 's/^project(unreel VERSION \([0-9.]*\).*/\1/p' CMakeLists.txt)
ours=(auth gateway converter notifier)
stand_ins=(mysql-local rabbitmq-local mongodb-local)
files=("${@:-}")
next=(gateway converter) # of these there is a second version, for the canary
mkdir -p "$results"
rm -rf "$results"/{steps.txt,sizes.txt,figures.json,k8s.xml,tmp} # what is left are test media

impossible() {
    printf '\nK8S NOT TESTED: %s\n\n' "$*" >&2
    exit 75
}

# step NAME COMMAND...: noted with its time; its words are in a log, which is shown when it fails.
step() {
    local name=$1 begin=$SECONDS
    shift
    printf '== %4d s  %s\n' "$begin" "$name"
    "$@" >"$results/step.log" 2>&1 || {
        tail -n 60 "$results/step.log"
        echo "run.sh: $name failed" >&2
        exit 1
    }
    echo "$((SECONDS - begin)) $name" >>"$results/steps.txt"
}

# What a cluster of this machine's own takes; said before anything is installed.
check_machine() {
    local go
    [ "$(id -u)" = 0 ] || impossible "a cluster of its own takes root; KUBECONFIG names another one"
    command -v apt-get >/dev/null || impossible "a cluster of its own takes Debian's packages"
    go=$(go env GOVERSION 2>/dev/null) || impossible "a cluster of its own takes Go 1.24 or newer, and there is none"
    [ "$(printf '%s\n' go1.24 "$go" | sort -V | head -n 1)" = go1.24 ] || impossible "$go is older than Go 1.24"
    unshare --net --mount true 2>/dev/null || impossible "namespaces cannot be made here"
}

own_cluster() {
    check_machine
    step packages scripts/install-packages.sh k8s cluster
    if [ -z "${UNREEL_TEST_K8S_KEEP:-}" ]; then
        trap 'timeout 300 "$script" nuke' EXIT
        step "nothing is left of another run" timeout 300 "$script" nuke
    fi
    step "the cluster's programs" timeout 3600 "$script" build
    step "images of Unreel" timeout 3600 "$script" images "${ours[@]}" cli
    step "images of the stand-ins" timeout 3600 "$script" images "${stand_ins[@]}"
    step "the next version's images" next_version
    step "cluster up" timeout 300 "$script" up
    step "images into the cluster" load_images
    export UNREEL_TEST_K8S_CLUSTER=$script UNREEL_TEST_K8S_FOLDER=${UNREEL_TEST_K8S_FOLDER:-$PWD/k8s/overlays/local}
    export UNREEL_TEST_K8S_NEXT_TAG=$tag-next
    read -r UNREEL_TEST_K8S_KUBECTL KUBECONFIG < <("$script" where)
}

# The same sources, which say another version.
next_version() {
    VERSION=$tag-next TAG=$tag-next timeout 3600 "$script" images "${next[@]}"
}

load_images() {
    local names=("${ours[@]/%/:$tag}" "${stand_ins[@]/%/:$tag}" "${next[@]/%/:$tag-next}")
    timeout 600 "$script" load "${names[@]/#/unreel/}" | tee "$results/sizes.txt"
}

other_cluster() {
    local folder=k8s/overlays/minikube found
    scripts/install-packages.sh k8s
    export UNREEL_TEST_K8S_FOLDER=${UNREEL_TEST_K8S_FOLDER:-$PWD/$folder}
    UNREEL_TEST_K8S_KUBECTL=$(command -v kubectl) || impossible "there is no kubectl"
    kubectl --request-timeout=30s get namespaces >/dev/null || impossible "the cluster of $KUBECONFIG does not answer"
    found=$(kubectl --request-timeout=30s get namespace unreel --ignore-not-found -o name) ||
        impossible "the cluster of $KUBECONFIG does not say whether it has a namespace unreel"
    [ -z "$found" ] || impossible "that cluster has a namespace unreel; this would change what is in it"
    trap 'kubectl delete namespace unreel --timeout=300s' EXIT
}

trap 'exit 130' INT
trap 'exit 143' TERM
if [ -n "${KUBECONFIG:-}" ]; then
    other_cluster
else
    own_cluster
fi
export KUBECONFIG UNREEL_TEST_K8S_KUBECTL UNREEL_TEST_K8S_RESULTS=$results
export UNREEL_TEST_BIN=$results/bin PYTHONDONTWRITEBYTECODE=1
printf '== %4d s  tests\n' "$SECONDS"
timeout 5400 /usr/bin/python3 -m pytest -c tests/k8s/pytest.ini -p no:cacheprovider --basetemp "$results/tmp" \
    --junit-xml "$results/k8s.xml" "${files[@]/#/tests/k8s/}"
