#!/bin/bash
# Packs each file of a torrent as soon as it is complete, while the others still come. Names may hold anything.
# usage: work-as-they-come.sh TORRENT FOLDER
set -euo pipefail

torrent=$1 folder=$2

torrent-dl --quiet --print0 --out "$folder" -- "$torrent" |
  while IFS= read -r -d '' file; do
    gzip --keep --force -- "$file"
    printf 'packed %q\n' "$file"
  done
