"""A model and an image in, attributions, pictures and measures of their quality out."""
