#!/usr/bin/python3
"""A DHT of libtorrent nodes: libtorrent-dht.py HOST NODES ANNOUNCED WANTED

HOST is a loopback address. The last node has the torrent ANNOUNCED, by its info hash, and announces it; the fourth
looks for peers of WANTED again and again. Prints "node PORT" for each node, "ready" when all know some others, "told ADDRESS:PORT" for each
peer of WANTED that it is told of.
"""
import sys
import time
import libtorrent as lt

host, count, announced, wanted = sys.argv[1:]
listen = f'[{host}]:0' if ':' in host else f'{host}:0'
sessions = [lt.session({
    'listen_interfaces': listen,
    'enable_dht': True, 'enable_lsd': False, 'enable_upnp': False, 'enable_natpmp': False,
    'dht_bootstrap_nodes': '', 'dht_restrict_routing_ips': False, 'dht_restrict_search_ips': False,
    'dht_enforce_node_id': False, 'dht_prefer_verified_node_ids': False, 'dht_ignore_dark_internet': False,
    'alert_mask': lt.alert.category_t.dht_notification | lt.alert.category_t.dht_operation_notification
    | lt.alert.category_t.status_notification,
}) for _ in range(int(count))]
for session in sessions:
    while session.listen_port() == 0:
        time.sleep(0.01)
    print('node', session.listen_port(), flush=True)
for session in sessions:
    for other in sessions:
        if other is not session:
            session.add_dht_node((host, other.listen_port()))


def id_of(text):
    return lt.sha1_hash(bytes.fromhex(text))


add = lt.parse_magnet_uri(f'magnet:?xt=urn:btih:{announced}')
add.save_path = '/nonexistent'
torrent = sessions[-1].add_torrent(add)
is_ready, turn = False, 0
while True:
    if is_ready:
        if turn % 10 == 0:
            torrent.force_dht_announce()
        sessions[3].dht_get_peers(id_of(wanted))
        turn += 1
    else:
        is_ready = all(session.status().dht_nodes >= len(sessions) // 2 for session in sessions)
        if is_ready:
            print('ready', flush=True)
    time.sleep(0.5)
    for session in sessions:
        for alert in session.pop_alerts():
            if isinstance(alert, lt.dht_get_peers_reply_alert) and session is sessions[3]:
                for address, number in alert.peers():
                    print(f'told {address}:{number}', flush=True)
