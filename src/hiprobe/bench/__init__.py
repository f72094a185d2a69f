"""How fast HiProbe is, against what the machine could do and against the usual ways."""
