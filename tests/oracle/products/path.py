"""Several gateways, one behind the other: whichever of nginx, HAProxy and Apache a case has configurations for."""

import os
import shlex
import signal
import subprocess

MOUNT = "/etc/path"
MAINS = []
LOGS = ["/var/log/nginx"]
STOP = signal.SIGTERM
SETTLES = 0.7  # the last one in a row may be the last to listen
DOORS = False  # those in the middle of a row listen, too: nobody is meant to ask them

GATEWAYS = [
    ("nginx.conf", ["nginx", "-t", "-q", "-c"], ["nginx", "-g", "daemon off; master_process off;", "-c"]),
    ("haproxy.cfg", ["haproxy", "-c", "-q", "-f"], ["haproxy", "-db", "-f"]),
    ("apache2.conf", ["apache2", "-t", "-f"], ["apache2", "-D", "FOREGROUND", "-f"]),
]


def all_of(step):
    """The commands of a step, one a gateway."""
    found = []
    for folder, _, files in sorted(os.walk(MOUNT)):
        for gateway in GATEWAYS:
            if gateway[0] in files:
                found.append(shlex.join([*gateway[step], os.path.join(folder, gateway[0])]))
    return found


def check(_):
    return ["sh", "-c", " && ".join(all_of(1))]


def start(_):
    # Where one of them ends, all do.
    return ["bash", "-c", " & ".join(all_of(2)) + " & wait -n; kill $(jobs -p); exit 1"]


def prepare(_):
    os.makedirs("/run/apache2", exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", "/run/apache2"], check=True)
