"""The API proxy: REST in, Kubernetes API out, each request with its caller's own rights.

The way of a ``POST /api/v1/kinds/bots``::

    app ──▶ kinds.routes ──▶ Writes.create ──▶ check_references        each referent exists
                                  │
                                  ├──────────▶ ObjectWriter.annotate   the creator's name
                                  │
                                  └──────────▶ Target.write ──▶ UserApi ──▶ API server

``UserApi`` sends the caller's own token, so the API server decides on rights and validity. The
answer comes back unchanged, with an ``ETag``. ``PUT``, ``PATCH`` and ``DELETE`` take the same way.
Their ``Target`` also holds the write to the version in ``If-Match``.

``wiring`` makes the objects that routes ask for, once for each application. A route names each
object that it uses as a parameter.

Imports go one way: app > document, wiring > apply, trash > kinds, members > accounts > upstream >
server > http > settings > names, version. Contracts in pyproject.toml hold that, and keep the
proxy's own credentials out of ``kinds``, ``apply`` and ``trash``.

See docs/api.md for the API and docs/adr/ for the reasons.
"""
