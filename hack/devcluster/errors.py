"""Errors, each with a message for the person at the terminal.

::

    ClusterError
    ├── BinariesUnavailable     no source has the programs
    ├── DownloadError           upstream's releases can't be downloaded
    ├── ChecksumMismatch        a download does not match the published checksum
    ├── BuildError              a program or an image can't be built
    ├── ProgramFailed           a server died or never got ready; carries its log's tail
    ├── PortTaken               another program listens on a port of this cluster
    ├── ProviderRefused         an existing cluster or kind that can't be used
    ├── ForeignState            the state is another checkout's, from which it was copied
    └── NodeUnavailable         this machine lacks a requirement of a node
"""


class ClusterError(Exception):
    """Base of everything this package raises on purpose."""


class BinariesUnavailable(ClusterError):  # noqa: N818 - what happened
    """None of the sources could give the programs; the message lists what each one said."""


class DownloadError(ClusterError):
    """A release could not be fetched; another source may still have the program."""


class ChecksumMismatch(ClusterError):  # noqa: N818 - what happened
    """A download does not match the published checksum; no other source is tried."""


class BuildError(ClusterError):
    """A build by Go, Docker or buildah failed, or its program is missing."""


class ProgramFailed(ClusterError):  # noqa: N818 - what happened
    """A server ended by itself or did not get ready in time; the message ends in its log's tail."""


class PortTaken(ClusterError):  # noqa: N818 - what happened
    """Another program listens on a port that this cluster keeps."""


class ProviderRefused(ClusterError):  # noqa: N818 - what happened
    """The kind of cluster that was asked for can't be had here; nothing else was tried."""


class ForeignState(ClusterError):  # noqa: N818 - what happened
    """The state belongs to another checkout; nothing of that one was touched."""


class NodeUnavailable(ClusterError):  # noqa: N818 - what happened
    """No node can be run on this machine; the message says what is missing or was refused."""
