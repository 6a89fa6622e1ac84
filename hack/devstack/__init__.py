"""The whole of Wegent on this machine: what `make up`, `make down` and their like run.

A cluster from ``devcluster``; on it the CRDs, roles and policies of the checkout; the
operator and the API proxy as processes here, each under its own ServiceAccount, so that
what works here works with the rights it has in a cluster.
"""
