#!/usr/bin/python3
"""A DHT of libtorrent nodes: libtorrent-nodes.py ADDRESS:PORT... -- INFO-HASH...

Prints "ready" when the nodes know each other, and "told INFO-HASH" once for each of the info hashes that somebody has
announced.
"""
import sys
import libtorrent as lt

words = sys.argv[1:]
addresses, wanted = words[:words.index('--')], words[words.index('--') + 1:]
sessions = [lt.session({
    'listen_interfaces': address,
    'enable_dht': True, 'enable_lsd': False, 'enable_upnp': False, 'enable_natpmp': False,
    'dht_bootstrap_nodes': '', 'dht_restrict_routing_ips': False, 'dht_restrict_search_ips': False,
    'dht_ignore_dark_internet': False,
    # or they are silent to transmission for minutes, which looks for peers of all its torrents at once
    'dht_upload_rate_limit': 1_000_000, 'dht_block_ratelimit': 1000,
    'alert_mask': lt.alert.category_t.dht_operation_notification | lt.alert.category_t.error_notification,
}) for address in addresses]
for session in sessions:
    for address in addresses:
        host, port = address.rsplit(':', 1)
        session.add_dht_node((host, int(port)))

is_ready = False
while True:
    sessions[0].wait_for_alert(500)
    if not is_ready:
        is_ready = all(session.status().dht_nodes >= len(sessions) // 2 for session in sessions)
        if is_ready:
            print('ready', flush=True)
    for alert in sessions[0].pop_alerts():
        if isinstance(alert, lt.dht_get_peers_reply_alert) and str(alert.info_hash) in wanted and alert.num_peers() > 0:
            wanted.remove(str(alert.info_hash))
            print(f'told {alert.info_hash}', flush=True)
    for info_hash in wanted if is_ready else []:
        sessions[0].dht_get_peers(lt.sha1_hash(bytes.fromhex(info_hash)))
