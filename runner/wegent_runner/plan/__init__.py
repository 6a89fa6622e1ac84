"""The plan of a run: what is sent to which Model, from the Task and all that it refers to."""
