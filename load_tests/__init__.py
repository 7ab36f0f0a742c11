"""Load tests: a black box over HTTP that imports nothing of the server's code."""
