#!/usr/bin/env bash
# Fails the job if the scan found something, or did not work: last, so that everything has been uploaded by then.
set -euo pipefail

case "$KEYBOUND_VERDICT" in
  clean) echo "keybound: nothing at or above $KEYBOUND_FAIL_ON" ;;
  findings)
    echo "keybound: findings at or above $KEYBOUND_FAIL_ON ($KEYBOUND_FINDINGS); see the summary"
    exit 1
    ;;
  *)
    echo "keybound: the scan did not work; see its step"
    exit 2
    ;;
esac
