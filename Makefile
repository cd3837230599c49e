# The commands to remember. `make deps` is the only one that installs anything; those that need
# Postgres, Mosquitto or Python call it, and it returns at once when all is there.

CARGO ?= cargo

.DEFAULT_GOAL := help
.PHONY: help deps test check bench fmt

help: ## show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-8s%s\n", $$1, $$2 }' $(MAKEFILE_LIST)

deps: ## install what tests and benches need (Postgres, Mosquitto, a Python with paho)
	@scripts/deps.sh

test: deps ## run all tests, on private Postgres and Mosquitto servers
	$(CARGO) test --workspace --locked

check: deps ## format, lints, documentation, house rules, licences and advisories
	$(CARGO) fmt --all --check
	scripts/house-rules.sh
	$(CARGO) clippy --workspace --all-targets --locked -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --workspace --no-deps --locked
	CARGO=$(CARGO) scripts/deny.sh

bench: deps ## measure throughput and latency, as ratios
	$(CARGO) bench --package headcount-benches --locked

fmt: ## format the code
	$(CARGO) fmt --all
