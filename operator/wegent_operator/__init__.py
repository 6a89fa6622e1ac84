"""Wegent's operator: watches fill a cache, and one controller a kind writes statuses.

::

    watches ──▶ cache ──▶ queue ──▶ controller of the kind ──▶ one guarded status patch
                  ▲                    │
               resync                  └──▶ the object's referrers, if it changed for them

The dispatcher (``runtime.dispatcher``) finds the controller of a kind in the table that ``app``
builds. Each kind's decision is a function called ``verdict``, in the folder of its controller:
``references``, ``tasks``, ``accounts``, ``trash``.

Imports go one way: app > watch > accounts, tasks > references > trash > runtime > state
> settings, names. The decisions import no client and no runtime; a contract in pyproject.toml holds
that.

See docs/operator.md for the whole picture and docs/adr/ for the reasons.
"""
