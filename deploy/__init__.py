"""Files that put models in front of users: Compose, Kubernetes, and the weights between models."""
