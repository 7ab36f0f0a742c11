"""Parts that detector families share, each computed for all images of a batch at once."""
