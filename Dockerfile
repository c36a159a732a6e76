# One image for both services of compose.yaml: the program, nginx with its site and pages, the starter model, the roles, and
# the libraries that these need; no shell, no package manager. docs/OPERATIONS.md says how to run it.

FROM swift:6.3-bookworm AS build
RUN apt-get update -qq && apt-get install -y -qq --no-install-recommends libfcgi-dev pkg-config
WORKDIR /build
COPY Package.swift ./
COPY Sources Sources
COPY Tests Tests
COPY packaging/dev/common.sh packaging/dev/
RUN bash -ec '. packaging/dev/common.sh; build_release' && strip -o /qwen-all-in-one .build/release/qwen-all-in-one

FROM debian:bookworm-slim AS files
RUN apt-get update -qq && apt-get install -y -qq --no-install-recommends libfcgi0ldbl nginx
COPY --from=build /qwen-all-in-one /usr/bin/
COPY packaging/container/gather.sh /
RUN /gather.sh /image /usr/bin/qwen-all-in-one /usr/sbin/nginx
COPY models/starter.gguf /image/usr/share/qwen-all-in-one/
COPY roles /image/etc/qwen-all-in-one/roles
COPY www /image/usr/share/qwen-all-in-one/www
COPY nginx/snippets /image/etc/nginx/qwen-all-in-one
COPY packaging/container/nginx.conf /image/etc/nginx/
COPY LICENSE models/MODEL_CARD.md /image/usr/share/doc/qwen-all-in-one/

FROM scratch
COPY --from=files /image /
# Of both services; the responder's sockets are for its group, which the web server shares.
USER 10001:10001
CMD ["/usr/bin/qwen-all-in-one", "serve", "--model", "/usr/share/qwen-all-in-one/starter.gguf", \
     "--roles", "/etc/qwen-all-in-one/roles", "--state", "/var/lib/qwen-all-in-one", \
     "--socket", "/run/qwen-all-in-one/main.sock", "--ops-socket", "/run/qwen-all-in-one/ops.sock"]
