"""The servers that a user would pick instead, each a short file as its documentation writes it."""
