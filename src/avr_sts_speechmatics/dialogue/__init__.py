"""Turn taking between caller and agent. The code is pure: no I/O, no tasks, no own clock."""
