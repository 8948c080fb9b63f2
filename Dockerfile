# docker run -e ONEHOP_UPSTREAM=http://app:8000 -p 8080:8080 onehop
#
# BASE_IMAGE needs Python 3.11 or later, with venv. BUILD_IMAGE needs the same Python, at the same path, with its headers,
# and a C compiler.
ARG BASE_IMAGE=python:3.13-slim
ARG BUILD_IMAGE=python:3.13

FROM ${BUILD_IMAGE} AS build
# Read by pip. Empty they change nothing; behind a mirror: --build-arg PIP_INDEX_URL=...
ARG PIP_INDEX_URL=""
ARG PIP_NO_INDEX=""
ARG PIP_FIND_LINKS=""
WORKDIR /src
COPY pyproject.toml README.md LICENSE ./
COPY proxy proxy
# The modules of the hot path become C; where that fails, so does the build.
ENV HATCH_BUILD_HOOK_ENABLE_MYPYC=1
# pip compiles what it installs, then leaves: the image that runs installs nothing.
RUN python3 -m venv /opt/onehop \
    && /opt/onehop/bin/pip install --no-cache-dir --disable-pip-version-check '.[auth,otlp]' \
    && /opt/onehop/bin/pip uninstall --yes --quiet pip

FROM ${BASE_IMAGE}
LABEL org.opencontainers.image.title="onehop" \
    org.opencontainers.image.description="An HTTP/1.1 reverse proxy in which a header that belongs to one hop never survives it" \
    org.opencontainers.image.licenses="MIT"
COPY --from=build /opt/onehop /opt/onehop
COPY config/onehop.toml /etc/onehop/onehop.toml
# No bytecode is written: the root file system may be read-only.
ENV PATH=/opt/onehop/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    ONEHOP_CONFIG=/etc/onehop/onehop.toml
# A number, so that Kubernetes can see that it is not root; no account of the base image has it.
USER 10001:10001
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=5s CMD ["onehop", "health"]
ENTRYPOINT ["onehop"]
CMD ["run"]
