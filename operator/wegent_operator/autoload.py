"""For ``kopf run -A --standalone -m wegent_operator.autoload``: registers on import.

Kept apart from the package, so that importing Wegent's operator never changes
the default registry behind anybody's back.
"""

import kopf

from wegent_operator.app import register

register(kopf.get_default_registry())
