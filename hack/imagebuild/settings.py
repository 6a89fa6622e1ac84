"""This machine's settings for package indexes, as secrets of a build.

A builder mounts a secret while a command runs, and keeps it out of the image.
"""

import ast
import configparser
import re
import ssl
import sys
from pathlib import Path
from typing import Final

from devcluster.shell import output_or_empty

APT_CONFIG: Final = "apt.conf"
PIP_CONFIG: Final = "pip.conf"
AUTHORITIES: Final = "ca.pem"
MOUNTED: Final = Path("/run/secrets")
"""The directory of secrets in a build."""
OF_APT: Final = re.compile(r"^Acquire::(https?|ftp|Retries|Check-Date|Check-Valid-Until)\b")
OF_PIP: Final = ("index-url", "extra-index-url", "trusted-host", "proxy", "timeout", "retries")
PIP_SETTING: Final = re.compile(r"^(?P<source>[^.]+)\.(?P<name>[a-z-]+)=(?P<value>'.*'|\".*\")$")


def write_secrets(directory: Path) -> list[str]:
    """Write the settings into ``directory``, and return the options of a build with them."""
    settings = pip_settings(output_or_empty(sys.executable, "-m", "pip", "config", "list"))
    authorities = settings.pop("cert", None) or ssl.get_default_verify_paths().cafile
    # Outside Debian there is no apt-config, and no setting.
    texts = {APT_CONFIG: apt_settings(output_or_empty("apt-config", "dump"))}
    if authorities:
        texts[AUTHORITIES] = Path(authorities).read_text(encoding="utf-8")
        settings["cert"] = str(MOUNTED / AUTHORITIES)
    parser = configparser.RawConfigParser()
    parser["global"] = settings
    for name, text in texts.items():
        (directory / name).write_text(text, encoding="utf-8")
    with (directory / PIP_CONFIG).open("w", encoding="utf-8") as file:
        parser.write(file)
    return [f"--secret=id={name},src={directory / name}" for name in (*texts, PIP_CONFIG)]


def apt_settings(dump: str) -> str:
    """Return the lines of ``apt-config dump`` on how packages are fetched."""
    return "".join(f"{line}\n" for line in dump.splitlines() if OF_APT.match(line))


def pip_settings(listing: str) -> dict[str, str]:
    """Return the settings in ``pip config list`` on how packages are fetched, and ``cert``."""
    found = [match for line in listing.splitlines() if (match := PIP_SETTING.match(line))]
    found.sort(key=lambda it: it["source"] == ":env:")  # variables take precedence over files
    values = {it["name"]: str(ast.literal_eval(it["value"])) for it in found}
    return {name: value for name, value in values.items() if name in (*OF_PIP, "cert")}
