"""Writes what the repository holds that follows from something else in it.

``python -m codegen`` writes, ``python -m codegen --check`` only tells whether what is
there is what would be written. A generator is a module with ``generate()``, which
yields files or regions of files (``codegen.files``), and one entry in ``codegen.__main__``.
"""
