# make test   format, lints, all tests (what continuous integration runs)
# make docs   docs/ and the README's table, rendered from the rule files
# make fuzz   every fuzz target for a minute
# make sieve  which words share a bucket of the prefilter, worked out anew: SAMPLES="files of logs and source code"
# make bench  speed against ripgrep, and quality on a labelled set

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c

.PHONY: test docs fuzz sieve bench quality

test:
	rustup component list --installed 2>/dev/null | grep -q rustfmt || rustup component add rustfmt clippy
	cargo fmt --check
	cargo clippy --locked --all-targets -- -D warnings
	tests/oracle/install.sh
	KEYBOUND_ORACLE=1 cargo test --locked
	cargo build --locked --release
	./target/release/keybound rules check
	./target/release/keybound scan .
	python3 -B tests/packaging --bin target/release/keybound
	@if command -v python3 >/dev/null; then python3 -B benches/quality --bin target/release/keybound | tail -n 20; \
	else echo "python3 is not installed: the quality benchmark is left out"; fi

docs:
	cargo run --locked --quiet -- rules docs docs --table README.md

fuzz:
	@command -v cargo-fuzz >/dev/null || cargo install cargo-fuzz --locked
	for target in $$(cd fuzz && RUSTC_BOOTSTRAP=1 cargo fuzz list); do \
		RUSTC_BOOTSTRAP=1 cargo fuzz run $$target -- -max_total_time=60 || exit 1; done

sieve:
	KEYBOUND_SAMPLES="$(SAMPLES)" cargo test --locked --test sieve -- --ignored

quality:
	cargo build --locked --release
	python3 -B benches/quality --bin target/release/keybound

bench: quality
	python3 -B benches/speed.py --bin target/release/keybound
