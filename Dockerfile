# syntax=docker/dockerfile:1

# The build half: embeds the content. torch and the model stay in this stage.
FROM python:3.13-slim-trixie AS build
SHELL ["/bin/bash", "-euo", "pipefail", "-c"]
WORKDIR /srv/assistant
COPY pyproject.toml README.md LICENSE ./
COPY scripts/lib.sh scripts/build_index scripts/
COPY app app
# A layer of its own, so that an edited scenario does not install torch again.
RUN . scripts/lib.sh && install_extras build
COPY content content
# What the build is fitted on.
COPY evaluation/fit evaluation/fit
RUN scripts/build_index && rm -r index/.cache

# The serve half: the index and what answers from it.
FROM python:3.13-slim-trixie AS serve
WORKDIR /srv/assistant
COPY pyproject.toml README.md LICENSE ./
COPY app app
RUN python -m venv .venv && .venv/bin/pip install --no-cache-dir --quiet --editable ".[slack]"
COPY --from=build /srv/assistant/index index
# The figures that /about shows.
COPY evaluation/accepted.json evaluation/accepted.json
RUN mkdir data && chown 10001:10001 data
VOLUME /srv/assistant/data
USER 10001:10001
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s \
    CMD [".venv/bin/python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:8000/health/live', timeout=2)"]
CMD [".venv/bin/scenarios", "serve", "--host", "0.0.0.0", "--port", "8000"]
