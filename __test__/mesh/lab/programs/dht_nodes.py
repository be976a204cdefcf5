"""usage: dht_nodes.py PORT ADDRESS…: DHT nodes (libtorrent), one on each address, that know each other.

Prints `ready` when each has others in its routing table, and stays.
"""

import sys
import time
import warnings

import libtorrent

# What is deprecated in 2.0 is what there is in 1.2, too.
warnings.simplefilter("ignore", DeprecationWarning)


def settings(address: str, port: int) -> dict:
    return {
        "listen_interfaces": f"{address}:{port}",
        "enable_dht": True,
        "enable_lsd": False,
        "enable_upnp": False,
        "enable_natpmp": False,
        "dht_bootstrap_nodes": "",
        # All the nodes of this Internet share few prefixes.
        "dht_restrict_routing_ips": False,
        "dht_restrict_search_ips": False,
        "dht_ignore_dark_internet": False,
        # Several nodes share an address here, and a whole Internet few DHT nodes: 5 datagrams a second would be too many.
        "dht_block_ratelimit": 1000,
        "dht_upload_rate_limit": 1_000_000,
        "alert_mask": 0,
    }


def main() -> None:
    port, addresses = int(sys.argv[1]), sys.argv[2:]
    sessions = [libtorrent.session(settings(address, port)) for address in addresses]
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        for session, own in zip(sessions, addresses):
            for address in addresses:
                if address != own:
                    session.add_dht_node((address, port))
        time.sleep(0.5)
        if all(session.status().dht_nodes >= min(3, len(addresses) - 1) for session in sessions):
            break
    else:
        sys.exit("the nodes did not find each other")
    print("ready", flush=True)
    while True:
        time.sleep(3600)


main()
