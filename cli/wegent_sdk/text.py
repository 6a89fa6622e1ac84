"""The text of a run, as its events build it up."""

from dataclasses import dataclass, field

from wegent_sdk.tasks import TaskEvent


@dataclass(slots=True)
class RunText:
    """The text so far. A run that is restarted takes a part of it back."""

    _pieces: list[tuple[int, str]] = field(default_factory=list)

    @property
    def text(self) -> str:
        """The text so far, of all messages of the run."""
        return "".join(piece for _, piece in self._pieces)

    def feed(self, event: TaskEvent) -> bool:
        """Take an event; return True if a part of the text before is no longer valid."""
        if event.text:
            self._pieces.append((int(event.data.get("sequence_number") or 0), event.text))
        elif event.type == "run.restarted":
            valid_until = int(event.data.get("valid_until") or 0)
            kept = [it for it in self._pieces if it[0] <= valid_until]
            self._pieces, before = kept, len(self._pieces)
            return len(kept) < before
        return False
