"""Caddy, as Debian packages it."""

import os

MOUNT = "/etc/caddy"
MAINS = ["Caddyfile", "caddy.json"]
ENV = {"HOME": "/tmp/oracle-logs/home", "XDG_DATA_HOME": "/tmp/oracle-logs/home", "XDG_CONFIG_HOME": "/tmp/oracle-logs/home"}
ADMIN_PORTS = [2019]


def adapter(main):
    return ["--adapter", "caddyfile"] if os.path.basename(main) == "Caddyfile" else []


def check(main):
    return ["caddy", "validate", "--config", main, *adapter(main)]


def start(main):
    return ["caddy", "run", "--config", main, *adapter(main)]
