"""Models from hubs: files of a checkpoint, and what can be read from networks nobody wrote here."""
