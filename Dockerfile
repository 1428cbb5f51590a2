# The service as a container image.
#
#   docker build -t avr-sts-speechmatics .
#       hears and speaks with Speechmatics; needs SPEECHMATICS_API_KEY
#   docker build -t avr-sts-speechmatics:sandbox --target sandbox .
#       works offline too: the models are inside, so it is bigger
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
    && pip --python /opt/avr-sts-speechmatics/bin/python install --require-hashes -r locks/core.txt
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
    && install --directory --mode 1777 /var/cache/avr-sts-speechmatics
ENV HOST=0.0.0.0 \
    PATH=/opt/avr-sts-speechmatics/bin:$PATH \
    PHRASE_CACHE_DIR=/var/cache/avr-sts-speechmatics \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
# Compose hands the volume on to the next container.
VOLUME /var/cache/avr-sts-speechmatics
WORKDIR /home/avr
USER 10001:10001
EXPOSE 6040 6033 5001 6001
# Ready means: a call can be taken now. While it drains, or its sandbox restarts, it is not.
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request as r; r.urlopen('http://127.0.0.1:%s/ready' % (os.environ.get('PORT') or 6040), timeout=2)"]
# The service is process 1 itself, so SIGTERM reaches it: running calls may go on for DRAIN_S (20 s).
# Docker waits 10 s unless told otherwise: docker stop -t 30, or stop_grace_period in compose.
ENTRYPOINT ["avr-sts-speechmatics"]
CMD ["serve"]

FROM runtime AS sandbox
COPY --from=build-sandbox /opt/avr-sts-speechmatics /opt/avr-sts-speechmatics

FROM runtime AS service
COPY --from=build /opt/avr-sts-speechmatics /opt/avr-sts-speechmatics
