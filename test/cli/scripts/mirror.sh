#!/bin/bash
# Keeps a folder up to date with a list of torrents (a path, URL or magnet link a line), and prints what could not be had.
# usage: mirror.sh LIST FOLDER
set -euo pipefail

list=$1 folder=$2

status=0
report=$(torrent-dl --json --stall-timeout "${STALL_TIMEOUT:-10m}" --parallel 4 --out "$folder" --input-file "$list" \
  2>/dev/null) || status=$?
jq -r 'select(.type == "error") | "\(.source // "the run"): \(.message)"' <<<"$report"
exit "$status"
