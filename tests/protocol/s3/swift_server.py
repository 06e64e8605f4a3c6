"""OpenStack's object store with its S3 face (s3api), as Debian packages it: account, container, object and proxy server
on loopback, all in one folder. Run by the system's Python:

    /usr/bin/python3 swift_server.py FOLDER

It says its address when it is ready, and ends with its standard input. Key id test:tester, secret testing."""
import os
import pathlib
import signal
import socket
import sys
import time

SERVERS = ("account", "container", "object", "proxy")
COMMON = """[DEFAULT]
bind_ip = 127.0.0.1
bind_port = {port}
workers = 0
user = {user}
swift_dir = {folder}
devices = {folder}/devices
mount_check = false
log_level = ERROR
log_address = {folder}/no-syslog
"""
STORAGE = """[pipeline:main]
pipeline = {name}-server
[app:{name}-server]
use = egg:swift#{name}
"""
PROXY = """[pipeline:main]
pipeline = catch_errors gatekeeper cache listing_formats bulk s3api tempauth slo dlo proxy-server
[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true
[filter:catch_errors]
use = egg:swift#catch_errors
[filter:gatekeeper]
use = egg:swift#gatekeeper
[filter:cache]
paste.filter_factory = swift_server:cache_factory
[filter:listing_formats]
use = egg:swift#listing_formats
[filter:bulk]
use = egg:swift#bulk
[filter:s3api]
use = egg:swift#s3api
location = us-east-1
[filter:tempauth]
use = egg:swift#tempauth
user_test_tester = testing .admin
[filter:slo]
use = egg:swift#slo
[filter:dlo]
use = egg:swift#dlo
"""


class Cache:
    """What the proxy wants of a memcached, for its one process."""

    def __init__(self):
        self.values = {}

    def get(self, key, *_, **__):
        return self.values.get(key)

    def set(self, key, value, *_, **__):
        self.values[key] = value

    def incr(self, key, delta=1, **_):
        self.values[key] = int(self.values.get(key) or 0) + delta
        return self.values[key]

    def delete(self, key, **_):
        self.values.pop(key, None)


def cache_factory(_config, **_):
    cache = Cache()

    def make(app):
        def call(env, start):
            env["swift.cache"] = cache
            return app(env, start)
        return call
    return make


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def write_rings(folder, ports):
    from swift.common.ring import RingBuilder
    for name in SERVERS[:3]:
        builder = RingBuilder(4, 1, 1)
        builder.add_dev({"id": 0, "region": 1, "zone": 1, "ip": "127.0.0.1", "port": ports[name], "device": "d1",
                         "replication_ip": "127.0.0.1", "replication_port": ports[name], "weight": 1.0, "meta": ""})
        builder.rebalance()
        builder.get_ring().save(str(folder / f"{name}.ring.gz"))


def serve(folder, name):
    from swift.common import utils
    utils.set_swift_dir(str(folder))
    from swift.common import storage_policy
    storage_policy.reload_storage_policies()
    from swift.common.wsgi import run_wsgi
    sys.exit(run_wsgi(str(folder / f"{name}.conf"), f"{name}-server"))


def main():
    folder = pathlib.Path(sys.argv[1]).resolve()
    (folder / "devices" / "d1").mkdir(parents=True)
    (folder / "swift.conf").write_text("[swift-hash]\nswift_hash_path_prefix = p\nswift_hash_path_suffix = s\n"
                                       "[storage-policy:0]\nname = Policy-0\ndefault = yes\n")
    ports = {name: free_port() for name in SERVERS}
    import pwd
    user = pwd.getpwuid(os.geteuid()).pw_name
    for name in SERVERS:
        rest = PROXY if name == "proxy" else STORAGE.format(name=name)
        (folder / f"{name}.conf").write_text(COMMON.format(port=ports[name], folder=folder, user=user) + rest)
    write_rings(folder, ports)
    children = []
    for name in SERVERS:
        child = os.fork()
        if child == 0:
            serve(folder, name)
        children.append(child)
    deadline = time.monotonic() + 60
    for name in SERVERS:
        while True:
            try:
                socket.create_connection(("127.0.0.1", ports[name]), timeout=1).close()
                break
            except OSError:
                if time.monotonic() > deadline:
                    sys.exit(f"the {name} server does not listen")
                time.sleep(0.05)
    print(f"ready at http://127.0.0.1:{ports['proxy']}", flush=True)
    sys.stdin.read()
    for child in children:
        os.kill(child, signal.SIGKILL)


if __name__ == "__main__":
    main()
