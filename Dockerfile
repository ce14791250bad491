# The platform: every program of `taxi up`, one a container. Build it in a clean checkout:
#   docker build --build-arg REVISION="$(git rev-parse HEAD)" -t taxi-assets .
# The root is read-only in use. Two folders are written to: /data, the home, and /tmp.
FROM python:3.11.13-slim-bookworm AS build

WORKDIR /app
COPY requirements.lock deploy/image/requirements.lock ./image/
# uv comes from the same hashed lock and stays out of the image, as do pip and the build backend's wheel.
# Bytecode is valid without its source's time, which copying from one stage to the other may round.
ENV PYC_INVALIDATION_MODE=UNCHECKED_HASH
# hadolint ignore=DL3013
RUN python3 -m venv /opt/venv \
 && awk '/^[^ ]/ {wanted = /^uv==/} wanted' image/requirements.lock > /tmp/uv.txt \
 && /opt/venv/bin/python -m pip install --no-cache-dir --quiet --require-hashes --no-deps --requirement /tmp/uv.txt \
 && VIRTUAL_ENV=/opt/venv /opt/venv/bin/uv pip install --no-cache --quiet --system-certs --link-mode copy \
      --require-hashes --no-deps --compile-bytecode --requirement image/requirements.lock
COPY pyproject.toml README.md LICENSE workspace.yaml requirements.lock ./
COPY taxi_assets ./taxi_assets
COPY bento ./bento
ARG REVISION=unknown
RUN VIRTUAL_ENV=/opt/venv /opt/venv/bin/uv pip install --no-cache --quiet --offline --no-deps --no-build-isolation \
      --compile-bytecode --editable . \
 && /opt/venv/bin/python -m compileall -q --invalidation-mode unchecked-hash taxi_assets bento \
 && /opt/venv/bin/python -m pip uninstall --quiet --yes uv wheel \
 && /opt/venv/bin/python -m pip uninstall --quiet --yes pip \
 && for package in pandas scipy sklearn pyarrow; do \
      find /opt/venv/lib/python3*/site-packages/$package -depth -type d -name tests -exec rm -rf {} + ; done \
 && rm -rf image build \
 && printf '%s\n' "$REVISION" > COMMIT

FROM python:3.11.13-slim-bookworm

LABEL org.opencontainers.image.title="taxi-assets" \
      org.opencontainers.image.licenses="Apache-2.0"
RUN useradd --no-log-init --uid 10001 --user-group --no-create-home --shell /usr/sbin/nologin taxi \
 && install --directory --owner=taxi --group=taxi /data
COPY --from=build /opt/venv /opt/venv
COPY --from=build /app /app
WORKDIR /app
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    HOME=/tmp \
    MPLCONFIGDIR=/tmp/matplotlib \
    TAXI_HOME=/data \
    HEALTH_URL=http://127.0.0.1:3001/readyz
VOLUME ["/data"]
EXPOSE 3000 3001 3002 5000
USER 10001:10001
# The programs' addresses differ: set HEALTH_URL for another than the Bento.
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 \
  CMD ["python", "-c", "import os, urllib.request as r; r.urlopen(os.environ['HEALTH_URL'], timeout=4).close()"]
ENTRYPOINT ["taxi"]
CMD ["serve", "bento"]
