"""The text of one answer of an LLM, as it comes."""

from dataclasses import dataclass, field, replace

from wegent_runner.runs.items import Message, Status
from wegent_runner.runs.log import LogFull, RunLog


@dataclass(slots=True)
class Voice:
    """Takes the text of one message, and puts it into the log.

    A log streams one message at a time. The texts of Bots that work side by side are held until
    they are whole.

    Args:
        log: The log of the run.
        head: The message without its text and its place.
        live: True to stream the text.
    """

    log: RunLog
    head: Message
    live: bool
    _held: list[str] = field(default_factory=list)
    _length: int = 0

    def append(self, piece: str) -> None:
        """Add text.

        Raises:
            LogFull: the run would exceed its maximum length.
        """
        if not self.live:
            self._held.append(piece)
            self._length += len(piece)
            if self._length > self.log.room:
                raise LogFull
            return
        if not self.log.is_writing:
            head = self.head
            self.log.begin(head.bot, thread=head.thread, step=head.step, final=head.final)
        self.log.append(piece)

    def discard(self) -> None:
        """Drop the text, because its call is made again."""
        self.taken()
        if self.live:
            self.log.discard()

    def taken(self) -> str:
        """Return the held text, which is not said."""
        text = "".join(self._held)
        self._held, self._length = [], 0
        return text

    def finish(self, status: Status) -> Message | None:
        """Return the finished message; None without any text."""
        if self.live:
            return self.log.finish(status) if self.log.is_writing else None
        text = self.taken()
        return self.log.add(replace(self.head, text=text, status=status)) if text else None
