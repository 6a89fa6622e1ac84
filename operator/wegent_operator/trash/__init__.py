"""The trash: finalizers, Tombstones, restores, and the removal of finalizers at uninstall."""
