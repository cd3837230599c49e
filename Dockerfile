# syntax=docker/dockerfile:1
# One image for every role: docker build -t headcount .

# --- The page ---

FROM node:22-bookworm-slim AS web
WORKDIR /src/web
# Dependencies first: they change less often than the page, and so stay in a layer of their own. The
# page's types are checked against the description of the API, which lies beside it.
COPY web/package.json web/package-lock.json ./
RUN --mount=type=cache,target=/root/.npm npm ci --no-audit --no-fund
COPY crates/api/openapi.json /src/crates/api/openapi.json
COPY web/ ./
RUN npm run build

# --- The binary ---

FROM rust:1.95-bookworm AS build
WORKDIR /src
COPY . .
COPY --from=web /src/web/dist web/dist
# Downloads and compiled dependencies are kept in caches of the builder rather than in layers: a
# changed manifest compiles what changed, not everything again. A cache is no part of the image, so
# the binary is copied out in the same step.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo build --locked --release -p headcount \
    && install -D target/release/headcount /out/headcount

# --- What runs ---

# Only what the binary links and trusts: glibc, libgcc, the authorities of the Web (TLS to Postgres and
# to brokers), a user without rights. No shell and no package manager: nothing for an intruder to use.
# Of the same Debian as the builder, so that the C library fits.
FROM gcr.io/distroless/cc-debian12:nonroot
LABEL org.opencontainers.image.title="headcount" \
      org.opencontainers.image.description="Counts, exactly, how many devices reached you in each hour, per country and carrier" \
      org.opencontainers.image.licenses="MIT OR Apache-2.0"
COPY LICENSE-APACHE LICENSE-MIT /usr/share/doc/headcount/
# The licence of the fonts in the binary.
COPY crates/api/fonts/OFL.txt /usr/share/doc/headcount/fonts-OFL.txt
COPY --from=build --chown=0:0 --chmod=0755 /out/headcount /usr/local/bin/headcount
# The image's user by number, so that an orchestrator can see that it is not root.
USER 65532:65532
# Where a headcount.toml is looked for: mount one here, or set variables.
WORKDIR /etc/headcount
# The API; the probes of roles without it, where they are set (HEADCOUNT_API__PROBES_LISTEN).
EXPOSE 8080 8081
# Whether the process lives. It asks where the configuration says that it listens.
HEALTHCHECK --interval=15s --timeout=5s --start-period=20s --retries=3 \
    CMD ["/usr/local/bin/headcount", "health"]
ENTRYPOINT ["/usr/local/bin/headcount"]
CMD ["--help"]
