FROM rust:1.95-slim-bookworm AS build
# That of the image, whatever rust-toolchain.toml would fetch.
ENV RUSTUP_TOOLCHAIN=1.95.0
# The C compiler is for SQLite and for the cryptography of TLS.
RUN apt-get update \
    && apt-get install -y --no-install-recommends gcc libc6-dev make python3 \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY release release
RUN release/sbom.sh tool
# First the dependencies with an empty program: this layer is built again only when they change.
COPY Cargo.toml Cargo.lock Makefile ./
COPY crates/port/Cargo.toml crates/port/
COPY crates/providers/Cargo.toml crates/providers/
COPY crates/simulator/Cargo.toml crates/simulator/
COPY crates/sandbox/Cargo.toml crates/sandbox/
RUN mkdir -p src tests/suite/proof benches/budgets benches/growth \
        crates/port/src crates/providers/src crates/simulator/src crates/sandbox/src \
    && echo 'fn main() {}' | tee src/main.rs > crates/sandbox/src/main.rs \
    && touch src/lib.rs crates/port/src/lib.rs crates/providers/src/lib.rs crates/simulator/src/lib.rs tests/suite/main.rs tests/suite/proof/main.rs \
        benches/budgets/main.rs benches/growth/main.rs \
    && make release \
    && rm -rf src tests benches crates
COPY . .
# The empty program is newer than the real sources, so cargo has to be told that they changed.
RUN touch src/main.rs src/lib.rs crates/*/src/*.rs && make release && make sbom

FROM build AS build-sandbox
RUN make release-sandbox

FROM debian:bookworm-slim AS base
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates \
    && rm -rf /var/lib/apt/lists/* \
    && groupadd --system --gid 10001 guichet \
    && useradd --system --uid 10001 --gid 10001 --home-dir /var/lib/guichet --no-create-home --shell /usr/sbin/nologin guichet \
    && install -d -o 10001 -g 10001 -m 0700 /var/lib/guichet
COPY LICENSE /usr/share/doc/guichet/LICENSE
USER 10001:10001
# The only place that is written to: relative store addresses (sqlite://guichet.db) are in it.
WORKDIR /var/lib/guichet
VOLUME ["/var/lib/guichet"]
# Outside loopback, else the port could not be published. It goes over server.listen of a file. Probes and metrics stay
# on loopback until GUICHET__SERVER__OPS_LISTEN says otherwise.
ENV GUICHET__SERVER__LISTEN=0.0.0.0:8080
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s --retries=3 CMD ["guichet", "health"]
COPY --from=build /src/target/release/guichet /usr/local/bin/guichet

# The service with simulated platforms: docker build --target sandbox.
FROM base AS sandbox
COPY --from=build-sandbox /src/target/release/guichet-sandbox /usr/local/bin/guichet-sandbox
EXPOSE 8090
ENTRYPOINT ["guichet-sandbox"]

# The service. It is the last, so it is what `docker build` makes.
FROM base AS guichet
# What it is made of, for whoever looks for known faults.
COPY --from=build /src/target/guichet.cdx.json /usr/share/doc/guichet/guichet.cdx.json
ENTRYPOINT ["guichet"]
CMD ["serve"]
