"""Models of the hub: which files are needed, fetching them whole, finding them on this disk.

Importing this module loads neither torch nor the hub's client.
"""
