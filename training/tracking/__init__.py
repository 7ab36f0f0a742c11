"""A job in MLflow, where MLFLOW_TRACKING_URI is set: a parent run and one child run per trial.

One thread of the controller's process follows the run's own files. Trials know nothing of it: they
neither wait for a store nor fail with it, and whatever a crash or an outage leaves out is still in
the files, from where the next pass, or the next `resume`, logs it.
"""

from training.tracking.session import require_mlflow, tracked

__all__ = ["require_mlflow", "tracked"]
