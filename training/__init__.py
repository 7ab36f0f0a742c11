"""A job file and labelled images in, a model folder out."""
