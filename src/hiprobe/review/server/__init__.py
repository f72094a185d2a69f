"""The server of the review page; the only room that imports FastAPI."""
