#!/usr/bin/env bash
# Gets keybound and runs it once: SARIF for the upload, annotations, and a job summary come from the same scan.
# All inputs come as environment variables; nothing of them is ever part of a command's text.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
work=${RUNNER_TEMP:?}/keybound
mkdir -p "$work"

fail() {
  printf '::error title=keybound::%s\n' "$1"
  printf 'verdict=error\nfindings=0\n' >>"$GITHUB_OUTPUT"
  exit 0 # the last step speaks the verdict
}

# The release whose checksums are committed beside this script; none: a build from source.
target() {
  case "${RUNNER_OS:-}-${RUNNER_ARCH:-}" in
    Linux-X64) echo x86_64-unknown-linux-musl ;;
    Linux-ARM64) echo aarch64-unknown-linux-musl ;;
    macOS-X64) echo x86_64-apple-darwin ;;
    macOS-ARM64) echo aarch64-apple-darwin ;;
    Windows-X64) echo x86_64-pc-windows-msvc ;;
  esac
}

sha256() {
  if command -v sha256sum >/dev/null; then sha256sum "$1"; else shasum -a 256 "$1"; fi | cut -d' ' -f1
}

install() {
  local target asset sum version
  target=$(target)
  # "SHA-256  keybound-VERSION-TARGET.tar.gz", as sha256sum writes it
  if [ -n "$target" ] && read -r sum asset < <(grep -- "-$target.tar.gz\$" "$here/checksums.txt"); then
    version=${asset#keybound-}
    version=${version%"-$target.tar.gz"}
    curl --fail --silent --show-error --location --proto '=https' --tlsv1.2 --retry 3 --output "$work/$asset" \
      "https://github.com/keybound/keybound/releases/download/v$version/$asset" || fail "could not download $asset"
    [ "$(sha256 "$work/$asset")" = "$sum" ] || fail "$asset is not what it should be: its SHA-256 differs"
    tar -xzf "$work/$asset" -C "$work"
    keybound=$work/keybound
  else
    command -v cargo >/dev/null || fail "no release for this runner, and no cargo to build one"
    cargo install --locked --quiet --path "$here/.." --root "$work" || fail "keybound could not be built"
    keybound=$work/bin/keybound
  fi
}

# A runner of one's own may have it already.
if [ -n "${KEYBOUND_BINARY:-}" ]; then keybound=$KEYBOUND_BINARY; else install; fi

sarif=$work/keybound.sarif
records=$work/keybound.jsonl
arguments=(scan --format "sarif=$sarif" --format "jsonl=$records" --format "markdown=$work/summary.md" --format github)
case "$KEYBOUND_FAIL_ON" in
  never) arguments+=(--exit-zero) ;;
  critical | high | medium | low | info) arguments+=(--fail-on "$KEYBOUND_FAIL_ON") ;;
  *) fail "fail-on: one of critical, high, medium, low, info, never" ;;
esac
case "$KEYBOUND_HISTORY" in
  "") ;;
  all) arguments+=(--history) ;;
  -*) fail "history: a range such as main..HEAD, or all" ;;
  *..*) arguments+=("--history=$KEYBOUND_HISTORY") ;;
  *) fail "history: a range such as main..HEAD, or all" ;;
esac
if [ -n "$KEYBOUND_CONFIG" ]; then arguments+=("--config=$KEYBOUND_CONFIG"); fi
if [ -n "$KEYBOUND_BASELINE" ]; then arguments+=("--baseline=$KEYBOUND_BASELINE"); fi
if [ "$KEYBOUND_TRUST_REPOSITORY" != true ] && [ -z "$KEYBOUND_CONFIG" ]; then arguments+=(--no-config); fi

code=0
"$keybound" "${arguments[@]}" -- "$KEYBOUND_PATH" || code=$?
cat "$work/summary.md" >>"$GITHUB_STEP_SUMMARY" 2>/dev/null || true

case $code in
  0) verdict=clean ;;
  1) verdict=findings ;;
  *) fail "the scan failed with exit code $code" ;;
esac
case "$KEYBOUND_FAIL_ON" in
  critical) counted='critical' ;;
  high) counted='critical|high' ;;
  medium) counted='critical|high|medium' ;;
  low) counted='critical|high|medium|low' ;;
  *) counted='[a-z]*' ;;
esac
findings=$(grep -Ec "^\{\"type\":\"finding\",[^}]*\"severity\":\"($counted)\"" "$records" || true)
{
  printf 'sarif-file=%s\n' "$sarif"
  printf 'verdict=%s\n' "$verdict"
  printf 'findings=%s\n' "$findings"
} >>"$GITHUB_OUTPUT"
