#!/usr/bin/env bash
# Three kind clusters, dev, staging and prod: the control plane in prod, an agent in each, and one run through all three.
#
#   deploy/kind/up.sh          everything, from nothing; may be called again
#   deploy/kind/up.sh run      the example alone
#   deploy/kind/up.sh down     the clusters go
#
# Needs docker, kind, kubectl and muster (pip install '.[kubernetes]' here). IMAGE names an image with Muster in it; without,
# deploy/image/Dockerfile is built. EXAMPLE_IMAGE names one with Python and pytest for the example's steps, where the nodes
# reach no registry and no package index. Both are loaded into the nodes.
set -euo pipefail

ENVIRONMENTS=(dev staging prod)
HOME_OF_PLANE=prod
PLANE=muster-control-plane
GRPC_NODE_PORT=30443 # agents of the other clusters come through these of the prod node
ENROL_NODE_PORT=30444
WEB_PORT=${WEB_PORT:-7070}
IMAGE=${IMAGE:-}
EXAMPLE_IMAGE=${EXAMPLE_IMAGE:-}

cd "$(dirname "$0")/../.."
state=$(mktemp -d)
forward=""
trap 'if [ -n "$forward" ]; then kill "$forward" 2>/dev/null || true; fi; rm -rf "$state"' EXIT

say() { printf '\n== %s\n' "$*" >&2; }

need() {
    local tool
    for tool in "$@"; do
        command -v "$tool" >/dev/null || { echo "up.sh needs $tool" >&2; exit 2; }
    done
}

# in_cluster ENVIRONMENT WORDS...: kubectl there
in_cluster() {
    local environment=$1
    shift
    kubectl --context "kind-muster-$environment" "$@"
}

clusters() {
    local environment
    for environment in "${ENVIRONMENTS[@]}"; do
        if ! kind get clusters 2>/dev/null | grep -qx "muster-$environment"; then
            say "cluster $environment"
            kind create cluster --name "muster-$environment" --wait 180s
        fi
    done
}

images() {
    local environment
    if [ -z "$IMAGE" ]; then
        IMAGE=muster:kind
        say "image $IMAGE"
        docker build -f deploy/image/Dockerfile -t "$IMAGE" .
    fi
    for environment in "${ENVIRONMENTS[@]}"; do
        kind load docker-image --name "muster-$environment" "$IMAGE" ${EXAMPLE_IMAGE:+"$EXAMPLE_IMAGE"}
    done
}

node_address() {
    in_cluster "$HOME_OF_PLANE" get nodes \
        -o 'jsonpath={.items[0].status.addresses[?(@.type=="InternalIP")].address}'
}

control_plane() {
    say "control plane in $HOME_OF_PLANE, for agents at $1"
    mkdir -p "$state/overlay"
    cp -r deploy/kubernetes/control-plane "$state/base"
    cat >"$state/overlay/kustomization.yaml" <<OVERLAY
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
resources: [../base]
images:
  - { name: muster, newName: ${IMAGE%:*}, newTag: "${IMAGE##*:}" }
patches:
  - patch: |
      apiVersion: v1
      kind: ConfigMap
      metadata: { name: $PLANE, namespace: muster }
      data: { MUSTER_NAMES: "$1" }
  - patch: |
      apiVersion: v1
      kind: Service
      metadata: { name: $PLANE, namespace: muster }
      spec:
        type: NodePort
        ports:
          - { name: grpc, port: 7443, targetPort: grpc, protocol: TCP, nodePort: $GRPC_NODE_PORT }
          - { name: enrol, port: 7444, targetPort: enrol, protocol: TCP, nodePort: $ENROL_NODE_PORT }
OVERLAY
    in_cluster "$HOME_OF_PLANE" apply -k "$state/overlay"
    in_cluster "$HOME_OF_PLANE" -n muster rollout status "statefulset/$PLANE" --timeout 180s
}

# People's port on this machine, for as long as this script runs.
people() {
    in_cluster "$HOME_OF_PLANE" -n muster port-forward "$PLANE-0" "$WEB_PORT:7070" >"$state/forward.log" 2>&1 &
    forward=$!
    MUSTER_URL=http://127.0.0.1:$WEB_PORT
    MUSTER_TOKEN=$(in_cluster "$HOME_OF_PLANE" -n muster exec "$PLANE-0" -- cat /var/lib/muster/state/token)
    export MUSTER_URL MUSTER_TOKEN
    for _ in $(seq 60); do
        if muster agents list >/dev/null 2>&1; then return; fi
        if ! kill -0 "$forward" 2>/dev/null; then cat "$state/forward.log" >&2; exit 3; fi
        sleep 0.5
    done
    echo "the control plane does not answer at $MUSTER_URL" >&2
    exit 3
}

# given ENVIRONMENT FOLDER KIND...: a config map or a secret of the files in a folder
given() {
    local environment=$1 folder=$2
    shift 2
    in_cluster "$environment" -n muster create "$@" "$(basename "$folder")" --from-file="$folder" --dry-run=client -o yaml |
        in_cluster "$environment" apply -f -
}

agents() {
    local environment folder
    for environment in "${ENVIRONMENTS[@]}"; do
        say "agent $environment-runner"
        if ! muster agents list --output json | grep -q "\"$environment-runner\""; then
            muster agents create "$environment-runner" --label "environment=$environment" >/dev/null 2>&1
        fi
        muster agents install "$environment-runner" --context "kind-muster-$environment" --image "$IMAGE" \
            --control-plane "$1:$GRPC_NODE_PORT" --enrolment "$1:$ENROL_NODE_PORT"
        for folder in examples/environments/"$environment"/configmaps/*/; do
            given "$environment" "$folder" configmap
        done
        for folder in examples/environments/"$environment"/secrets/*/; do
            given "$environment" "$folder" secret generic
        done
    done
}

example() {
    say "one run through all environments; in prod a test fails, since its configuration differs"
    mkdir -p "$state/workflows"
    cp examples/workflows/*.yaml "$state/workflows"
    if [ -n "$EXAMPLE_IMAGE" ]; then
        sed -i.old "s|image: python:3.12\$|image: $EXAMPLE_IMAGE|" "$state/workflows/storefront-checks.yaml"
        rm -f "$state/workflows/storefront-checks.yaml.old"
    fi
    muster apply -f "$state/workflows"
    local code=0
    muster run cross-environment | tee "$state/run" || code=$?
    if [ "$code" != 1 ] || ! grep -q 'verdict.*passed.*passed.*failed' "$state/run"; then
        echo "dev and staging should pass and prod should not (exit code 1); it ended with $code" >&2
        exit 1
    fi
}

case ${1:-up} in
    up)
        need docker kind kubectl muster
        clusters
        images
        address=$(node_address)
        control_plane "$address"
        people
        agents "$address"
        example
        say "to go on: kubectl --context kind-muster-$HOME_OF_PLANE -n muster port-forward $PLANE-0 $WEB_PORT:7070"
        echo "export MUSTER_URL=$MUSTER_URL MUSTER_TOKEN=\$(kubectl --context kind-muster-$HOME_OF_PLANE -n muster exec $PLANE-0 -- cat /var/lib/muster/state/token)" >&2
        ;;
    run)
        need kubectl muster
        people
        example
        ;;
    down)
        need kind
        for environment in "${ENVIRONMENTS[@]}"; do kind delete cluster --name "muster-$environment"; done
        ;;
    *)
        echo "up.sh [up|run|down]" >&2
        exit 2
        ;;
esac
