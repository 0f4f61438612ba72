# One image per service: docker build --target auth|gateway|converter|notifier|all-in-one .
# Each holds its own programs and the libraries that these link, and runs as uid 10001.
FROM debian:bookworm-slim AS build
RUN apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
      build-essential cmake ninja-build pkg-config libmicrohttpd-dev libmongoc-dev librabbitmq-dev \
      libmariadb-dev libjwt-dev libavformat-dev libavcodec-dev libswresample-dev libswscale-dev libavutil-dev \
      libmp3lame-dev libebur128-dev libjansson-dev libsqlite3-dev libcurl4-openssl-dev libargon2-dev \
      libseccomp-dev libssl-dev \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /src
# A LAME for processors with AVX2; on others the loader takes the distribution's.
COPY scripts/lame.sh scripts/source-package.sh scripts/
RUN scripts/lame.sh /out/usr && rm /out/usr.log
COPY CMakeLists.txt CMakePresets.json ./
COPY cmake cmake
COPY shared shared
COPY auth auth
COPY gateway gateway
COPY converter converter
COPY notifier notifier
COPY cli cli
COPY sql sql
RUN cmake --preset release -DCMAKE_INSTALL_PREFIX=/usr && cmake --build --preset release \
    && DESTDIR=/out cmake --install build/release --strip

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

FROM base AS gateway
RUN apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
      libmicrohttpd12 libcurl4 libssl3 libjansson4 libjwt0 libmongoc-1.0-0 libbson-1.0-0 librabbitmq4 libsqlite3-0 ca-certificates \
    && rm -rf /var/lib/apt/lists/*
COPY --from=build /out/usr/bin/unreel-gateway /usr/bin/
RUN ! ldd /usr/bin/unreel* | grep 'not found'
USER 10001:10001
EXPOSE 8080 9102
ENTRYPOINT ["/usr/bin/unreel-gateway"]

FROM base AS converter
# Decoders have bugs every year: an image with an older libavformat than this is not built.
ARG LIBAV_FLOOR=7:5.1.7
RUN apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
      libmicrohttpd12 libcurl4 libssl3 libjansson4 libmongoc-1.0-0 libbson-1.0-0 librabbitmq4 libsqlite3-0 \
      libavformat59 libavcodec59 libswresample4 libswscale6 libavutil57 libmp3lame0 libebur128-1 ca-certificates \
    && rm -rf /var/lib/apt/lists/* \
    && dpkg --compare-versions "$(dpkg-query -W -f='${Version}' libavformat59)" ge "$LIBAV_FLOOR"
COPY --from=build /out/usr/bin/unreel-converter /out/usr/bin/unreel-engine /usr/bin/
COPY --from=build /out/usr/lib/unreel/ /usr/lib/unreel/
RUN ! ldd /usr/bin/unreel* | grep 'not found'
USER 10001:10001
EXPOSE 9103
ENTRYPOINT ["/usr/bin/unreel-converter"]

FROM base AS notifier
RUN apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
      libmicrohttpd12 libcurl4 libssl3 libjansson4 libmongoc-1.0-0 libbson-1.0-0 librabbitmq4 libsqlite3-0 ca-certificates \
    && rm -rf /var/lib/apt/lists/*
COPY --from=build /out/usr/bin/unreel-notifier /usr/bin/
RUN ! ldd /usr/bin/unreel* | grep 'not found'
USER 10001:10001
EXPOSE 9104
ENTRYPOINT ["/usr/bin/unreel-notifier"]

# Everything on the embedded engines: docker run -p 8080:8080 -v unreel:/data unreel
FROM base AS all-in-one
RUN apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
      libmicrohttpd12 libcurl4 libssl3 libjansson4 libjwt0 libmariadb3 libmongoc-1.0-0 libbson-1.0-0 librabbitmq4 libsqlite3-0 libargon2-1 \
      libavformat59 libavcodec59 libswresample4 libswscale6 libavutil57 libmp3lame0 libebur128-1 ca-certificates \
    && rm -rf /var/lib/apt/lists/* \
    && mkdir /data && chown 10001:10001 /data
COPY --from=build /out/usr/bin/ /usr/bin/
COPY --from=build /out/usr/lib/unreel/ /usr/lib/unreel/
RUN ! ldd /usr/bin/unreel* | grep 'not found'
USER 10001:10001
VOLUME /data
EXPOSE 8080
ENTRYPOINT ["/usr/bin/unreel", "serve", "--data", "/data", "--bind", "0.0.0.0"]
