#!/bin/sh
# Install into /opt/regard what these arguments of pip ask for, less what serving never uses.
set -eu
PIP_PYTHON=/opt/regard/bin/python
PIP_ROOT_USER_ACTION=ignore
export PIP_PYTHON PIP_ROOT_USER_ACTION

pip install --no-cache-dir --no-compile "$@"

# By these tokenizers would download from a hub: the service connects to nobody.
pip uninstall -y huggingface-hub hf-xet filelock fsspec httpcore2 httpx2 pyyaml tqdm truststore

find /opt/regard/lib -type d -name tests -prune -exec rm -rf {} +

# The runtime for C programs; Python has one of its own.
find /opt/regard/lib -name 'libonnxruntime.so*' -delete
