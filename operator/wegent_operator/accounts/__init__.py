"""Accounts: the ServiceAccount, namespace, quota and bindings of each user."""
