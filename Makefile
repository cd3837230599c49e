# The commands to remember. `make deps` is the only one that installs anything; those that need
# Postgres, Mosquitto, Node, Chromium or Python call it, and it returns at once when all is there.

CARGO ?= cargo
NPM ?= npm

.DEFAULT_GOAL := help
.PHONY: help demo clean-demo deps web test soak check bench screenshots fmt

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-12s%s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: ## everything on this machine: a simulated fleet, the page, staged outages
	@scripts/deps.sh demo
	@$(MAKE) --no-print-directory web
	@[ -x "$${CARGO_TARGET_DIR:-target}/release/headcount" ] || \
		echo "building headcount for the first time: about 7 minutes on two cores"
	@$(CARGO) build --release --locked --package headcount
	@$(CARGO) run --quiet --release --locked --package headcount -- demo $(ARGS)

clean-demo: ## remove what the demo has kept
	@$(CARGO) run --quiet --release --locked --package headcount -- demo clean

deps: ## install what is needed here (Postgres, Mosquitto, Node, Chromium, a Python with paho)
	@scripts/deps.sh

# What the page is made of, so that it is built again when something of it has changed.
WEB_SOURCES := $(shell find web -path web/node_modules -prune -o -path web/dist -prune -o -type f -print)

web: web/dist/index.html ## build the page, which cargo then embeds
	@:

web/node_modules/.package-lock.json: web/package-lock.json
	@echo "installing what the page is built with (half a minute)"
	@cd web && $(NPM) ci --no-audit --no-fund --loglevel=error
	@touch $@

web/dist/index.html: web/node_modules/.package-lock.json $(WEB_SOURCES)
	@echo "building the page (ten seconds)"
	@cd web && $(NPM) run --silent build -- --logLevel warn
	@touch $@

test: deps web ## run all tests, on private Postgres and Mosquitto servers, and in a real browser
	$(CARGO) test --workspace --locked
	cd web && $(NPM) run --silent test
	cd web && $(NPM) run --silent test:browser

# The parts are listed where they are described: in the first lines of tests/soak/main.rs.
soak: deps ## long proofs: `make soak` lists them, `make soak PART=million` runs one, PERCENT=10 a small one
ifeq ($(PART),)
	@sed -n 's/^\/\/! - `\([a-z_]*\)`: /  \1\t/p' tests/soak/main.rs
else
	@$(CARGO) build --quiet --release --locked --package headcount
	@HEADCOUNT_SOAK_PERCENT=$(or $(PERCENT),100) $(CARGO) test --quiet --locked --package headcount-tests \
		--test soak -- --ignored --nocapture $(PART)
endif

check: deps web ## format, lints, documentation, house rules, licences and advisories
	$(CARGO) fmt --all --check
	scripts/house-rules.sh
	$(CARGO) clippy --workspace --all-targets --locked -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --workspace --no-deps --locked
	cd web && $(NPM) run --silent check && $(NPM) run --silent check:compose
	CARGO=$(CARGO) scripts/deny.sh

bench: ## measure throughput, memory and processor time, side by side; PART=backlog or PART=chart for one part
	@scripts/deps.sh bench
	$(CARGO) bench --package headcount-benches --locked -- $(PART)

screenshots: deps web ## take the pictures of the README from a demo of their own
	@$(CARGO) build --release --locked --package headcount
	cd web && HEADCOUNT=../target/release/headcount node e2e/pictures.mjs ../docs/images

fmt: ## format the code
	$(CARGO) fmt --all
	cd web && $(NPM) run --silent format
