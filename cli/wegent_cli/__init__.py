"""The command ``wegent``, which is also ``kubectl wegent``.

``config`` and ``target`` decide which API a call is for, ``call`` gives every command the same
options and errors, and ``commands`` has the commands. Modules without a terminal or a network are
pure: ``tables``, ``columns``, ``tree``, ``conversation``, ``kubeconfig``, ``credential``.

The client is imported at its first use, so that ``--help`` and completion are quick.
"""
