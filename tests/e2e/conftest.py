"""One cluster that runs Pods for the whole run, with the checkout's images."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from devcluster.checkout import CHECKOUT
from imagebuild.images import IMAGES
from tests.e2e.clusters import PodCluster, pod_cluster
from tests.e2e.release import Release
from tests.e2e.rest import Rest
from tests.support.helm import Helm

ARCHIVES = CHECKOUT / ".dev" / "image"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if item.path.is_relative_to(here):
            item.add_marker(pytest.mark.e2e)


Measured = Callable[[str, object], None]
_MEASURED = pytest.StashKey[list[str]]()


@pytest.fixture
def measured(pytestconfig: pytest.Config) -> Measured:
    """Note a figure for the run's summary."""
    lines = pytestconfig.stash.setdefault(_MEASURED, [])
    return lambda what, value: lines.append(f"{what}: {value}")


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    if lines := config.stash.get(_MEASURED, []):
        terminalreporter.section("measured")
        terminalreporter.write_line("\n".join(lines))


@pytest.fixture(scope="session")
def pods(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PodCluster]:
    """The cluster, with the images that ``make image`` made last."""
    archives = [path for image in IMAGES.values() for path in ARCHIVES.glob(f"{image}-*.tar")]
    assert len(archives) >= len(IMAGES), f"no images in {ARCHIVES}: run `make image`"
    with pod_cluster(tmp_path_factory.mktemp("pods")) as cluster:
        for archive in archives:
            cluster.load(archive)
        yield cluster


@pytest.fixture(scope="session")
def own_release(
    pods: PodCluster, helm_program: Path, tmp_path_factory: pytest.TempPathFactory
) -> Release:
    """The release, installed or not."""
    return Release(
        pods, Helm(helm_program, tmp_path_factory.mktemp("helm"), pods.kubectl.kubeconfig)
    )


@pytest.fixture
def release(own_release: Release) -> Release:
    """The release, installed and ready."""
    own_release.ensure()
    return own_release


@pytest.fixture
def rest(release: Release) -> Rest:
    """The REST API without a user."""
    return release.rest()
