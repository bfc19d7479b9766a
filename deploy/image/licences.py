"""Print the Python packages of this environment as docs/licences.md.

docker run -i --rm --entrypoint python regard - < deploy/image/licences.py
"""

import re
import sys
from importlib.metadata import Distribution, distributions

from packaging.requirements import Requirement

HEAD = """\
# Licences

The Python packages in the container image for CPUs, each with its licence as its own metadata
states it. The packages of Debian are not among them: `make sbom` lists those too. Each package's
full text is in the image, in `/opt/regard/lib/python3.11/site-packages/PACKAGE.dist-info`.
soundfile brings libsndfile (LGPL-2.1-or-later) and the decoders that it uses.

Regard itself is Apache-2.0, and so are its bundles, but for two whose data is share-alike:
`digits-image` is CC-BY-SA-3.0, `digits-speech` CC-BY-SA-4.0. Each manifest says its licence.

| package | version | licence | needed by |
|---|---|---|---|"""
OPTIONAL = {"cpu", "otel"}  # extras of Regard's that are in the image


def name_of(written: str) -> str:
    """As package indexes spell it."""
    return re.sub(r"[-_.]+", "-", written).lower()


def licence_of(package: Distribution) -> str:
    """By the newest of the three ways to state it that is used."""
    stated = package.metadata["License-Expression"] or package.metadata["License"]
    classified = [
        line.rpartition(" :: ")[2]
        for line in package.metadata.get_all("Classifier", [])
        if line.startswith("License :: ")
    ]
    return stated or ", ".join(classified)


def needs(package: Distribution) -> set[str]:
    """The names of the packages that it asks for here."""
    requirements = map(Requirement, package.requires or [])
    extras = {""} | (OPTIONAL if name_of(package.name) == "regard" else set())
    return {
        name_of(one.name)
        for one in requirements
        if one.marker is None or any(one.marker.evaluate({"extra": extra}) for extra in extras)
    }


packages = {
    name_of(package.name): package
    for package in distributions(path=[path for path in sys.path if "/opt/regard/" in path])
}
print(HEAD)
for name, package in sorted(packages.items()):
    if name != "regard":
        users = ", ".join(user for user in sorted(packages) if name in needs(packages[user]))
        print(f"| {name} | {package.version} | {licence_of(package)} | {users} |")
