# The programs' images, a target each, such as `docker build --target api .`
# `make image` builds all of them, with Docker or buildah, and gives them their labels; docs/images.md
# says what is in them.
#
# A secret has this machine's settings for package indexes (hack/imagebuild/settings.py). It is
# mounted while a command runs, is in no image, and may be left out.

# By tag, for a digest can't be kept right here by hand. For a build that must be the same again, name
# it: --build-arg BASE=debian:trixie-slim@sha256:... (docs/images.md#the-base).
ARG BASE=debian:trixie-slim
FROM ${BASE} AS base
# Python's library is compiled without the times of its files, for buildah sets them to 1970.
RUN --mount=type=secret,id=apt.conf,target=/etc/apt/apt.conf \
    apt-get update \
    && apt-get install --yes --no-install-recommends \
        ca-certificates python-is-python3 python3 tzdata \
    && python3 -m compileall -q -f --invalidation-mode unchecked-hash /usr/lib/python3* \
    && rm -rf /var/lib/apt/lists/* /var/cache/* /var/log/*
ENV PYTHONPATH=/opt/wegent \
    PYTHONSAFEPATH=1 \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1
LABEL org.opencontainers.image.licenses="Apache-2.0"

# The packages of the lock files. The files are complete: resolving again would take newer releases
# into account, and fail. This stage and the next are in no image.
FROM base AS packages
RUN --mount=type=secret,id=apt.conf,target=/etc/apt/apt.conf \
    apt-get update && apt-get install --yes --no-install-recommends python3-venv
WORKDIR /source
COPY requirements-*.lock .
RUN --mount=type=secret,id=pip.conf,target=/etc/pip.conf --mount=type=secret,id=ca.pem \
    set -e; \
    install='/venv/bin/pip install --no-cache-dir --no-compile --no-deps --require-hashes'; \
    python3 -m venv /venv; \
    $install -r requirements-build.lock; \
    /venv/bin/pip check; \
    for program in operator api runner; do \
        out=/out/$program; \
        $install --only-binary=:all: --target $out -r requirements-$program.lock; \
        rm -rf $out/bin; \
        python3 -m compileall -q --invalidation-mode unchecked-hash -s $out -p /opt/wegent $out; \
    done
COPY --from=base /var/lib/dpkg /base/var/lib/dpkg
RUN /venv/bin/debsbom generate --root /base --sbom-type cdx --out /debian

FROM packages AS build
COPY . .
# Wegent's wheel, without the other programs. Installed from a file, it would be named by its place.
RUN set -e; \
    /venv/bin/pip wheel --no-deps --no-build-isolation --wheel-dir /wheels .; \
    for program in operator api runner; do \
        out=/out/wegent-$program; \
        /venv/bin/pip install --no-compile --no-deps --no-index --find-links /wheels \
            --target $out wegent; \
        for unused in bin wegent_operator wegent_api wegent_runner; do \
            [ $unused = wegent_$program ] || rm -r $out/$unused; \
        done; \
        python3 -m compileall -q --invalidation-mode unchecked-hash -s $out -p /opt/wegent $out; \
    done
# The bills of materials, with Python's packages and Debian's: cyclonedx-py follows dependencies
# from a project that needs Wegent. The serial number is the same for the same packages.
ARG SOURCE_DATE_EPOCH=0
RUN set -e; \
    version=$(ls /wheels | cut -d- -f2); \
    uuid='import sys, uuid; print(uuid.uuid5(uuid.NAMESPACE_OID, sys.stdin.read()))'; \
    for program in operator api runner; do \
        out=/out/wegent-$program; \
        printf '[project]\nname = "%s"\nversion = "%s"\ndependencies = ["wegent[%s]"]\n' \
            wegent-$program $version $program > /image.toml; \
        PYTHONPATH=/out/$program:$out /venv/bin/cyclonedx-py environment -S --no-validate \
            --output-reproducible --pyproject /image.toml --output-file /python.cdx.json \
            /usr/bin/python3; \
        /venv/bin/debsbom merge --sbom-type cdx --omit-roots --out $out/sbom \
            --distro-name wegent-$program --distro-version $version \
            --timestamp $(date --utc --date=@$SOURCE_DATE_EPOCH +%FT%TZ) \
            --cdx-serialnumber $(cat /base/var/lib/dpkg/status /python.cdx.json | python3 -c "$uuid") \
            /debian.cdx.json /python.cdx.json; \
    done

FROM scratch AS bills
COPY --from=build /out/wegent-operator/sbom.cdx.json /wegent-operator.cdx.json
COPY --from=build /out/wegent-api/sbom.cdx.json /wegent-api.cdx.json
COPY --from=build /out/wegent-runner/sbom.cdx.json /wegent-runner.cdx.json

FROM base AS operator
LABEL org.opencontainers.image.title="Wegent operator" \
    org.opencontainers.image.description="Wegent operator: AI agents as Kubernetes resources"
COPY --from=packages /out/operator /opt/wegent
COPY --from=build /out/wegent-operator /opt/wegent
ENV WEGENT_OPERATOR_LISTEN_HOST=0.0.0.0
EXPOSE 8081
USER 65532:65532
ENTRYPOINT ["python3", "-m", "wegent_operator"]

FROM base AS api
LABEL org.opencontainers.image.title="Wegent API proxy" \
    org.opencontainers.image.description="Wegent API proxy: AI agents as Kubernetes resources"
COPY --from=packages /out/api /opt/wegent
COPY --from=build /out/wegent-api /opt/wegent
ENV WEGENT_API_HOST=0.0.0.0
EXPOSE 8000
USER 65532:65532
ENTRYPOINT ["python3", "-m", "wegent_api"]

FROM base AS runner
LABEL org.opencontainers.image.title="Wegent runner" \
    org.opencontainers.image.description="Wegent runner: AI agents as Kubernetes resources"
COPY --from=packages /out/runner /opt/wegent
COPY --from=build /out/wegent-runner /opt/wegent
ENV WEGENT_RUNNER_LISTEN_HOST=0.0.0.0
EXPOSE 8082
USER 65532:65532
ENTRYPOINT ["python3", "-m", "wegent_runner"]
