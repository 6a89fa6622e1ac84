"""Models of the accounts' routes whose schemas FastAPI does not find itself."""

from typing import Final

from pydantic import BaseModel

from wegent_api.accounts.admin_models import AccountChange, PasswordReset
from wegent_api.accounts.models import (
    AdminRegistration,
    ApiTokenCreation,
    Credentials,
    PasswordChange,
    Registration,
)

BODIES: Final[tuple[type[BaseModel], ...]] = (
    Registration,
    AdminRegistration,
    Credentials,
    PasswordChange,
    PasswordReset,
    ApiTokenCreation,
    AccountChange,
)
"""Bodies of requests that contain no object."""
