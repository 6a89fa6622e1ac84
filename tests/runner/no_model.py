"""The tests of Models of a server that has none."""


async def no_model(_: str, __: str, ___: str) -> None:
    """Return None: there is no such Model."""
