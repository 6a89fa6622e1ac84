"""The API server, called as the caller or with the proxy's own credentials.

``client``, ``target`` and ``watches`` act as the caller. ``own_api``, ``role_bindings`` and
``creator_policy`` use the proxy's own credentials, for indexes and policies.
"""
