"""The life of a Task: phases, deadlines, its end."""
