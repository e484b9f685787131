#!/usr/bin/python3
"""A libtorrent peer of many torrents: libtorrent-many.py FOLDER PORT ADDRESS... [options]

Seeds each --torrent, downloads each --magnet and prints "finished NAME" once its data is all there. With --gossip the
torrents' data is neither asked for nor there, and all that peers get is the addresses of others (PEX), which are
dialled by --dial; not even the info dictionary is given away. --log prints what peers say.
"""
import argparse
import libtorrent as lt

parser = argparse.ArgumentParser()
parser.add_argument('folder')
parser.add_argument('port', type=int)
parser.add_argument('addresses', nargs='+')
parser.add_argument('--torrent', action='append', default=[])
parser.add_argument('--magnet', action='append', default=[])
parser.add_argument('--node', action='append', default=[], help='a node of the DHT, ADDRESS:PORT')
parser.add_argument('--lsd', action='store_true')
parser.add_argument('--gossip', action='store_true')
parser.add_argument('--dial', action='append', default=[], help='for each torrent in turn, ADDRESS:PORT')
parser.add_argument('--log', action='store_true')
arguments = parser.parse_args()


def endpoint(text):
    host, port = text.rsplit(':', 1)
    return host, int(port)


interfaces = [f'[{host}]:{arguments.port}' if ':' in host else f'{host}:{arguments.port}' for host in arguments.addresses]
categories = lt.alert.category_t
session = lt.session({
    'listen_interfaces': ','.join(interfaces),
    'enable_dht': bool(arguments.node), 'enable_lsd': arguments.lsd, 'enable_upnp': False, 'enable_natpmp': False,
    'dht_bootstrap_nodes': '', 'dht_upload_rate_limit': 1_000_000, 'dht_block_ratelimit': 1000,
    'dht_restrict_routing_ips': False, 'dht_restrict_search_ips': False,
    'enable_outgoing_utp': False, 'enable_incoming_utp': False, 'out_enc_policy': 2, 'in_enc_policy': 2,
    'allow_multiple_connections_per_ip': True, 'close_redundant_connections': False,
    'min_reconnect_time': 1, 'max_failcount': 100, 'announce_to_all_trackers': True,
    'active_limit': 100, 'active_seeds': 100, 'active_downloads': 100,
    'alert_mask': categories.status_notification | categories.error_notification | categories.tracker_notification
    | (categories.peer_log_notification if arguments.log else 0),
}, flags=0)
for name in ['ut_pex'] if arguments.gossip else ['ut_pex', 'ut_metadata']:
    session.add_extension(name)
for node in arguments.node:
    session.add_dht_node(endpoint(node))


def add(parameters):
    parameters.save_path = arguments.folder
    if arguments.gossip:
        parameters.flags |= lt.torrent_flags.upload_mode
    return session.add_torrent(parameters)


def torrent_file(path):
    parameters = lt.add_torrent_params()
    parameters.ti = lt.torrent_info(path)
    return parameters


given = [add(torrent_file(path)) for path in arguments.torrent]
wanted = [add(lt.parse_magnet_uri(uri)) for uri in arguments.magnet]
forced = 0
while True:
    session.wait_for_alert(500)
    if forced < 2 and session.status().dht_nodes > 8:
        forced += 1
        for torrent in given:
            torrent.force_dht_announce()  # on its own it takes up to half a minute
    for alert in session.pop_alerts():
        print(alert.message(), flush=True)
    for torrent in [torrent for torrent in wanted if torrent.status().is_seeding]:
        torrent.flush_cache()
        print(f'finished {torrent.status().name}', flush=True)
        wanted.remove(torrent)
    for torrent, peer in zip(given, arguments.dial):
        if endpoint(peer) not in [info.ip for info in torrent.get_peer_info()]:
            torrent.connect_peer(endpoint(peer))
