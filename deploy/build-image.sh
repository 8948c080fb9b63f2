#!/usr/bin/env bash
# Builds the container image with whichever engine is here and works: docker, podman or buildah.
#
# usage: [ENGINE=podman] [IMAGE=onehop] deploy/build-image.sh [option of the engine's build ...]
set -euo pipefail
cd "$(dirname "$0")/.."

image=${IMAGE:-onehop}
version=$(sed -n 's/^__version__ = "\(.*\)"$/\1/p' proxy/__init__.py)
revision=$(git rev-parse HEAD 2>/dev/null) || revision=unknown
export BUILDAH_FORMAT=docker  # for podman and buildah, whose own format has no HEALTHCHECK

for engine in ${ENGINE:-docker podman buildah}; do
    # The command may be there without its engine: ask the engine, not the path.
    "$engine" info >/dev/null 2>&1 || continue
    echo "building $image $version with $engine"
    "$engine" build --tag "$image" \
        --label "org.opencontainers.image.version=$version" \
        --label "org.opencontainers.image.revision=$revision" \
        "$@" .
    exit
done
echo "no container engine answers (tried: ${ENGINE:-docker podman buildah}): start or install one of them" >&2
exit 1
