# One image per service, and one of our client: docker build --target auth|gateway|converter|notifier|cli|all-in-one .
# Each holds its own programs and the libraries that these link, and runs as uid 10001 on a read-only root.
# scripts/images.sh builds them with what the labels say filled in.
ARG VERSION=0.1.0
ARG REVISION=unknown
ARG CREATED=1970-01-01T00:00:00Z
ARG SOURCE=

FROM debian:bookworm-slim AS tools
RUN apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
      build-essential cmake ninja-build pkg-config libmicrohttpd-dev libmongoc-dev librabbitmq-dev \
      libmariadb-dev libjwt-dev libmp3lame-dev libebur128-dev libjansson-dev libsqlite3-dev \
      libcurl4-openssl-dev libargon2-dev libseccomp-dev libssl-dev nasm zlib1g-dev libbz2-dev libdav1d-dev \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /src

# A LAME for processors with AVX2; on others the loader takes the distribution's.
FROM tools AS lame
COPY scripts/lame.sh scripts/source-package.sh scripts/
RUN scripts/lame.sh /out/usr && rm -f /out/usr.log

# What the engine needs of libav, static, out of the distribution's sources with its patches.
FROM tools AS libav
# Decoders have bugs every year: no image has an older libav than this. A new floor builds it anew.
ARG LIBAV_FLOOR=7:5.1.7
COPY scripts/libav.sh scripts/source-package.sh scripts/
COPY converter/engine/codecs.c converter/engine/
RUN scripts/libav.sh && dpkg --compare-versions "$(cat build/libav/version)" ge "$LIBAV_FLOOR"

FROM tools AS build
COPY --from=libav /src/build/libav build/libav
COPY CMakeLists.txt CMakePresets.json ./
COPY cmake cmake
COPY sql sql
COPY shared shared
COPY auth auth
COPY gateway gateway
COPY converter converter
COPY notifier notifier
COPY cli cli
ARG VERSION
RUN cmake --preset lean -DCMAKE_INSTALL_PREFIX=/usr -DUNREEL_VERSION="$VERSION" && cmake --build --preset lean \
    && DESTDIR=/out cmake --install build/lean --strip

FROM debian:bookworm-slim AS base
# MongoDB's driver keeps counters for its own tool in /dev/shm, by process id. What a killed process left there makes the
# next one with its id print a line of text into a log of JSON.
ENV MONGOC_DISABLE_SHM=1
RUN groupadd --gid 10001 unreel && useradd --uid 10001 --gid 10001 --no-create-home --shell /usr/sbin/nologin unreel

FROM base AS auth
RUN apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
      libmicrohttpd12 libcurl4 libssl3 libjansson4 libjwt0 libmariadb3 libsqlite3-0 libargon2-1 ca-certificates \
    && rm -rf /var/lib/apt/lists/*
COPY --from=build /out/usr/bin/unreel-auth /usr/bin/
RUN ! ldd /usr/bin/unreel* | grep 'not found'
USER 10001:10001
EXPOSE 5000 9101
ENTRYPOINT ["/usr/bin/unreel-auth"]
ARG VERSION
ARG REVISION
ARG CREATED
ARG SOURCE
LABEL org.opencontainers.image.title="unreel/auth" \
      org.opencontainers.image.description="Unreel: logins, tokens and their keys" \
      org.opencontainers.image.version="$VERSION" org.opencontainers.image.revision="$REVISION" \
      org.opencontainers.image.created="$CREATED" org.opencontainers.image.source="$SOURCE" \
      org.opencontainers.image.licenses="MIT" org.opencontainers.image.base.name="debian:bookworm-slim"

FROM base AS gateway
RUN apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
      libmicrohttpd12 libcurl4 libssl3 libjansson4 libjwt0 libmongoc-1.0-0 libbson-1.0-0 librabbitmq4 libsqlite3-0 ca-certificates \
    && rm -rf /var/lib/apt/lists/*
COPY --from=build /out/usr/bin/unreel-gateway /usr/bin/
RUN ! ldd /usr/bin/unreel* | grep 'not found'
USER 10001:10001
EXPOSE 8080 9102
ENTRYPOINT ["/usr/bin/unreel-gateway"]
ARG VERSION
ARG REVISION
ARG CREATED
ARG SOURCE
LABEL org.opencontainers.image.title="unreel/gateway" \
      org.opencontainers.image.description="Unreel: the HTTP API" \
      org.opencontainers.image.version="$VERSION" org.opencontainers.image.revision="$REVISION" \
      org.opencontainers.image.created="$CREATED" org.opencontainers.image.source="$SOURCE" \
      org.opencontainers.image.licenses="MIT" org.opencontainers.image.base.name="debian:bookworm-slim"

FROM base AS converter
RUN apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
      libmicrohttpd12 libcurl4 libssl3 libjansson4 libmongoc-1.0-0 libbson-1.0-0 librabbitmq4 libsqlite3-0 \
      libdav1d6 libmp3lame0 libebur128-1 ca-certificates \
    && rm -rf /var/lib/apt/lists/*
COPY --from=build /out/usr/bin/unreel-converter /out/usr/bin/unreel-engine /usr/bin/
COPY --from=lame /out/usr/lib/unreel/ /usr/lib/unreel/
RUN ! ldd /usr/bin/unreel* | grep 'not found'
USER 10001:10001
EXPOSE 9103
ENTRYPOINT ["/usr/bin/unreel-converter"]
ARG VERSION
ARG REVISION
ARG CREATED
ARG SOURCE
LABEL org.opencontainers.image.title="unreel/converter" \
      org.opencontainers.image.description="Unreel: makes MP3s of videos, each in a sandbox" \
      org.opencontainers.image.version="$VERSION" org.opencontainers.image.revision="$REVISION" \
      org.opencontainers.image.created="$CREATED" org.opencontainers.image.source="$SOURCE" \
      org.opencontainers.image.licenses="MIT" org.opencontainers.image.base.name="debian:bookworm-slim"

FROM base AS notifier
RUN apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
      libmicrohttpd12 libcurl4 libssl3 libjansson4 libmongoc-1.0-0 libbson-1.0-0 librabbitmq4 libsqlite3-0 ca-certificates \
    && rm -rf /var/lib/apt/lists/*
COPY --from=build /out/usr/bin/unreel-notifier /usr/bin/
RUN ! ldd /usr/bin/unreel* | grep 'not found'
USER 10001:10001
EXPOSE 9104
ENTRYPOINT ["/usr/bin/unreel-notifier"]
ARG VERSION
ARG REVISION
ARG CREATED
ARG SOURCE
LABEL org.opencontainers.image.title="unreel/notifier" \
      org.opencontainers.image.description="Unreel: mails and webhooks" \
      org.opencontainers.image.version="$VERSION" org.opencontainers.image.revision="$REVISION" \
      org.opencontainers.image.created="$CREATED" org.opencontainers.image.source="$SOURCE" \
      org.opencontainers.image.licenses="MIT" org.opencontainers.image.base.name="debian:bookworm-slim"

# Our client, and conversions without a server: docker run --rm -u "$(id -u)" -v "$PWD:/work" unreel/cli convert in.mp4 out.mp3
FROM base AS cli
RUN apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
      libcurl4 libjansson4 librabbitmq4 libsqlite3-0 libdav1d6 libmp3lame0 libebur128-1 ca-certificates \
    && rm -rf /var/lib/apt/lists/*
COPY --from=build /out/usr/bin/unreel /out/usr/bin/unreel-engine /usr/bin/
COPY --from=lame /out/usr/lib/unreel/ /usr/lib/unreel/
RUN ! ldd /usr/bin/unreel* | grep 'not found'
USER 10001:10001
WORKDIR /work
ENTRYPOINT ["/usr/bin/unreel"]
ARG VERSION
ARG REVISION
ARG CREATED
ARG SOURCE
LABEL org.opencontainers.image.title="unreel/cli" \
      org.opencontainers.image.description="Unreel: the command line client and converter" \
      org.opencontainers.image.version="$VERSION" org.opencontainers.image.revision="$REVISION" \
      org.opencontainers.image.created="$CREATED" org.opencontainers.image.source="$SOURCE" \
      org.opencontainers.image.licenses="MIT" org.opencontainers.image.base.name="debian:bookworm-slim"

# Everything on the embedded engines: docker run -p 8080:8080 -v unreel:/data unreel/all-in-one
FROM base AS all-in-one
RUN apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
      libmicrohttpd12 libcurl4 libssl3 libjansson4 libjwt0 libmariadb3 libmongoc-1.0-0 libbson-1.0-0 librabbitmq4 libsqlite3-0 libargon2-1 \
      libdav1d6 libmp3lame0 libebur128-1 ca-certificates \
    && rm -rf /var/lib/apt/lists/* \
    && mkdir /data && chown 10001:10001 /data
COPY --from=build /out/usr/bin/ /usr/bin/
COPY --from=lame /out/usr/lib/unreel/ /usr/lib/unreel/
RUN ! ldd /usr/bin/unreel* | grep 'not found'
USER 10001:10001
VOLUME /data
EXPOSE 8080
ENTRYPOINT ["/usr/bin/unreel", "serve", "--data", "/data", "--bind", "0.0.0.0"]
ARG VERSION
ARG REVISION
ARG CREATED
ARG SOURCE
LABEL org.opencontainers.image.title="unreel/all-in-one" \
      org.opencontainers.image.description="Unreel: all services on embedded engines" \
      org.opencontainers.image.version="$VERSION" org.opencontainers.image.revision="$REVISION" \
      org.opencontainers.image.created="$CREATED" org.opencontainers.image.source="$SOURCE" \
      org.opencontainers.image.licenses="MIT" org.opencontainers.image.base.name="debian:bookworm-slim"
