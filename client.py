"""Ask a Sightline server from Python: one file, standard library only, made to be copied."""
