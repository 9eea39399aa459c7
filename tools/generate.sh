#!/usr/bin/env bash
# Generates all code into the folder OUT/gen from the contract: Go and TypeScript by buf, Python by grpc_tools.
# `make generate` and `make check-generated` call it, with the tools already built. The JSON schemas are made after it, by a
# Go program that is compiled with the Go code.
set -euo pipefail

out=$1
root=$(cd "$(dirname "$0")/.." && pwd)
cd "$root"
rm -rf "$out"
mkdir -p "$out/gen/python"

PATH="$root/bin:$root/tools/node/node_modules/.bin:$PATH" bin/buf generate --output "$out"

image=$out/image.binpb
bin/buf build --path proto/portcullis/v1 --as-file-descriptor-set --output "$image"
.venv/bin/python tools/python/generate.py "$image" "$out/gen/python"
rm "$image"
