"""Sweeps: which trials a job makes, which of them stop early, and who starts and watches them."""
