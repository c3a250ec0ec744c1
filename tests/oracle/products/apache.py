"""Apache httpd, as Debian packages it (apache2-bin)."""

import os
import signal
import subprocess

MOUNT = "/etc/apache2"
MAINS = ["apache2.conf", "httpd.conf"]
STOCK = ["mime.types", "magic"]
LOGS = []
STOP = signal.SIGTERM


def check(main):
    return ["apache2", "-t", "-f", main]


def start(main):
    return ["apache2", "-D", "FOREGROUND", "-f", main]


def prepare(main):
    # Where it keeps its process id and its locks; each has its own.
    os.makedirs("/run/apache2", exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", "/run/apache2"], check=True)
