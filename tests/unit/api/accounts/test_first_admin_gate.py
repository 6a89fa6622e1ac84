"""Names that nobody may register, and similar spellings."""

import pytest

from wegent_api.accounts.first_admin_gate import refuse_reserved
from wegent_api.http.errors import Invalid


@pytest.mark.parametrize(
    "name", ["root", "r00t", "adm1n", "4dmin", "sys-admin", "super-user", "kube-system", "w3gent-x"]
)
def test_lookalikes_are_refused(name: str) -> None:
    with pytest.raises(Invalid, match="is reserved"):
        refuse_reserved(name, what="Registration")


@pytest.mark.parametrize("name", ["jane-doe", "user-1f00", "rooter", "admins2", "kubert", "a1"])
def test_other_names_are_free(name: str) -> None:
    refuse_reserved(name, what="Registration")
