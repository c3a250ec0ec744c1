"""HAProxy, as Debian packages it."""

MOUNT = "/etc/haproxy"
MAINS = ["haproxy.cfg"]
STOCK = []
LOGS = []


def check(main):
    return ["haproxy", "-c", "-q", "-f", main]


def start(main):
    return ["haproxy", "-db", "-f", main]
