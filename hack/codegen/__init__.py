"""Generates the files of the repository that follow from other files in it.

``python -m codegen`` writes the files. ``python -m codegen --check`` only compares them with the
generated content. A generator is a module with ``generate()``, which
yields files or regions of files (``codegen.files``), and one entry in ``codegen.__main__``.
"""
