"""Wegent's resources: the table of kinds, and the pydantic models behind the CRDs.

``kinds``, ``references`` and ``conditions`` import nothing but the standard
library, so that the operator starts without pydantic; the models live one
module a kind beside them.
"""
