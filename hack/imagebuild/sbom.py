"""An image's bill of materials, a CycloneDX document: packages of Debian and of Python."""

import hashlib
import json
import uuid
from collections.abc import Iterable, Iterator
from datetime import datetime
from email.parser import HeaderParser
from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import Final

from cyclonedx.model import HashAlgorithm, HashType
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.license import DisjunctiveLicense, LicenseExpression
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL

NAMESPACE: Final = uuid.UUID("6b8f1a0e-6f0f-4f0e-9a53-2f1d7c1b0a11")
"""The namespace of serial numbers: equal content has the same number."""
LONGEST_LICENSE: Final = 100
"""The length limit of a license's name, as some packages have the whole text instead."""


def describe(
    *, name: str, version: str, python: Path, dpkg: Path | None, created: datetime
) -> bytes:
    """Return the document of one image.

    Args:
        name: of the image.
        version: of the image.
        python: the directory of the Python packages.
        dpkg: Debian's ``/var/lib/dpkg/status``, if the image has one.
        created: the image's own time.
    """
    bom = Bom()
    whole = Component(
        type=ComponentType.CONTAINER, name=name, version=version, bom_ref=f"{name}@{version}"
    )
    bom.metadata.component = whole
    bom.metadata.timestamp = created
    found = list(_python(distributions(path=[str(python)])))
    if dpkg is not None:
        found += _debian(dpkg.read_text(encoding="utf-8"))
    for component in found:
        bom.components.add(component)
    bom.register_dependency(whole, found)
    refs = "\n".join(sorted(str(component.purl) for component in found))
    bom.serial_number = uuid.uuid5(NAMESPACE, f"{name}@{version}\n{refs}")
    document = json.loads(JsonV1Dot6(bom).output_as_string())
    return json.dumps(document, indent=2, sort_keys=True).encode() + b"\n"


def _python(found: Iterable[Distribution]) -> Iterator[Component]:
    for distribution in found:
        metadata = distribution.metadata.json
        name, version = str(metadata["name"]), distribution.version
        purl = PackageURL("pypi", None, name.lower().replace("_", "-"), version)
        record = distribution.read_text("RECORD") or ""
        component = Component(
            type=ComponentType.LIBRARY,
            name=name,
            version=version,
            purl=purl,
            bom_ref=str(purl),
            description=str(metadata.get("summary", "")) or None,
            # The digest of the list of its files with their digests.
            hashes=[HashType(alg=HashAlgorithm.SHA_256, content=_sha256(record))],
        )
        if expression := metadata.get("license_expression"):
            component.licenses.add(LicenseExpression(str(expression)))
        elif (text := str(metadata.get("license", ""))) and len(text) < LONGEST_LICENSE:
            component.licenses.add(DisjunctiveLicense(name=text))
        yield component


def _debian(status: str) -> Iterator[Component]:
    for paragraph in status.strip().split("\n\n"):
        package = HeaderParser().parsestr(paragraph)
        if package["Status"] != "install ok installed":
            continue
        name, version, machine = package["Package"], package["Version"], package["Architecture"]
        purl = PackageURL("deb", "debian", name, version, {"arch": machine})
        yield Component(
            type=ComponentType.LIBRARY, name=name, version=version, purl=purl, bom_ref=str(purl)
        )


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
