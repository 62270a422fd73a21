# The importer as a job: docker build -t customer-importer .
#   docker run --rm customer-importer demo
#   docker run --rm -e VEVEE_API_KEY -v "$PWD":/work:ro -v importer-state:/data customer-importer run people.toml
# Lists and configurations are mounted at /work; the state between runs is kept on the volume /data.

FROM python:3.13-slim AS build
WORKDIR /source
COPY requirements.lock .
RUN python -m venv /opt/importer \
    && /opt/importer/bin/python -m pip install --no-cache-dir --require-hashes -r requirements.lock
COPY pyproject.toml README.md LICENSE ./
COPY importer importer
COPY config config
COPY samples samples
RUN /opt/importer/bin/python -m pip install --no-cache-dir --no-deps --no-build-isolation . \
    && /opt/importer/bin/python -m pip uninstall --yes pip

FROM python:3.13-slim
RUN useradd --uid 10001 --create-home importer \
    && install -d -o importer -g importer -m 700 /data
COPY --from=build /opt/importer /opt/importer
ENV PATH="/opt/importer/bin:$PATH" \
    IMPORTER_STATE_DIR=/data/state \
    PYTHONUNBUFFERED=1
# A number, so that Kubernetes can tell that it is not root.
USER 10001
WORKDIR /work
VOLUME /data
# SIGTERM ends a run after the calls in flight, so the importer is process 1 and no shell stands before it.
STOPSIGNAL SIGTERM
ENTRYPOINT ["importer"]
CMD ["--help"]
