# The service as a container image (docs/containers.md). Targets: gpu, and cpu, the default.

# May carry a digest, as ...-bookworm@sha256:...
ARG BASE=docker.io/library/python:3.11-slim-bookworm

FROM ${BASE} AS environment
RUN ["python", "-m", "venv", "--without-pip", "/opt/regard"]
WORKDIR /build

# What is asked for, alone: whatever else changes in pyproject.toml, nothing is installed anew.
FROM environment AS requirements
COPY deploy/image/requirements.py pyproject.toml ./
RUN python requirements.py cpu otel > cpu.txt && python requirements.py gpu otel > gpu.txt

FROM environment AS cpu-packages
COPY deploy/image/install.sh constraints.txt ./
COPY --from=requirements /build/cpu.txt ./
RUN ["sh", "install.sh", "-c", "constraints.txt", "-r", "cpu.txt"]

FROM environment AS gpu-packages
COPY deploy/image/install.sh deploy/image/constraints-gpu.txt constraints.txt ./
COPY --from=requirements /build/gpu.txt ./
RUN ["sh", "install.sh", "-c", "constraints.txt", "-c", "constraints-gpu.txt", "-r", "gpu.txt"]

FROM environment AS code
COPY pyproject.toml README.md LICENSE regard.py ./
COPY export export
COPY model model
COPY service service
RUN ["pip", "--python", "/opt/regard/bin/python", "install", "--no-cache-dir", "--no-compile", "--no-deps", "."]

FROM ${BASE} AS bundles
COPY bundles /bundles

# What has no fp16 would keep a service on a GPU from starting.
FROM bundles AS gpu-bundles
RUN ["sh", "-c", "for each in /bundles/*/; do test -e $each/model.fp16.onnx || rm -r $each; done"]

# A CPU gains nothing by fp16.
FROM bundles AS cpu-bundles
RUN ["find", "/bundles", "-name", "*.fp16.onnx", "-delete"]

FROM ${BASE} AS service
RUN ["mkdir", "/models"]
COPY deploy/image/ready.py /opt/ready.py
ENV PATH=/opt/regard/bin:$PATH \
    ORT_DISABLE_TELEMETRY=1 \
    REGARD_BUNDLES=/models:/opt/bundles \
    REGARD_HOST=0.0.0.0 \
    REGARD_LOG_FORMAT=json
LABEL org.opencontainers.image.title="Regard" \
      org.opencontainers.image.description="Self-attention as a service" \
      org.opencontainers.image.licenses="Apache-2.0 AND CC-BY-SA-3.0 AND CC-BY-SA-4.0"
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s CMD ["python", "/opt/ready.py"]
ENTRYPOINT ["regard"]
CMD ["serve"]

# What is imported is compiled here, as a container cannot write; the rest would be but large.
FROM service AS gpu
COPY --from=gpu-packages /opt/regard /opt/regard
COPY --from=gpu-bundles /bundles /opt/bundles
COPY --from=code /opt/regard /opt/regard
RUN regard models && python -c "import http.client, service.offline, service.server, service.tracing"
ENV REGARD_DEVICE=cuda \
    NVIDIA_VISIBLE_DEVICES=all \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility
USER 10001:10001

FROM service AS cpu
COPY --from=cpu-packages /opt/regard /opt/regard
COPY --from=cpu-bundles /bundles /opt/bundles
COPY --from=code /opt/regard /opt/regard
RUN regard models && python -c "import http.client, service.offline, service.server, service.tracing"
USER 10001:10001
