"""The users who sign up, as in the tests of Accounts."""

from tests.api.accounts.conftest import admin, kubectl_with, log_in, sign_up

__all__ = ["admin", "kubectl_with", "log_in", "sign_up"]
