FROM rust:1.95-slim-bookworm AS build
# The C compiler is for SQLite and for the cryptography of TLS.
RUN apt-get update \
    && apt-get install -y --no-install-recommends gcc libc6-dev make python3 \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY release release
RUN release/sbom.sh tool
# First the dependencies with an empty program: this layer is built again only when they change.
COPY Cargo.toml Cargo.lock Makefile ./
RUN mkdir -p src tests/suite/proof benches/budgets \
    && echo 'fn main() {}' > src/main.rs \
    && touch src/lib.rs tests/suite/main.rs tests/suite/proof/main.rs benches/budgets/main.rs \
    && make release \
    && rm -rf src tests benches
COPY . .
# The empty program is newer than the real sources, so cargo has to be told that they changed.
RUN touch src/main.rs src/lib.rs && make release && make sbom

FROM debian:bookworm-slim
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates \
    && rm -rf /var/lib/apt/lists/* \
    && groupadd --system --gid 10001 guichet \
    && useradd --system --uid 10001 --gid 10001 --home-dir /var/lib/guichet --no-create-home --shell /usr/sbin/nologin guichet \
    && install -d -o 10001 -g 10001 -m 0700 /var/lib/guichet
COPY --from=build /src/target/release/guichet /usr/local/bin/guichet
COPY LICENSE /usr/share/doc/guichet/LICENSE
# What it is made of, for whoever looks for known faults.
COPY --from=build /src/target/guichet.cdx.json /usr/share/doc/guichet/guichet.cdx.json
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
ENTRYPOINT ["guichet"]
# Named, so that an image without a configuration says so instead of starting the sandbox.
CMD ["serve"]
