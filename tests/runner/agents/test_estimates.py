"""A call that is cut off counts, since its provider bills it."""

from wegent_runner.agents.model_calls import estimated
from wegent_runner.engine.model_stream import Called, CallRequest, ModelInput, Turn


def test_the_estimate_is_of_all_that_was_sent_and_written() -> None:
    called = Called("t" * 40, (CallRequest("c", "n", "{}"),), ("r" * 400,))
    told = ModelInput("i" * 4, [Turn("user", "u" * 36), called])
    usage = estimated(told, 80)
    assert (usage.input_tokens, usage.output_tokens) == (120, 20)
