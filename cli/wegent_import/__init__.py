"""Import of Wegent's documents and databases.

`convert` is a pure function: documents in Wegent's form to objects of this project, secrets and
notes. The other modules read documents and write results.
"""
