"""Review of what was found: a store of labels, teaching, and a page in the browser."""
