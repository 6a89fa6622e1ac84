from pathlib import Path

from devcluster.controlplane import ControlPlane
from tests.support.identity import kubectl_as
from tests.support.kubectl import Kubectl


def test_controllers_are_at_work(kubectl: Kubectl) -> None:
    kubectl.run("create", "namespace", "controllers-work").ok()
    kubectl.run("delete", "namespace", "controllers-work").ok()
    gone = kubectl.run("get", "namespace", "controllers-work")
    assert "NotFound" in gone.stderr


def test_audit_log_has_a_write_at_once(control_plane: ControlPlane, kubectl: Kubectl) -> None:
    kubectl.run("create", "namespace", "audited").ok()
    assert '"name":"audited"' in control_plane.audit_log.read_text(encoding="utf-8")


def test_service_account_acts_as_itself(
    control_plane: ControlPlane, kubectl: Kubectl, tmp_path: Path
) -> None:
    account = kubectl_as(control_plane, kubectl, "default", "default", tmp_path)
    who = account.run("auth", "whoami", "-o", "json").ok().json
    assert who["status"]["userInfo"]["username"] == "system:serviceaccount:default:default"
    assert account.run("get", "namespaces").exit_code == 1
