#!/usr/bin/python3
"""A libtorrent peer: libtorrent-peer.py TORRENT FOLDER ADDRESS PORT [--leech] [--upload BYTES/S] [--dial ADDRESS:PORT]

Without --leech it seeds what is in FOLDER until it is ended; with it, it prints "finished" once all is there.
With --dial it asks no tracker and only calls that peer, again and again.
"""
import argparse
import libtorrent as lt

parser = argparse.ArgumentParser()
for word in ('torrent', 'folder', 'address', 'port'):
    parser.add_argument(word)
parser.add_argument('--leech', action='store_true')
parser.add_argument('--upload', type=int, default=0)
parser.add_argument('--dial')
arguments = parser.parse_args()

session = lt.session({
    'listen_interfaces': f'{arguments.address}:{arguments.port}',
    'enable_dht': False, 'enable_lsd': False, 'enable_upnp': False, 'enable_natpmp': False,
    'enable_outgoing_utp': False, 'enable_incoming_utp': False,
    'out_enc_policy': 2, 'in_enc_policy': 2,
    'allow_multiple_connections_per_ip': True,
    'alert_mask': lt.alert.category_t.status_notification | lt.alert.category_t.error_notification
    | lt.alert.category_t.peer_notification | lt.alert.category_t.tracker_notification,
})
add = lt.add_torrent_params()
add.ti = lt.torrent_info(arguments.torrent)
add.save_path = arguments.folder
torrent = session.add_torrent(add)
if arguments.upload:
    torrent.set_upload_limit(arguments.upload)
if arguments.dial:
    torrent.replace_trackers([])
    host, port = arguments.dial.rsplit(':', 1)

finished = False
while True:
    session.wait_for_alert(500)
    for alert in session.pop_alerts():
        print(alert.message(), flush=True)
    status = torrent.status()
    if status.is_seeding and not finished:
        finished = True
        if arguments.leech:
            torrent.flush_cache()
        print('finished' if arguments.leech else 'seeding', flush=True)
    if arguments.dial and status.is_seeding and status.num_peers == 0:
        torrent.connect_peer((host, int(port)))
