"""What service.py is made of: HTTP on one side, a predictor and an explainer on the other."""
