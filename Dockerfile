# Both programs' images, a target each: `docker build --target api .` and `--target operator .`
# `make image` builds both, gives them their labels, and makes the same without Docker;
# docs/images.md says what is in them. tests/hack/imagebuild compares this file with hack/imagebuild.

# By tag, for a digest can't be kept right here by hand. Where builds must be the same again, name
# it: --build-arg BASE=debian:trixie-slim@sha256:... (docs/images.md#the-base).
ARG BASE=debian:trixie-slim
FROM ${BASE} AS base
RUN apt-get update \
    && apt-get install --yes --no-install-recommends \
        ca-certificates python-is-python3 python3 tzdata \
    && rm -rf /var/lib/apt/lists/* /var/cache/* /var/log/*
ENV PYTHONPATH=/opt/wegent \
    PYTHONSAFEPATH=1 \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1
LABEL org.opencontainers.image.licenses="Apache-2.0"

# What installs and builds stays here.
FROM base AS build
RUN apt-get update && apt-get install --yes --no-install-recommends python3-venv
WORKDIR /source
COPY requirements.lock .
ENV PYTHONSAFEPATH=
# The lock file is complete. Resolving again would take newer releases into account, and fail.
RUN python3 -m venv /venv \
    && /venv/bin/pip install --no-cache-dir --no-deps --require-hashes -r requirements.lock \
    && /venv/bin/pip check
COPY . .
ARG SOURCE_DATE_EPOCH=0
RUN for program in operator api; do \
        PYTHONPATH=hack /venv/bin/python -m imagebuild.stage $program /out/$program || exit 1; \
    done

FROM base AS operator
LABEL org.opencontainers.image.title="Wegent operator"
COPY --from=build /out/operator /opt/wegent
ENV WEGENT_OPERATOR_LISTEN_HOST=0.0.0.0
EXPOSE 8081
USER 65532:65532
ENTRYPOINT ["python3", "-m", "wegent_operator"]

FROM base AS api
LABEL org.opencontainers.image.title="Wegent API proxy"
COPY --from=build /out/api /opt/wegent
ENV WEGENT_API_HOST=0.0.0.0
EXPOSE 8000
USER 65532:65532
ENTRYPOINT ["python3", "-m", "wegent_api"]
