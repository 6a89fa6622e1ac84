"""Members of a namespace: RoleBindings that its admins write, over REST."""
