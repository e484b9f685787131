#!/bin/bash
# Unpacks all files of a torrent without storing them twice; on any failure nothing is left.
# usage: unpack-all-or-nothing.sh TORRENT FOLDER
set -euo pipefail

torrent=$1 folder=$2

draft=$(mktemp -d "$folder.XXXXXX")
trap 'rm -rf -- "$draft"' EXIT
codes=(0 0)
torrent-dl --quiet --stall-timeout "${STALL_TIMEOUT:-5m}" --out - --tar -- "$torrent" | tar -x -C "$draft" ||
  codes=("${PIPESTATUS[@]}")
for code in "${codes[@]}"; do # the first says why; tar only that its input ended early
  [ "$code" -eq 0 ] || exit "$code"
done
mv -T -- "$draft" "$folder"
trap - EXIT
