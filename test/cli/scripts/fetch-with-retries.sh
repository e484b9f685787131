#!/bin/bash
# Fetches a torrent; while nobody has it, or it stalls, tries again after a pause. What came is kept in between.
# usage: fetch-with-retries.sh TORRENT FOLDER [TRIES] [PAUSE]
set -euo pipefail

torrent=$1 folder=$2 tries=${3:-10} pause=${4:-60}

for ((try = 1; ; try++)); do
  status=0
  torrent-dl --quiet --stall-timeout "${STALL_TIMEOUT:-5m}" --out "$folder" -- "$torrent" || status=$?
  case $status in
    0) exit 0 ;;
    4 | 7) ((try < tries)) || exit "$status" ;; # nobody there, or too slow
    *) exit "$status" ;;
  esac
  sleep "$pause"
done
