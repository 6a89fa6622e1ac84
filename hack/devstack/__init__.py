"""All of Wegent on this machine, for `make up`, `make down` and similar targets.

The stack is a cluster from ``devcluster`` with the CRDs, roles and policies of the checkout. The
operator and the API proxy run as processes here. Each uses its own ServiceAccount, so that it has
the same rights here as in a cluster.
"""
