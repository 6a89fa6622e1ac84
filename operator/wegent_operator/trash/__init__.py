"""The trash: finalizers, Tombstones, restores, and the release at uninstall."""
