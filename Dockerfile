# Airflow with Release Watch installed: one image for the api-server, scheduler, dag-processor, triggerer and workers.
ARG AIRFLOW_VERSION=3.3.2
ARG PYTHON_VERSION=3.12
ARG PROMETHEUS_VERSION=v3.5.0
ARG ALERTMANAGER_VERSION=v0.28.1

FROM prom/prometheus:${PROMETHEUS_VERSION} AS prometheus
FROM prom/alertmanager:${ALERTMANAGER_VERSION} AS alertmanager

# The slim image: Airflow's core only, so that constraints.txt decides every other version.
FROM apache/airflow:slim-${AIRFLOW_VERSION}-python${PYTHON_VERSION}

# Rules and alert routes are checked with the programs that will run them.
COPY --from=prometheus /bin/promtool /usr/local/bin/promtool
COPY --from=alertmanager /bin/amtool /usr/local/bin/amtool

USER root
# A volume that is mounted here for the first time takes over this owner.
RUN install -d -o airflow -g 0 -m 0775 \
        /opt/release_watch \
        /opt/airflow/auth \
        /var/lib/release-watch/artifacts \
        /var/lib/release-watch/dashboards \
        /var/lib/release-watch/evidence \
        /var/lib/release-watch/rules
USER airflow

WORKDIR /opt/release_watch
COPY --chown=airflow:0 requirements.txt constraints.txt ./
RUN pip install --no-cache-dir -r requirements.txt -c constraints.txt

COPY --chown=airflow:0 pyproject.toml README.md ./
COPY --chown=airflow:0 include ./include
COPY --chown=airflow:0 scripts ./scripts
RUN pip install --no-cache-dir --no-deps --editable . \
    && python -c "import release_watch"

COPY --chown=airflow:0 dags /opt/airflow/dags
COPY --chown=airflow:0 plugins /opt/airflow/plugins

ENV RELEASE_WATCH_CONFIG=/opt/release_watch/include/config \
    RELEASE_WATCH_ARTIFACT_ROOT=file:///var/lib/release-watch/artifacts \
    GX_ANALYTICS_ENABLED=false

WORKDIR /opt/airflow
