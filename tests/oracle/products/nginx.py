"""nginx, as Debian packages it (nginx, libnginx-mod-stream)."""

import signal

MOUNT = "/etc/nginx"
MAINS = ["nginx.conf"]
STOCK = ["mime.types", "fastcgi_params", "fastcgi.conf", "uwsgi_params", "scgi_params", "proxy_params"]
LOGS = ["/var/log/nginx"]
STOP = signal.SIGKILL  # logs are written at once


def check(main):
    return ["nginx", "-t", "-q", "-c", main]


def start(main):
    # One process is enough, and starts faster; the configuration has its own say on everything else.
    return ["nginx", "-c", main, "-g", "daemon off; master_process off;"]
