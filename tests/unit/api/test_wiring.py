"""The lifespan's state has each object that a route asks for, and no other."""

from tests.unit.api.test_app import calls_of, routes_of
from wegent_api.app import create_app
from wegent_api.http.state import FromState
from wegent_api.settings import Settings
from wegent_api.wiring import State


def test_routes_ask_for_each_object_of_the_state() -> None:
    """Without this test, only the first request would find a name missing from the state."""
    asked = {
        call.name
        for route in routes_of(create_app(Settings()).routes)
        for call in calls_of(route.dependant)
        if isinstance(call, FromState)
    }
    assert asked == set(State.__annotations__)
