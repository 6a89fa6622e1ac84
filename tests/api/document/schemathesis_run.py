"""A run of schemathesis on a real proxy."""

import asyncio
import sys
from pathlib import Path
from typing import Final

CHECKS: Final = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "allow_header_conformance",
)
LONGEST_S: Final = 20


async def report_of(
    url: str,
    token: str,
    directory: Path,
    *options: str,
    checks: tuple[str, ...] = (),
    hooks: Path | None = None,
) -> str:
    """Try the document of a proxy, and return the report of schemathesis.

    Args:
        url: of the proxy.
        token: of the caller.
        directory: an empty directory.
        options: of schemathesis: phases, the number of examples, and the chosen operations.
        checks: further checks besides `CHECKS`.
        hooks: a module with hooks of schemathesis.

    Raises:
        AssertionError: a promise of the document was broken.
    """
    # A watch doesn't end.
    settings = '[parameters]\n"query.watch" = "false"\n'
    if hooks is not None:
        settings = f'hooks = "{hooks}"\n{settings}'
    (directory / "schemathesis.toml").write_text(settings)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "schemathesis.cli", "run", f"{url}/openapi.json",
        "--header", f"Authorization: Bearer {token}",
        "--checks", ",".join((*CHECKS, *checks)),
        "--seed", "1",
        "--request-timeout", str(LONGEST_S),
        "--continue-on-failure",
        "--warnings", "off",
        *options,
        cwd=directory,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    out, _ = await process.communicate()
    report = out.decode()
    assert process.returncode == 0, report[-20_000:]
    return report
