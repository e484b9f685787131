"""Says for each file named on standard input what libtorrent makes of it: `ok <v1 info hash>`, or `no <why>`."""

import sys

import libtorrent

for line in sys.stdin:
    try:
        info = libtorrent.torrent_info(line.rstrip("\n"))
        hashes = info.info_hashes()
        print("ok", str(hashes.v1) if hashes.has_v1() else "v2", flush=True)
    except Exception as error:
        print("no", str(error).replace("\n", " "), flush=True)
