"""Wegent's operator: Kopf feeds it, a store remembers, pure functions judge, few writers write.

::

    feed (Kopf) ──▶ store ──▶ queue ──▶ judge (pure) ──▶ one guarded status patch
                      ▲                    │
                    sweep                  └──▶ the object's referrers, if what they see changed

See docs/operator.md for the whole picture and docs/adr/ for why.
"""
