"""The data doctor: what is wrong with a data set, how bad it is, and what to do about it."""
