"""Model folder to predictions. Knows no HTTP, no BentoML, no Lightning and no Captum."""
